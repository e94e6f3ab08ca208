"""The vectors of a small table in memory, in step with it.

Whoever asks gets those of the newest version. What a commit has changed shows in the ids of the
rows: LanceDB gives another one to each row that is new, changed or moved.
"""

import asyncio
import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cco_knowledge import process_memory
from cco_knowledge.store import vector_indexes
from cco_knowledge.store.vector_indexes import LargeTable
from cco_knowledge.types import Match, Vector

if TYPE_CHECKING:
    from cco_knowledge.store.flat_index import FlatIndex

_MOST_VECTORS = 25_000
"""38 MB at 384 numbers. Of long texts there are several; so many of those make a table large."""
_MOST_CHANGED = 0.25
"""Of the rows: beyond, all are read anew."""
_ROWS_AT_ONCE = 1024
_PLACES_AT_ONCE = 32_768


class Held:
    """None where the table is large; then its indexes are quicker."""

    def __init__(self) -> None:
        self._index: FlatIndex | None = None
        self._table: Any = None
        self._version: int | None = None
        self._is_large = False
        self._changing = asyncio.Lock()

    async def index(self, table: Any) -> "FlatIndex | None":
        """Of all rows, with what was acknowledged before."""
        if await self._is_current(table):
            return self._index
        async with self._changing:
            if not await self._is_current(table):
                await self._read(table)
            return self._index

    async def knowing(self, table: Any, places: Any) -> "FlatIndex | None":
        """One that knows what is in these places, whatever else is new or gone."""
        index = self._index if table is self._table else None
        if index is not None and not len(index.unknown(places)):
            return index
        async with self._changing:
            if table is not self._table:
                await self._read(table)
            if self._index is not None:
                with self._becoming_large():
                    self._index = await self._learnt(self._index, table, places)
            return self._index

    async def cosines(
        self, table: Any, vector: Vector, found: Sequence[Match]
    ) -> dict[str, float] | None:
        """Of the nearest passage of each, by id; None if one of them was moved or deleted."""
        if self.is_large(table):
            return None
        places = (await _flat_index()).places_of(found)
        index = await self.knowing(table, places)
        return None if index is None else index.cosines(vector, found)

    def is_large(self, table: Any) -> bool:
        """As far as is known."""
        return table is self._table and self._is_large

    async def places(self, table: Any, condition: str | None) -> Any:
        """Of the rows that meet the condition: an array of the ids that LanceDB gives to them."""
        flat_index = await _flat_index()
        query = table.query()
        query.select_columns([])
        query.with_row_id()
        if condition is not None:
            query.where(condition)
        batches = await query.execute(_PLACES_AT_ONCE, None)
        return flat_index.places_in([batch async for batch in batches])

    async def _is_current(self, table: Any) -> bool:
        """A handle is opened anew after each fold: a table that was large may not be so then."""
        if table is not self._table:
            return False
        return self._is_large or bool(await table.version() == self._version)

    async def _read(self, table: Any) -> None:
        if table is not self._table:
            self._table, self._index, self._is_large = table, None, False
        version = await table.version()
        n_rows = int(await table.count_rows(None))
        with self._becoming_large():
            if n_rows >= vector_indexes.FROM_ROWS:
                raise LargeTable
            followed = None if self._index is None else await self._followed(self._index, table)
            self._index = followed or await self._whole(table, n_rows)
        self._version = version

    async def _followed(self, index: "FlatIndex", table: Any) -> "FlatIndex | None":
        """None where rows were moved meanwhile, or so many are gone that it takes too much room."""
        places = await self.places(table, None)
        if index.n_rows > (1 + _MOST_CHANGED) * len(places):
            return None
        learnt = await self._learnt(index, table, places)
        return None if len(learnt.unknown(places)) else learnt.only(places)

    @contextlib.contextmanager
    def _becoming_large(self) -> Iterator[None]:
        try:
            yield
        except LargeTable:
            self._index, self._is_large = None, True
            process_memory.keep_large_blocks()

    async def _learnt(self, index: "FlatIndex", table: Any, places: Any) -> "FlatIndex":
        """With what is in these places, if it still is: those that nothing is known of are read."""
        unknown = index.unknown(places)
        if len(unknown) > _MOST_CHANGED * index.n_rows:
            return await self._whole(table, len(unknown) + index.n_rows)
        if not len(unknown):
            return index
        query = table.take_row_ids(unknown.tolist())
        query.select([(column, column) for column in (await _flat_index()).COLUMNS])
        query.with_row_id()
        with contextlib.suppress(RuntimeError, ValueError):
            for batch in [batch async for batch in await query.execute()]:
                index = index.with_rows(batch)
        return index

    async def _whole(self, table: Any, n_rows: int) -> "FlatIndex":
        flat_index = await _flat_index()
        self._index = None  # two at once would be twice the memory
        dim = (await table.schema()).field("vector").type.list_size
        room = min(n_rows + _ROWS_AT_ONCE, _MOST_VECTORS)
        index: FlatIndex = flat_index.FlatIndex.empty(dim, room, _MOST_VECTORS)
        query = table.query()
        query.select_columns(list(flat_index.COLUMNS))
        query.with_row_id()
        async for batch in await query.execute(_ROWS_AT_ONCE, None):
            index = index.with_rows(batch)
        return index


async def _flat_index() -> Any:
    """Not before it is needed, and on a thread: numpy takes 0.1 s and 6 MB."""

    def load() -> Any:
        from cco_knowledge.store import flat_index

        return flat_index

    return await asyncio.to_thread(load) if "numpy" not in sys.modules else load()
