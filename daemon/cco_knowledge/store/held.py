"""The vectors of a small table in memory, in step with it.

Whoever asks gets those of the newest version. What a commit has changed shows in the ids of the
rows: LanceDB gives another one to each row that is new, changed or moved.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from cco_knowledge import process_memory
from cco_knowledge.store import vector_indexes

if TYPE_CHECKING:
    from cco_knowledge.store.flat_index import FlatIndex

_MOST_VECTORS = 25_000
"""38 MB at 384 numbers. Of long texts there are several; so many of those make a table large."""
_MOST_CHANGED = 0.25
"""Of the rows: beyond, all are read anew."""
_ROWS_AT_ONCE = 1024


class Held:
    """None where the table is large; then its indexes are quicker."""

    def __init__(self) -> None:
        self._index: FlatIndex | None = None
        self._table: Any = None
        self._version: int | None = None
        self._is_large = False
        self._following = asyncio.Lock()

    async def index(self, table: Any) -> "FlatIndex | None":
        """With all that was acknowledged before."""
        if await self._is_current(table):
            return self._index
        async with self._following:
            if not await self._is_current(table):
                version = await table.version()
                self._index = await self._read(table)
                self._is_large = self._index is None
                if self._is_large:
                    process_memory.keep_large_blocks()
                self._table, self._version = table, version
            return self._index

    async def places(self, table: Any, condition: str) -> Any:
        """The row ids of those that meet the condition."""
        from cco_knowledge.store import flat_index

        return flat_index.rows_of(await _rows(table, (), condition))

    async def _is_current(self, table: Any) -> bool:
        """A handle is opened anew after each fold: a table that was large may not be so then."""
        if table is not self._table:
            return False
        return self._is_large or bool(await table.version() == self._version)

    async def _read(self, table: Any) -> "FlatIndex | None":
        n_rows = int(await table.count_rows(None))
        if n_rows >= vector_indexes.FROM_ROWS:
            return None
        flat_index = await asyncio.to_thread(_load_flat_index)
        with contextlib.suppress(flat_index.TooManyVectors):
            if self._index is not None and table is self._table:
                followed = await self._followed(self._index, table)
                if followed is not None:
                    return followed
            return await self._whole(table, n_rows)
        return None

    async def _whole(self, table: Any, n_rows: int) -> "FlatIndex":
        from cco_knowledge.store import flat_index

        self._index = None  # two at once would be twice the memory
        dim = (await table.schema()).field("vector").type.list_size
        room = min(n_rows + _ROWS_AT_ONCE, _MOST_VECTORS)
        index = flat_index.FlatIndex.empty(dim, room, _MOST_VECTORS)
        query = table.query()
        query.select_columns(list(flat_index.COLUMNS))
        query.with_row_id()
        async for batch in await query.execute(_ROWS_AT_ONCE, None):
            index = index.with_rows(batch)
        return index

    async def _followed(self, index: "FlatIndex", table: Any) -> "FlatIndex | None":
        """None where too much has changed, or was moved meanwhile."""
        from cco_knowledge.store import flat_index

        places = flat_index.rows_of(await _rows(table, (), None))
        new = flat_index.new_places(places, index.places)
        index = index.without_others(places)
        if len(new) + index.n_gone > _MOST_CHANGED * len(places):
            return None
        if new:
            query = table.take_row_ids(new)
            query.select([(column, column) for column in flat_index.COLUMNS])
            query.with_row_id()
            with contextlib.suppress(RuntimeError, ValueError):
                for batch in [batch async for batch in await query.execute()]:
                    index = index.with_rows(batch)
        return index if len(index.places) == len(places) else None


async def _rows(table: Any, columns: tuple[str, ...], condition: str | None) -> list[Any]:
    query = table.query()
    query.select_columns(list(columns))
    query.with_row_id()
    if condition is not None:
        query.where(condition)
    return [batch async for batch in await query.execute(None, None)]


def _load_flat_index() -> Any:
    """On a thread, and not before it is needed: numpy takes 0.1 s and 13 MB."""
    from cco_knowledge.store import flat_index

    return flat_index
