"""The whole table written anew, so that no file is left of what its rows once held.

A row that was changed or deleted stays in its file, masked, and its words stay in the indexes,
until compaction happens to write them anew. Here all files go: rows are copied, indexes made from
the copies, and what older versions had is removed.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from cco_knowledge.store.indexes import ensure_indexes
from cco_knowledge.store.native import pa
from cco_knowledge.store.opening import Folder, ensure_primary_key, reopen_table

_BATCH_ROWS = 256


async def renew(folder: Folder) -> None:
    """Nobody else may change the table meanwhile; reads of the version before go on.

    Interrupted at any moment, the table holds all its rows; its indexes are made at the next start.
    """
    connection = await folder.connect()
    table = await reopen_table(connection)
    try:
        await table.add(_Rows(await table.schema(), await _stream(table)), "overwrite")
        await ensure_primary_key(table)
        await ensure_indexes(table)
    finally:
        table.close()
        connection.close()


async def _stream(table: Any) -> Any:
    return await table.query().execute(_BATCH_ROWS, None)


class _Rows:
    """A stream of the event loop, as a source that LanceDB reads on threads of its own."""

    rescannable = False
    num_rows = None

    def __init__(self, schema: Any, stream: Any) -> None:
        self.schema = schema
        self._stream = stream
        self._loop = asyncio.get_running_loop()

    def reader(self) -> Any:
        return pa.RecordBatchReader.from_batches(self.schema, self._batches())

    def _batches(self) -> Iterator[Any]:
        while True:
            coming = asyncio.run_coroutine_threadsafe(self._next(), self._loop)
            batch = coming.result()
            if batch is None:
                return
            yield batch

    async def _next(self) -> Any:
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            return None
