"""Filters of rows that are held in memory: as `filters.predicate` has it, without a query."""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from cco_knowledge.store.vector_indexes import LargeTable
from cco_knowledge.types import Filters

_COLUMNS = ("project_id", "type", "agent", "session_id")
_MOST_DIGESTS = 1_000_000
"""12 MB: of 20,000 entries with 50 keys each."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]
"""Of each row, whether it passes."""


class Postings:
    """Which rows hold a value, of each value. Rows only come to it."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], array[int]] = {}
        self._digests = array("q")
        self._digest_rows = array("i")
        """Of each of these digests."""
        self.timestamps: list[str] = []
        self._superseded: dict[int, str] = {}
        """The rows that were, and when."""

    def add(self, batch: Any) -> None:
        """Raises LargeTable."""
        first = len(self.timestamps)
        for column in _COLUMNS:
            for row, value in enumerate(batch.column(column).to_pylist(), first):
                self._rows.setdefault((column, value), array("i")).append(row)
        for row, digests in enumerate(batch.column("metadata_digests").to_pylist(), first):
            self._digests.extend(digests)
            self._digest_rows.extend([row] * len(digests))
        if len(self._digests) > _MOST_DIGESTS:
            raise LargeTable
        for row, at in enumerate(batch.column("superseded_at").to_pylist(), first):
            if at is not None:
                self._superseded[row] = at
        self.timestamps.extend(batch.column("timestamp").to_pylist())

    def passing(self, filters: Filters, n_rows: int) -> Mask:
        """Of the first rows."""
        mask = np.ones(n_rows, np.bool_)
        wanted = (filters.project_ids, filters.types, filters.agents, filters.session_ids)
        for column, values in zip(_COLUMNS, wanted, strict=True):
            if values:
                mask &= self._with_one_of(column, values, n_rows)
        for digest in filters.metadata_digests:
            found = np.array(self._digests) == digest
            mask &= _mask(np.array(self._digest_rows)[found], n_rows)
        if filters.since is not None:
            mask &= [at >= filters.since for at in self.timestamps[:n_rows]]
        if filters.until is not None:
            mask &= [at <= filters.until for at in self.timestamps[:n_rows]]
        if not filters.include_superseded:
            mask &= ~_mask(np.array(self._hidden(filters.until), np.int32), n_rows)
        return mask

    def _with_one_of(self, column: str, values: Sequence[str], n_rows: int) -> Mask:
        rows = [self._rows[column, value] for value in values if (column, value) in self._rows]
        return _mask(np.concatenate(rows) if rows else np.empty(0, np.int32), n_rows)

    def _hidden(self, until: str | None) -> list[int]:
        """Replaced, and so already at `until`."""
        return [row for row, at in self._superseded.items() if until is None or at <= until]


def _mask(rows: Any, n_rows: int) -> Mask:
    mask = np.zeros(n_rows, np.bool_)
    mask[rows[rows < n_rows]] = True
    return mask
