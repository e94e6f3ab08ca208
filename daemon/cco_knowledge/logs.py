"""Log lines: JSON for machines, short text on a terminal. Never texts, queries or vectors."""

import logging
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

import orjson

_OURS = "cco_knowledge"
_OF_A_CALL = frozenset(
    {
        "id",
        "method",
        "peer",
        "token",
        "outcome",
        "queue_ms",
        "ms",
        "bytes_in",
        "bytes_out",
        "redacted",
    }
)
"""What `rpc/observed.py` tells."""
_OF_A_JOB = frozenset({"job", "state", "reason"})
"""What `jobs` tells."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where a daemon logs by itself, and how much of it is kept."""

    path: Path
    max_bytes: int
    backups: int


def configure(level: str, file: LogFile | None = None) -> None:
    """Send the log to stderr, where systemd takes it, or to a file. No tracebacks."""
    handler = _RotatingFile(file) if file else logging.StreamHandler(sys.stderr)
    is_for_people = file is None and sys.stderr.isatty()
    handler.setFormatter(_TerminalFormatter() if is_for_people else _JsonFormatter())
    for name in (_OURS, "aiohttp", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    _leave_out_what_no_line_shows()
    # A line that cannot be written, on a full disk, is lost; a traceback in its place helps nobody.
    logging.raiseExceptions = False
    set_level(level)


def _leave_out_what_no_line_shows() -> None:
    """The caller's place, thread and process, which a record costs as much as all else to find.

    Source: https://docs.python.org/3/howto/logging.html#optimization
    """
    logging._srcfile = None  # noqa: SLF001  # as it says there
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def set_level(level: str) -> None:
    logging.getLogger(_OURS).setLevel(level.upper())


class _RotatingFile(RotatingFileHandler):
    """Takes stdout and stderr along, so that what native libraries print is in the log too."""

    def __init__(self, file: LogFile) -> None:
        super().__init__(
            file.path, maxBytes=file.max_bytes, backupCount=file.backups, encoding="utf-8"
        )

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        for standard in (1, 2):
            os.dup2(stream.fileno(), standard)
        return stream


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "ts": moment,
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_extra(record),
        }
        return orjson.dumps(line).decode()


class _TerminalFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = _extra(record)
        told = _in_short(extra) if extra else record.getMessage()
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {told}"


def _in_short(call: dict[str, object]) -> str:
    if "job" in call:
        return f"job {call['job']} {call['state']}" + (
            f": {call['reason']}" if call["reason"] else ""
        )
    by = f", token {call['token']}" if call["token"] else ""
    return (
        f"{call['method']} {call['outcome']} in {call['ms']} ms (waited {call['queue_ms']}), "
        f"{call['bytes_in']} B in, {call['bytes_out']} B out, id {call['id']}, peer {call['peer']}"
    ) + by


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {
        key: value
        for key, value in record.__dict__.items()
        if key in _OF_A_CALL or key in _OF_A_JOB
    }
