"""Log lines: JSON for machines, short text on a terminal. Never texts, queries or vectors."""

import logging
import sys
from datetime import UTC, datetime

import orjson

_OWN = frozenset({"method", "outcome", "ms", "bytes"})


def configure(level: str) -> None:
    """Send the log to stderr without tracebacks, where systemd, launchd or the log file take it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_TerminalFormatter() if sys.stderr.isatty() else _JsonFormatter())
    for name in ("cco_knowledge", "aiohttp", "asyncio"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level.upper() if name == "cco_knowledge" else logging.WARNING)
        logger.propagate = False


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
        extra = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        clock = self.formatTime(record, "%H:%M:%S")
        return f"{clock} {record.levelname.lower():7} {record.getMessage()} {extra}".rstrip()


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key in _OWN}
