"""What a row says, held to what it should say. Pure."""

import array
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from cco_knowledge.credentials.vault import is_sealed
from cco_knowledge.store import schema
from cco_knowledge.store.metadata import metadata_digests
from cco_knowledge.terms import terms
from cco_knowledge.types import Entry, Vector

RowProblem = Literal["malformed", "vector", "passages", "derived"]

_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_LENGTH_TOLERANCE = 1e-3
"""A float32 vector of some hundred numbers that was normalised is off by 1e-7."""


def row_problems(batch: Any) -> list[tuple[RowProblem, str]]:
    """With the id of the row; of a batch of all columns."""
    nulls = (batch.column(field.name).null_count for field in batch.schema if not field.nullable)
    if not any(nulls):
        return [(problem, row.entry.id) for row in _rows(batch) for problem in _problems(row)]
    if batch.num_rows == 1:
        return [("malformed", str(batch.column("id")[0]))]
    return [found for at in range(batch.num_rows) for found in row_problems(batch.slice(at, 1))]


def n_damaged(batch: Any) -> int:
    """The rows with a problem that is quick to see: their terms are only looked at."""
    nulls = (batch.column(field.name).null_count for field in batch.schema if not field.nullable)
    if any(nulls):
        return int(batch.num_rows)
    return sum(any(_damages(row)) or _is_torn(row) for row in _rows(batch))


@dataclass(frozen=True, slots=True)
class _Row:
    entry: Entry
    vectors: Sequence[Vector]
    spans: Sequence[int]
    derived: tuple[object, ...]


def _rows(batch: Any) -> Iterator[_Row]:
    columns = zip(
        schema.to_entries(batch),
        schema.vector_list(batch.column("vector")),
        batch.column("passages"),
        batch.column("passage_spans").to_pylist(),
        zip(*(batch.column(name).to_pylist() for name in schema.DERIVED_COLUMNS), strict=True),
        strict=True,
    )
    for entry, first, further, spans, derived in columns:
        others = schema.vector_list(further.values) if further.is_valid else []
        yield _Row(entry, [first, *others], spans, derived)


def _problems(row: _Row) -> Iterator[RowProblem]:
    yield from _damages(row)
    if _is_well_formed(row.entry):
        digests = metadata_digests(msgspec.json.decode(row.entry.metadata))
        derived = (schema.content_digest(row.entry), digests, " ".join(terms(row.entry.text)))
        if row.derived != derived:
            yield "derived"


def _is_torn(row: _Row) -> bool:
    """A lost write leaves zeros."""
    digest, _, found_by = row.derived
    return digest != schema.content_digest(row.entry) or "\0" in str(found_by)


def _damages(row: _Row) -> Iterator[RowProblem]:
    entry = row.entry
    if not _is_well_formed(entry):
        yield "malformed"
        return
    if not all(map(_is_normalised, row.vectors)):
        yield "vector"
    if not _covers(row.spans, len(row.vectors), len(entry.text)):
        yield "passages"


def _is_well_formed(entry: Entry) -> bool:
    times = [entry.timestamp, *([entry.superseded_at] if entry.superseded_at is not None else [])]
    return (
        bool(entry.id and entry.text and entry.type)
        and all(map(_is_timestamp, times))
        and (entry.superseded_by is None) == (entry.superseded_at is None)
        and _is_object(entry.metadata)
        and (entry.sealed is None or is_sealed(entry.sealed))
    )


def _is_timestamp(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _TIMESTAMP.fullmatch(text) is not None


def _is_object(encoded: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(encoded), dict)
    except msgspec.DecodeError:
        return False


def _is_normalised(vector: Vector) -> bool:
    length = math.hypot(*array.array("f", vector))
    return abs(length - 1.0) <= _LENGTH_TOLERANCE  # False for what is not finite


def _covers(spans: Sequence[int], n_vectors: int, length: int) -> bool:
    """One span a vector, from the beginning of the text to its end without a gap."""
    starts, ends = spans[::2], spans[1::2]
    return (
        len(starts) == len(ends) == n_vectors
        and starts[0] == 0
        and ends[-1] == length
        and all(start < end for start, end in zip(starts, ends, strict=True))
        and all(start <= end for start, end in zip(starts[1:], ends, strict=False))
    )
