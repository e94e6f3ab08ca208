"""Log lines: JSON for machines, short text on a terminal. Never texts, queries or vectors."""

import logging
import sys
from datetime import UTC, datetime

import orjson

_OF_A_CALL = frozenset(
    {"id", "method", "peer", "outcome", "queue_ms", "ms", "bytes_in", "bytes_out"}
)
"""What `rpc/observed.py` tells."""


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
        call = _extra(record)
        told = _in_short(call) if call else record.getMessage()
        return f"{self.formatTime(record, '%H:%M:%S')} {record.levelname.lower():7} {told}"


def _in_short(call: dict[str, object]) -> str:
    return (
        f"{call['method']} {call['outcome']} in {call['ms']} ms (waited {call['queue_ms']}), "
        f"{call['bytes_in']} B in, {call['bytes_out']} B out, id {call['id']}, peer {call['peer']}"
    )


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in record.__dict__.items() if key in _OF_A_CALL}
