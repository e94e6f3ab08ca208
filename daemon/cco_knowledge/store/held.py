"""A small table in memory, in step with it: its vectors, what filters ask for, and short entries.

Whoever asks gets the rows of the newest version. Of those that it has written the writer tells;
after any other change LanceDB is asked which rows there are, as the ids that it gives to them.
What one of these holds never changes: a row that is changed or moved gets another one.
"""

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cco_knowledge import process_memory
from cco_knowledge.store import vector_indexes
from cco_knowledge.store.vector_indexes import LargeTable

if TYPE_CHECKING:
    from cco_knowledge.store.flat_index import FlatIndex

_MOST_VECTORS = 25_000
"""38 MB at 384 numbers. Of long texts there are several; so many of those make a table large."""
_MOST_CHANGED = 0.25
"""Of the rows: beyond, all are read anew."""
_ROWS_AT_ONCE = 512
_PLACES_AT_ONCE = 32_768
_log = logging.getLogger(__name__)


class Held:
    """Nothing where the table is large; then its indexes are quicker."""

    def __init__(self, table: Callable[[], Any]) -> None:
        """`table`: the handle by which the next change comes."""
        self._table = table
        self.n_changes = 0
        self._index: FlatIndex | None = None
        self._read_from: Any = None
        self._is_current = False
        self._large_from_rows = vector_indexes.FROM_ROWS
        self._reading = asyncio.Lock()
        self._told: list[Any] = []
        """What was written while the rows were read."""
        self._has_missed = False
        """There were other changes meanwhile."""

    def changed(self, written: Sequence[Any] | None) -> None:
        """After each change of what the rows hold, and before anybody hears of it.

        `written`: batches of the rows that are new, or in place of those with the same id, if that
        is all.
        """
        self.n_changes += 1
        if written is None:
            self._is_current, self._has_missed = False, True
        elif self._reading.locked():
            self._told += written
        elif self._is_current and self._index is not None:
            self._take_in(written)

    async def forget(self) -> None:
        """Rows may get ids that others had, after the table was set back to an older version."""
        async with self._reading:
            self._index = None
            self.changed(None)

    @property
    def current(self) -> "FlatIndex | None":
        """If there is one by now."""
        return self._index if self._is_current else None

    async def index(self) -> "FlatIndex | None":
        """Of all rows, with what was acknowledged before."""
        if self._is_current:
            return self._index
        async with self._reading:
            if not self._is_current:
                await self._read()
            return self._index

    async def _read(self) -> None:
        self._told, self._has_missed = [], False
        table = self._table()
        n_rows = int(await table.count_rows(None))
        if n_rows < min(self._large_from_rows, vector_indexes.FROM_ROWS):
            self._index = await self._followed(table) or await self._whole(table, n_rows)
        else:
            self._index = None
        if self._index is None:
            process_memory.keep_large_blocks()
        self._read_from = table
        self._is_current = not self._has_missed
        self._take_in(self._told)

    def _take_in(self, written: Sequence[Any]) -> None:
        """Rows that are gone count as well; so where there are too many, all are read anew."""
        index = self._index
        if index is None:
            return
        try:
            for batch in written:
                if batch.num_rows:
                    index = index.with_written(batch)
        except Exception as error:  # noqa: BLE001  # it is stored all the same
            if not isinstance(error, LargeTable):
                _log.error("the table has to be read anew: %s", type(error).__name__)
            self._index, self._is_current = None, False
            return
        self._index = index
        n_there = index.n_there
        if n_there >= vector_indexes.FROM_ROWS or index.n_rows > (1 + _MOST_CHANGED) * n_there:
            self._is_current = False

    async def _followed(self, table: Any) -> "FlatIndex | None":
        """None where so many were moved, or are gone, that all are read anew.

        And where the table was opened anew: if all of it was written anew, ids begin anew as well.
        """
        index = self._index
        if index is None or table is not self._read_from:
            return None
        flat_index = await _flat_index()
        places = await _places(table)
        unknown = index.unknown(places)
        if max(len(unknown), index.n_rows - len(places)) > _MOST_CHANGED * len(places):
            return None
        index = index.only(places)
        if not len(unknown):
            return index
        query = table.take_row_ids(unknown.tolist())
        query.select([(column, column) for column in flat_index.COLUMNS])
        query.with_row_id()
        try:
            for batch in [batch async for batch in await query.execute()]:
                index = index.with_rows(batch, flat_index.places_in([batch]))
        except (RuntimeError, ValueError, LargeTable):
            return None
        return index if index.n_there == len(places) else None

    async def _whole(self, table: Any, n_rows: int) -> "FlatIndex | None":
        """None where there is more to hold than their number tells."""
        flat_index = await _flat_index()
        self._index = None  # two at once would be twice the memory
        dim = (await table.schema()).field("vector").type.list_size
        room = min(n_rows + _ROWS_AT_ONCE, _MOST_VECTORS)
        index: FlatIndex = flat_index.FlatIndex.empty(dim, room, _MOST_VECTORS)
        query = table.query()
        query.select_columns(list(flat_index.COLUMNS))
        query.with_row_id()
        try:
            async for batch in await query.execute(_ROWS_AT_ONCE, None):
                index = index.with_rows(batch, flat_index.places_in([batch]))
        except LargeTable:
            self._large_from_rows = int(n_rows * (1 - _MOST_CHANGED))
            return None
        self._large_from_rows = vector_indexes.FROM_ROWS
        return index


async def _places(table: Any) -> Any:
    """Of all rows: an array of the ids that LanceDB gives to them."""
    flat_index = await _flat_index()
    query = table.query()
    query.select_columns([])
    query.with_row_id()
    batches = await query.execute(_PLACES_AT_ONCE, None)
    return flat_index.places_in([batch async for batch in batches])


async def _flat_index() -> Any:
    """Not before it is needed, and on a thread: numpy takes 0.1 s and 6 MB."""

    def load() -> Any:
        from cco_knowledge.store import flat_index

        return flat_index

    return await asyncio.to_thread(load) if "numpy" not in sys.modules else load()
