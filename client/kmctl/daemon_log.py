"""The log that a daemon may write into its home: its end, line by line."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

FIELDS = ("ts", "level", "event", "method", "outcome", "ms", "bytes")
_BLOCK_BYTES = 1 << 16
_MOST_BYTES = 64 << 20
_LOOKED_BACK = 200
_REFUSAL = "cco-knowledged: "


def last_lines(path: Path, n_lines: int, end: int | None = None) -> list[str]:
    """Before the place `end`; at most 64 MiB of a log of any length. Raises OSError."""
    blocks: list[bytes] = []
    n_newlines = 0
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END) if end is None else end
        while at and n_newlines <= n_lines and len(blocks) * _BLOCK_BYTES < _MOST_BYTES:
            size = min(_BLOCK_BYTES, at)
            at = file.seek(at - size)
            blocks.append(file.read(size))
            n_newlines += blocks[-1].count(b"\n")
    data = b"".join(reversed(blocks))
    return data.decode("utf-8", "replace").splitlines()[-n_lines:] if n_lines else []


def following(path: Path, at: int, wait: Callable[[], None]) -> Iterator[str]:
    """Each line that is written after the place `at`; from the beginning of a log emptied since."""
    unfinished = b""
    while True:
        wait()
        if not path.exists():  # moved away; a new one will come
            at, unfinished = 0, b""
            continue
        size_bytes = path.stat().st_size
        if size_bytes < at:
            at, unfinished = 0, b""
        with path.open("rb") as file:
            file.seek(at)
            data = file.read(size_bytes - at)
        at += len(data)
        *lines, unfinished = (unfinished + data).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)


def parsed(line: str) -> dict[str, Any]:
    """A line of the daemon as it wrote it; any other text as the `event`."""
    try:
        facts = json.loads(line)
    except ValueError:
        return {"event": line}
    return facts if isinstance(facts, dict) else {"event": line}


def last_refusal(path: Path) -> str | None:
    """Why the last start failed, where that is the last thing that the log tells."""
    if not path.exists():
        return None
    refusal = None
    for line in last_lines(path, _LOOKED_BACK):
        if line.startswith(_REFUSAL):
            refusal = line.removeprefix(_REFUSAL)
        elif parsed(line)["event"] == "ready":
            refusal = None
    return refusal


def in_words(line: str) -> str:
    """Time, level, event, method, outcome, milliseconds."""
    return "  ".join(_words(parsed(line)))


def _words(facts: dict[str, Any]) -> Iterator[str]:
    if "ts" not in facts:
        yield str(facts.get("event", ""))
        return
    yield str(facts["ts"])
    yield f"{facts.get('level', ''):<7}"
    yield from (str(facts[name]) for name in ("event", "method", "outcome") if name in facts)
    if "ms" in facts:
        yield f"{facts['ms']} ms"
