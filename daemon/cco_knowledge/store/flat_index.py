"""All vectors of a table in memory: what is nearest to another one is a product with all of them.

LanceDB copies the column for each search and makes a plan for it: 11 ms of CPU for 10,000 entries,
1.5 ms here.
"""

import mmap
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # more would spin beside llama.cpp's

import numpy as np

from cco_knowledge.store.schema import vector_list
from cco_knowledge.store.vector_indexes import LargeTable
from cco_knowledge.types import Match, Vector

COLUMNS = ("id", "timestamp", "vector", "passages")
"""Of the batches; each with the row ids beside them."""
_ROOM = 1.25
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
        np.divide(numbers, lengths, out=self.numbers[self.n : n], where=lengths > 0)
        self.row_of[self.n : n] = rows
        self.n = n

    def _make_room(self, n: int) -> None:
        numbers = _fresh(n, self.numbers.shape[1])
        row_of = np.empty(n, np.int32)
        numbers[: self.n] = self.numbers[: self.n]
        row_of[: self.n] = self.row_of[: self.n]
        self.numbers, self.row_of = numbers, row_of


@dataclass(frozen=True, slots=True)
class _Names:
    """Of the rows; they only come to it."""

    ids: list[str] = field(default_factory=list)
    timestamps: list[str] = field(default_factory=list)
    row_of: dict[str, int] = field(default_factory=dict)
    """The last of each id."""

    def add(self, ids: Sequence[str], timestamps: Sequence[str]) -> None:
        self.row_of.update(zip(ids, range(len(self.ids), len(self.ids) + len(ids)), strict=True))
        self.ids.extend(ids)
        self.timestamps.extend(timestamps)


@dataclass(frozen=True, slots=True)
class _Order:
    """The places of rows, rising, and whose they are."""

    places: _Array
    rows: _Array

    @classmethod
    def of(cls, places: _Array) -> "_Order":
        rows = np.argsort(places, kind="stable")
        return cls(places[rows], rows)

    def look_up(self, places: _Array) -> tuple[_Array, _Array]:
        """Which rows are in these places, and whether one is, of each."""
        if not len(self.places):
            return np.zeros(len(places), np.intp), np.zeros(len(places), np.bool_)
        at = np.minimum(np.searchsorted(self.places, places), len(self.places) - 1)
        return self.rows[at], self.places[at] == places


@dataclass(frozen=True, slots=True, eq=False)
class FlatIndex:
    """Of one version of a table. That of the next one shares with it what stays the same."""

    _vectors: _Vectors
    _n_vectors: int
    _names: _Names
    _places: _Array
    """The ids that LanceDB has given to the rows. What one holds never changes."""
    _is_there: _Array
    """Of each row; those that were deleted or moved are not."""
    _order: _Order

    @classmethod
    def empty(cls, dim: int, room: int, most_vectors: int) -> "FlatIndex":
        places = np.empty(0, np.uint64)
        vectors = _Vectors(dim, room, most_vectors)
        return cls(vectors, 0, _Names(), places, np.empty(0, np.bool_), _Order.of(places))

    @property
    def n_rows(self) -> int:
        """With those that are gone."""
        return len(self._places)

    def with_rows(self, batch: Any) -> "FlatIndex":
        """And those of the batch.

        Raises:
            LargeTable
        """
        n_before, vectors = len(self._places), self._vectors
        rows = np.arange(n_before, n_before + batch.num_rows, dtype=np.int32)
        vectors.add(_numbers(vector_list(batch.column("vector"))), rows)
        for at, further in _further(batch.column("passages")):
            vectors.add(_numbers(further), np.full(len(further), rows[at]))
        names = (batch.column(column).to_pylist() for column in ("id", "timestamp"))
        self._names.add(*names)
        places = np.concatenate([self._places, places_in([batch])])
        is_there = np.concatenate([self._is_there, np.ones(batch.num_rows, np.bool_)])
        order = _Order.of(places)
        return FlatIndex(vectors, vectors.n, self._names, places, is_there, order)

    def only(self, places: _Array) -> "FlatIndex":
        """Without the rows that are in none of these places."""
        return replace(self, _is_there=self._in(places))

    def unknown(self, places: _Array) -> _Array:
        """Those of the places in which no row is known to be."""
        _, is_known = self._order.look_up(places)
        return places[~is_known]

    def places_of(self, ids: Iterable[str]) -> dict[str, int]:
        """Of those that are there, by id. Of the newest version alone."""
        rows = {entry_id: self._names.row_of.get(entry_id) for entry_id in ids}
        return {
            entry_id: int(self._places[row])
            for entry_id, row in rows.items()
            if row is not None and self._is_there[row]
        }

    def nearest(
        self, vectors: Sequence[Vector], passing: _Array | None, limit: int, least: float | None
    ) -> list[list[Match]]:
        """Of each the nearest among those rows that are in the places `passing`, or of all.

        Ordered by falling cosine of the nearest passage. `least`: only those that reach it.
        """
        may = self._is_there if passing is None else self._in(passing)
        row_of = self._vectors.row_of[: self._n_vectors]
        chosen = np.flatnonzero(may[row_of])
        numbers = self._vectors.numbers[: self._n_vectors]
        if len(chosen) < _FEW * len(numbers):
            numbers, row_of = numbers[chosen], row_of[chosen]
        asked = _numbers(vectors)
        found: list[list[Match]] = []
        for first in range(0, len(asked), _VECTORS_AT_ONCE):
            products = asked[first : first + _VECTORS_AT_ONCE] @ numbers.T
            found.extend(self._best(of_one, row_of, may, limit, least) for of_one in products)
        return found

    def cosines(self, vector: Vector, found: Sequence[Match]) -> dict[str, float] | None:
        """Of the nearest passage of each, by id; None if one of them is not where it was."""
        (nearest,) = self.nearest([vector], places_of(found), len(found), None)
        cosines = {match.id: match.score for match in nearest}
        return cosines if all(match.id in cosines for match in found) else None

    def _in(self, places: _Array) -> _Array:
        """Of each row, whether it is in one of these places."""
        rows, is_known = self._order.look_up(places)
        found = np.zeros(len(self._places), np.bool_)
        found[rows[is_known]] = True
        return found

    def _best(
        self, products: _Array, row_of: _Array, may: _Array, limit: int, least: float | None
    ) -> list[Match]:
        cosines = np.full(len(may), -np.inf, np.float32)
        if self._n_vectors > len(may):
            np.maximum.at(cosines, row_of, products)
        else:
            cosines[row_of] = products
        cosines[~may] = -np.inf
        rows = np.flatnonzero(cosines >= (-2.0 if least is None else least))
        if len(rows) > limit:
            rows = rows[np.argpartition(cosines[rows], len(rows) - limit)[-limit:]]
        matches = [
            Match(
                self._names.ids[row],
                self._names.timestamps[row],
                min(1.0, max(-1.0, float(cosines[row]))),
                int(self._places[row]),
            )
            for row in rows.tolist()
        ]
        return sorted(matches, key=lambda match: (-match.score, match.id))


def _fresh(n: int, dim: int) -> _Array:
    """Room for vectors from the system and back to it: in the heap it would leave a hole.

    What is not written to takes no memory.
    """
    room = mmap.mmap(-1, max(1, 4 * n * dim), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(room, np.float32, n * dim).reshape(n, dim)


def places_of(found: Iterable[Match]) -> _Array:
    return np.array([match.row for match in found], np.int64).astype(np.uint64)


def places_in(batches: Iterable[Any]) -> _Array:
    """The ids of the rows of the batches."""
    columns = [batch.column("_rowid") for batch in batches]
    parts = [
        np.frombuffer(column.buffers()[1], np.uint64, len(column), 8 * column.offset)
        for column in columns
        if len(column)
    ]
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def _numbers(vectors: Sequence[Vector]) -> _Array:
    return np.frombuffer(b"".join(vectors), np.float32).reshape(len(vectors), -1)


def _further(passages: Any) -> Iterable[tuple[int, list[Vector]]]:
    """Of each row that has further passages: which it is, and their vectors."""
    if passages.null_count < len(passages):
        for at, further in enumerate(passages):
            if further.is_valid and len(further):
                yield at, vector_list(further.values)
