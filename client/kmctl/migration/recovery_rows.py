"""Reads the rows of an opened Lance table, and of a damaged one those that can be read."""

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kmctl.migration.recovery_files import has_footer
from kmctl.migration.recovery_history import Problem

_BATCH_ROWS = 1024
_SAMPLES = 8


class Damaged(Exception):
    """Lance cannot read it."""


@dataclass(frozen=True, slots=True)
class Row:
    values: dict[str, object]
    """Column to value as stored, without vectors; a column that the table lacks is absent."""
    has_zero_vector: bool
    """As the initialisation record has one."""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Whatever Lance raises becomes Damaged; what its native code prints of it goes nowhere.

    It names no error classes, and a panic of its native code is a BaseException.
    """
    with _silent():
        try:
            yield
        except Exception as error:
            raise Damaged from error
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise Damaged from error


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Standard error of the whole process, because native code writes to it directly."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def all_rows(dataset: Any) -> Iterator[list[Row]]:
    """In scan order. Raises Damaged where a part cannot be read."""
    yield from _scanned(dataset.scanner, {})


def has_damaged_files(dataset: Any, folder: Path) -> bool:
    """Lance reads some damaged files of version 1 as if they had no rows."""
    return any(
        not has_footer(folder / "data" / file.path)
        for fragment in dataset.get_fragments()
        for file in fragment.data_files()
    )


def damaged_deletions(dataset: Any) -> frozenset[int]:
    """Fragments of which the list of deleted rows cannot be read."""
    damaged = set()
    for fragment in dataset.get_fragments():
        if fragment.metadata.deletion_file is None:
            continue
        try:
            with guarded():
                fragment.scanner(columns=[], with_row_id=True).to_table()
        except Damaged:
            damaged.add(fragment.fragment_id)
    return frozenset(damaged)


def remaining_rows(
    dataset: Any, folder: Path, n_given: int, problems: list[Problem]
) -> Iterator[list[Row]]:
    """What can be read behind the first `n_given` rows, fragment by fragment."""
    for fragment in dataset.get_fragments():
        n_rows = _counted(fragment)
        if n_rows is None:
            why = "It cannot be known how many rows of this data file were deleted."
            problems.append(Problem(f"data/{fragment.data_files()[0].path}", why, None))
            continue
        skipped, n_given = min(n_given, n_rows), max(n_given - n_rows, 0)
        if skipped < n_rows:
            salvage = _Salvage(fragment, folder, dataset.schema.names)
            yield from salvage.rows(skipped, n_rows)
            problems.extend(salvage.problems())


def _counted(fragment: Any) -> int | None:
    try:
        with guarded():
            return int(fragment.count_rows())
    except Damaged:
        return None


@dataclass(slots=True)
class _Salvage:
    """Of one fragment."""

    fragment: Any
    folder: Path
    columns: Sequence[str]
    n_lost: int = 0
    incomplete: dict[str, int] = field(default_factory=dict)
    """Columns that could not be read, and of how many rows."""

    def rows(self, start: int, stop: int) -> Iterator[list[Row]]:
        for first in range(start, stop, _BATCH_ROWS):
            yield from self._range(first, min(first + _BATCH_ROWS, stop))

    def problems(self) -> Iterator[Problem]:
        where = self._damaged_file()
        if self.n_lost:
            why = "This data file is missing or damaged; these of its rows cannot be read."
            yield Problem(where, why, self.n_lost)
        if self.incomplete:
            columns = ", ".join(sorted(self.incomplete))
            n_rows = max(self.incomplete.values())
            why = f"Of {n_rows} rows a part is missing or damaged: {columns}."
            yield Problem(where, why, 0)

    def _range(self, start: int, stop: int) -> Iterator[list[Row]]:
        """As a whole, else column by column, else in halves."""
        rows = self._read(start, stop, None)
        if rows is None and not self._is_hopeless(start, stop):
            rows = self._read_columns(start, stop)
            if rows is None and stop - start > 1:
                middle = (start + stop) // 2
                yield from self._range(start, middle)
                yield from self._range(middle, stop)
                return
        if rows is None:
            self.n_lost += stop - start
        else:
            yield rows

    def _read_columns(self, start: int, stop: int) -> list[Row] | None:
        """Without the columns of which nothing can be read here; None without a text."""
        readable = [name for name in self.columns if self._read(start, stop, [name]) is not None]
        if "text" not in readable:
            return None
        if stop - start > 1 and set(self._told(start, stop)) != set(readable):
            return None
        for name in set(self.columns) - set(readable):
            self.incomplete[name] = self.incomplete.get(name, 0) + stop - start
        return self._read(start, stop, readable)

    def _told(self, start: int, stop: int) -> list[str]:
        """Columns of which at least a part of these rows can be read."""
        some = _spread(start, stop)
        return [
            name
            for name in self.columns
            if any(self._read(place, place + 1, [name]) is not None for place in some)
        ]

    def _is_hopeless(self, start: int, stop: int) -> bool:
        """So that a lost file of many rows does not cost a try for each."""
        if stop - start < _SAMPLES and not self._lost_files():
            return False
        some = _spread(start, stop)
        return not any(self._has_text(place) for place in some)

    def _has_text(self, place: int) -> bool:
        rows = self._read(place, place + 1, ["text"])
        return rows is not None and not _is_nothing(rows[0].values["text"])

    def _read(self, start: int, stop: int, columns: Collection[str] | None) -> list[Row] | None:
        asked: dict[str, Any] = {"offset": start, "limit": stop - start}
        if columns is not None:
            asked["columns"] = list(columns)
        try:
            rows = [row for rows in _scanned(self.fragment.scanner, asked) for row in rows]
        except Damaged:
            return None
        return rows if len(rows) == stop - start else None

    def _paths(self) -> list[str]:
        return [f"data/{file.path}" for file in self.fragment.data_files()]

    def _lost_files(self) -> list[str]:
        return [path for path in self._paths() if not has_footer(self.folder / path)]

    def _damaged_file(self) -> str:
        return ", ".join(self._lost_files() or self._paths())


def _spread(start: int, stop: int) -> list[int]:
    step = max((stop - start) // _SAMPLES, 1)
    return sorted({*range(start, stop, step), stop - 1})


def _scanned(scanner: Any, asked: dict[str, Any]) -> Iterator[list[Row]]:
    with guarded():
        batches = iter(scanner(batch_size=_BATCH_ROWS, **asked).to_batches())
    while True:
        with guarded():
            batch = next(batches, None)
            rows = None if batch is None else _rows(batch)
        if rows is None:
            return
        yield rows


def _rows(batch: Any) -> list[Row]:
    vectors = [field.name for field in batch.schema if _is_vector(field.type)]
    are_zero = [True] * batch.num_rows if vectors else [False] * batch.num_rows
    for name in vectors:
        are_zero = [a and b for a, b in zip(are_zero, _zeros(batch[name]), strict=True)]
    values = batch.drop_columns(vectors).to_pylist() if vectors else batch.to_pylist()
    if len(values) != batch.num_rows:  # no column is left but vectors
        values = [{} for _ in range(batch.num_rows)]
    if any(map(_is_blank, values)):
        raise ValueError
    return [Row(row, zero) for row, zero in zip(values, are_zero, strict=True)]


def _is_blank(values: Mapping[str, object]) -> bool:
    """What zeros on the disk are read as; the old tools stored no such row."""
    return {"id", "text"} <= values.keys() and _is_nothing(values["id"], values["text"])


def _is_nothing(*values: object) -> bool:
    return all(value is None or not str(value).strip("\0") for value in values)


def _is_vector(type_: Any) -> bool:
    written = str(type_)
    return written.startswith("fixed_size_list<") and any(
        kind in written for kind in ("float", "double")
    )


def _zeros(vectors: Any) -> list[bool]:
    """For each vector whether all its numbers are 0; a NULL is no vector."""
    dim = vectors.type.list_size
    numbers = vectors.values.slice(vectors.offset * dim, len(vectors) * dim)
    any_other = numbers.to_numpy(zero_copy_only=False).reshape(len(vectors), dim).any(axis=1)
    return [
        there and not other
        for there, other in zip(vectors.is_valid().to_pylist(), any_other.tolist(), strict=True)
    ]
