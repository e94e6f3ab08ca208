"""JSON Lines with one entry each: reading them, and cutting them into calls."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

_LINE_MAX_BYTES = 16 << 20
_BATCH_ITEMS = 1000
_BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class EntryLine:
    number: int
    item: dict[str, Any]
    """An item of `knowledge.import`."""
    size_bytes: int
    end_bytes: int
    """Where the line ends in its file."""


@dataclass(frozen=True, slots=True)
class BadLine:
    number: int
    reason: str
    message: str


def read_lines(file: BinaryIO) -> Iterator[EntryLine | BadLine]:
    """Every line that is not blank. Only LF ends a line: JSON may hold the other separators."""
    end_bytes = 0
    number = 0
    while raw := file.readline(_LINE_MAX_BYTES):
        number += 1
        end_bytes += len(raw)
        if len(raw) == _LINE_MAX_BYTES and not raw.endswith(b"\n"):
            end_bytes += _skip_line(file)
            yield BadLine(number, "too_large", f"The line exceeds {_LINE_MAX_BYTES} bytes.")
        elif raw.strip():
            yield _read_line(number, raw, end_bytes)


def batches(lines: Iterable[EntryLine]) -> Iterator[list[EntryLine]]:
    batch: list[EntryLine] = []
    batch_bytes = 0
    for line in lines:
        if batch and (len(batch) == _BATCH_ITEMS or batch_bytes + line.size_bytes > _BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(line)
        batch_bytes += line.size_bytes
    if batch:
        yield batch


def _skip_line(file: BinaryIO) -> int:
    skipped_bytes = 0
    while part := file.readline(_LINE_MAX_BYTES):
        skipped_bytes += len(part)
        if part.endswith(b"\n"):
            break
    return skipped_bytes


def _read_line(number: int, raw: bytes, end_bytes: int) -> EntryLine | BadLine:
    try:
        item = _as_item(_parsed(raw))
        size_bytes = _size_bytes(item)
    except _Refused as refused:
        return BadLine(number, refused.reason, str(refused))
    return EntryLine(number, item, size_bytes, end_bytes)


class _Refused(Exception):
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise _Refused("parse_error", f"Not valid UTF-8 at byte {error.start}.") from error
    except (ValueError, RecursionError) as error:
        raise _Refused("parse_error", f"Not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise _Refused("invalid_params", "Not a JSON object.")
    return value


def _size_bytes(item: dict[str, Any]) -> int:
    try:
        return len(json.dumps(item, ensure_ascii=False, allow_nan=False).encode())
    except UnicodeEncodeError as error:
        message = "Not valid Unicode: it has a lone surrogate."
        raise _Refused("invalid_params", message) from error
    except ValueError as error:
        raise _Refused("invalid_params", "A number is too large for JSON readers.") from error


def _as_item(entry: dict[str, Any]) -> dict[str, Any]:
    """What was an entry of its own stays one; without an id, storing it again finds the first."""
    item = {name: value for name, value in entry.items() if value is not None}
    is_own = item.get("id") and "migration" not in item
    return {**item, "on_duplicate": "store"} if is_own else item


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")
