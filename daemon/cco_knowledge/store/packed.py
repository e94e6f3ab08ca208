"""Entries in few bytes, to be held in memory beside their vectors."""

from typing import Any

import msgspec

from cco_knowledge.store.schema import ENTRY_COLUMNS
from cco_knowledge.types import EmbeddedEntry, Entry, Passage, Vector

COLUMNS = (*ENTRY_COLUMNS, "passages", "passage_spans")
"""Of the batches."""
_MOST_BYTES = 4096
"""A longer entry is read from the table each time."""
_Row = tuple[
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str,
    str | None,
    str | None,
    str | None,
    str | None,
    bytes | None,
    list[int],
]
"""The columns in their order, and the bounds of the one passage."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Row).decode


def pack(batch: Any) -> list[bytes | None]:
    """Of each row; None where it is long, or has further passages."""
    columns = (batch.column(name).to_pylist() for name in (*ENTRY_COLUMNS, "passage_spans"))
    rows = map(_encode, zip(*columns, strict=True))
    return [
        row if not further.is_valid and len(row) <= _MOST_BYTES else None
        for row, further in zip(rows, batch.column("passages"), strict=True)
    ]


def unpack(packed: bytes, vector: Vector) -> EmbeddedEntry:
    *values, (start, end) = _decode(packed)
    row = dict(zip(ENTRY_COLUMNS, values, strict=True))
    entry = Entry(**{**row, "metadata": row["metadata"].encode()})
    return EmbeddedEntry(entry, [Passage(start, end, vector)])
