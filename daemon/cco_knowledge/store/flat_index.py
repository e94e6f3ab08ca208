"""All vectors of a table in memory: what is nearest to another one is a product with all of them.

LanceDB copies the column for each search and makes a plan for it: 11 ms of CPU for 10,000 entries,
1.5 ms here. Beside them are the entries themselves, as far as they are short: LanceDB takes 2 to
5 ms of CPU to read some.
"""

import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more would spin beside llama.cpp's

import numpy as np

from cco_knowledge.store import packed
from cco_knowledge.store.postings import Mask, Postings
from cco_knowledge.store.schema import vector_list
from cco_knowledge.store.vector_indexes import LargeTable
from cco_knowledge.store.words import HeldTerms, Words
from cco_knowledge.types import EmbeddedEntry, Filters, Match, Vector

COLUMNS = ("vector", "metadata_digests", "terms", *packed.COLUMNS)
"""Of the batches."""
_PACKED_BYTES = 8 << 20
"""Some 25,000 entries of 30 words."""
_ROOM = 1.25
_ROUNDING = 1e-5
_VECTORS_AT_ONCE = 16
"""Their products with 20,000 others are 1.3 MB."""
_FEW = 0.5
"""Of the vectors: so many are copied out and multiplied quicker than all."""

_Array = np.ndarray[Any, np.dtype[Any]]


class _Vectors:
    """They only come to it: who has counted them sees no later ones."""

    def __init__(self, dim: int, room: int, most: int) -> None:
        self._most = most
        self.n = 0
        self.numbers = _fresh(room, dim)
        self.row_of: _Array = np.empty(room, np.int32)

    def add(self, numbers: _Array, rows: _Array) -> None:
        """Scaled to length 1.

        Raises:
            LargeTable
        """
        n = self.n + len(numbers)
        if n > self._most:
            raise LargeTable
        if n > len(self.numbers):
            self._make_room(min(int(n * _ROOM), self._most))
        lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
        lengths[np.abs(lengths - 1) < _ROUNDING] = 1  # what is read here is what was stored
        np.divide(numbers, lengths, out=self.numbers[self.n : n], where=lengths > 0)
        self.row_of[self.n : n] = rows
        self.n = n

    def _make_room(self, n: int) -> None:
        numbers = _fresh(n, self.numbers.shape[1])
        row_of = np.empty(n, np.int32)
        numbers[: self.n] = self.numbers[: self.n]
        row_of[: self.n] = self.row_of[: self.n]
        self.numbers, self.row_of = numbers, row_of


@dataclass(slots=True)
class _Rows:
    """What they hold beside vectors. They only come to it."""

    ids: list[str] = field(default_factory=list)
    entries: list[bytes | None] = field(default_factory=list)
    """Packed; None where one is to be read from the table."""
    first_vectors: list[int] = field(default_factory=list)
    row_of: dict[str, int] = field(default_factory=dict)
    """The last of each id."""
    postings: Postings = field(default_factory=Postings)
    words: Words = field(default_factory=Words)
    n_packed_bytes: int = 0

    def add(self, batch: Any, first_vector: int) -> None:
        ids = batch.column("id").to_pylist()
        self.row_of.update(zip(ids, range(len(self.ids), len(self.ids) + len(ids)), strict=True))
        self.ids.extend(ids)
        self.first_vectors.extend(range(first_vector, first_vector + len(ids)))
        self.postings.add(batch)
        self.words.add(batch.column("terms").to_pylist())
        for entry in packed.pack(batch):
            n_bytes = self.n_packed_bytes + len(entry or b"")
            fits = n_bytes <= _PACKED_BYTES
            self.n_packed_bytes = n_bytes if fits else self.n_packed_bytes
            self.entries.append(entry if fits else None)


@dataclass(frozen=True, slots=True, eq=False)
class FlatIndex:
    """Of one version of a table. That of the next one shares with it what stays the same."""

    _vectors: _Vectors
    _n_vectors: int
    _rows: _Rows
    _places: _Array
    """The ids that LanceDB has given to the rows; -1 where it has not told yet."""
    _is_there: Mask
    """Of each row; those that were deleted, or written anew, are not."""

    @classmethod
    def empty(cls, dim: int, room: int, most_vectors: int) -> "FlatIndex":
        vectors = _Vectors(dim, room, most_vectors)
        return cls(vectors, 0, _Rows(), np.empty(0, np.int64), np.empty(0, np.bool_))

    @property
    def n_rows(self) -> int:
        """With those that are gone."""
        return len(self._places)

    @property
    def n_there(self) -> int:
        return int(self._is_there.sum())

    def with_rows(self, batch: Any, places: _Array) -> "FlatIndex":
        """And those of the batch, which are in these places.

        Raises:
            LargeTable
        """
        n_before, vectors = len(self._places), self._vectors
        rows = np.arange(n_before, n_before + batch.num_rows, dtype=np.int32)
        first_vector = vectors.n
        vectors.add(_numbers(vector_list(batch.column("vector"))), rows)
        for at, further in _further(batch.column("passages")):
            vectors.add(_numbers(further), np.full(len(further), rows[at]))
        self._rows.add(batch, first_vector)
        places = np.concatenate([self._places, places])
        is_there = np.concatenate([self._is_there, np.ones(batch.num_rows, np.bool_)])
        return FlatIndex(vectors, vectors.n, self._rows, places, is_there)

    def with_written(self, batch: Any) -> "FlatIndex":
        """And those of the batch, or in place of those with the same id.

        Raises:
            LargeTable
        """
        is_there = self._is_there.copy()
        is_there[self._rows_of(batch.column("id").to_pylist())] = False
        kept = replace(self, _is_there=is_there)
        return kept.with_rows(batch, np.full(batch.num_rows, -1, np.int64))

    def only(self, places: _Array) -> "FlatIndex":
        """Without the rows that are in none of these places."""
        return replace(self, _is_there=self._is_there & np.isin(self._places, places))

    def unknown(self, places: _Array) -> _Array:
        """Those of the places in which no row is known to be."""
        return places[~np.isin(places, self._places[self._is_there])]

    def passing(self, filters: Filters) -> Mask:
        """Those that are there."""
        return self._rows.postings.passing(filters, self.n_rows) & self._is_there

    def embedded(self, ids: Iterable[str], may: Mask) -> list[EmbeddedEntry] | None:
        """Of those that may be; None if one of them is not held."""
        rows = self._rows_of(ids, may)
        found = [(self._rows.entries[row], self._vector(row)) for row in rows]
        held = [packed.unpack(entry, vector) for entry, vector in found if entry is not None]
        return held if len(held) == len(rows) else None

    def places_of(self, ids: Iterable[str], may: Mask) -> list[int]:
        """Of those that may be."""
        return [int(place) for place in self._places[self._rows_of(ids, may)]]

    def cosines(self, vector: Vector, ids: Sequence[str]) -> dict[str, float]:
        """Of the nearest passage of each that is there, by id."""
        may = np.zeros(self.n_rows, np.bool_)
        may[self._rows_of(ids)] = True
        (nearest,) = self.nearest([vector], may, len(ids), None)
        return {match.id: match.score for match in nearest}

    def nearest(
        self, vectors: Sequence[Vector], may: Mask, limit: int, least: float | None
    ) -> list[list[Match]]:
        """Of each the nearest of those that may be.

        Ordered by falling cosine of the nearest passage. `least`: only those that reach it.
        """
        row_of = self._vectors.row_of[: self._n_vectors]
        chosen = np.flatnonzero(may[row_of])
        numbers = self._vectors.numbers[: self._n_vectors]
        if len(chosen) < _FEW * len(numbers):
            numbers, row_of = numbers[chosen], row_of[chosen]
        asked = _numbers(vectors)
        found: list[list[Match]] = []
        for first in range(0, len(asked), _VECTORS_AT_ONCE):
            some = asked[first : first + _VECTORS_AT_ONCE]
            for one, products in zip(some, some @ numbers.T, strict=True):
                rows = _best(self._nearest(products, row_of, may), limit, least)
                found.append(self._matches(rows, one, least))
        return found

    def held_terms(self, terms: Sequence[str]) -> HeldTerms | None:
        """For `matching`; None if the words of the table are too many to be held."""
        return self._rows.words.held(terms, self.n_rows)

    def matching(self, terms: HeldTerms, may: Mask, limit: int) -> list[Match]:
        """Those that hold one of the terms and may be.

        Ordered by falling BM25; of equals what was written last comes first.
        """
        scores = terms.scores(self._is_there)
        rows = np.flatnonzero((scores > 0) & may)
        if len(rows) > limit:
            rows = rows[scores[rows] >= np.partition(scores[rows], -limit)[-limit]]
        best = rows[np.lexsort((rows, scores[rows]))][::-1][:limit]
        return [self._match(row, float(scores[row])) for row in best.tolist()]

    def _match(self, row: int, score: float) -> Match:
        timestamp = self._rows.postings.timestamps[row]
        return Match(self._rows.ids[row], timestamp, score, int(self._places[row]))

    def _rows_of(self, ids: Iterable[str], may: Mask | None = None) -> list[int]:
        """Of those that are there, or may be. Of the newest version alone."""
        passing = self._is_there if may is None else may
        rows = [self._rows.row_of.get(entry_id) for entry_id in ids]
        return [row for row in rows if row is not None and passing[row]]

    def _vector(self, row: int) -> Vector:
        return Vector(self._vectors.numbers[self._rows.first_vectors[row]].tobytes())

    def _nearest(self, products: _Array, row_of: _Array, may: Mask) -> _Array:
        """Of each row the cosine of its nearest passage, about; -inf where it may not be."""
        cosines = np.full(len(may), -np.inf, np.float32)
        if self._n_vectors > len(may):
            np.maximum.at(cosines, row_of, products)
        else:
            cosines[row_of] = products
        cosines[~may] = -np.inf
        return cosines

    def _matches(self, rows: _Array, vector: _Array, least: float | None) -> list[Match]:
        """With cosines that do not depend on what else is held, as those of a product do."""
        if not len(rows):
            return []
        row_of = self._vectors.row_of[: self._n_vectors]
        are_wanted = np.zeros(self.n_rows, np.bool_)
        are_wanted[rows] = True
        at = np.flatnonzero(are_wanted[row_of])
        cosines = np.full(self.n_rows, -np.inf, np.float32)
        np.maximum.at(cosines, row_of[at], (self._vectors.numbers[at] * vector).sum(axis=1))
        matches = [
            self._match(row, min(1.0, max(-1.0, float(cosines[row]))))
            for row in rows.tolist()
            if least is None or cosines[row] >= least
        ]
        return sorted(matches, key=lambda match: (-match.score, match.id))


def _best(cosines: _Array, limit: int, least: float | None) -> _Array:
    rows = np.flatnonzero(cosines >= (-2.0 if least is None else least - _ROUNDING))
    if len(rows) > limit:
        rows = rows[np.argpartition(cosines[rows], len(rows) - limit)[-limit:]]
    return rows


def _fresh(n: int, dim: int) -> _Array:
    """Room for vectors from the system and back to it: in the heap it would leave a hole.

    What is not written to takes no memory.
    """
    room = mmap.mmap(-1, max(1, 4 * n * dim), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(room, np.float32, n * dim).reshape(n, dim)


def places_in(batches: Iterable[Any]) -> _Array:
    """The ids of the rows of the batches."""
    columns = [batch.column("_rowid") for batch in batches]
    parts = [
        np.frombuffer(column.buffers()[1], np.int64, len(column), 8 * column.offset)
        for column in columns
        if len(column)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _numbers(vectors: Sequence[Vector]) -> _Array:
    return np.frombuffer(b"".join(vectors), np.float32).reshape(len(vectors), -1)


def _further(passages: Any) -> Iterable[tuple[int, list[Vector]]]:
    """Of each row that has further passages: which it is, and their vectors."""
    if passages.null_count < len(passages):
        for at, further in enumerate(passages):
            if further.is_valid and len(further):
                yield at, vector_list(further.values)
