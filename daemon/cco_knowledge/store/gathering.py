"""The newest small files as one, without a look at the large ones.

LanceDB's compaction joins all neighbouring files that the same indexes cover, and so writes most
of a table anew each time. Here the rows of the small files alone are replaced by themselves, in one
commit: files of which no row is left go out of the table, and so do the parts of the vectors'
indexes that covered them.
"""

from typing import Any

from cco_knowledge.store.upsert import replace_all

MOST_ROWS = 8192
_MOST_BYTES = 64 << 20
"""Held in memory, while stores wait: a tenth of a second for short texts."""
_LEAST_SHARE = 4
"""At most this part of a table, unless that is next to nothing."""
_FEW_ROWS = 64


async def gather(table: Any, n_rows: int = MOST_ROWS) -> None:
    """Files with at most so many rows together. Call it while nobody changes the table."""
    n_rows = min(n_rows, max(_FEW_ROWS, int(await table.count_rows(None)) // _LEAST_SHARE))
    while places := await _newest(table, n_rows):
        rows = await _rows(table, places)
        if rows is not None:
            await replace_all(table, await table.schema(), rows)
            return
        n_rows //= 2


async def _newest(table: Any, n_rows: int) -> list[int]:
    """Where the rows of the newest whole files stand, if these are more than one."""
    total = int(await table.count_rows(None))
    query = table.take_offsets(list(range(max(0, total - n_rows), total)))
    query.select([("id", "id")])
    query.with_row_id()
    stream = await query.execute()
    places = [place async for batch in stream for place in batch.column("_rowid").to_pylist()]
    if places and total > n_rows:  # the first file may have begun before
        places = [place for place in places if _file(place) != _file(places[0])]
    return places if len(set(map(_file, places))) > 1 else []


def _file(place: int) -> int:
    return place >> 32


async def _rows(table: Any, places: list[int]) -> list[Any] | None:
    """All columns; None where that is too much to hold."""
    query = table.take_row_ids(places)
    query.select([(name, name) for name in (await table.schema()).names])
    batches, n_bytes = [], 0
    async for batch in await query.execute():
        batches.append(batch)
        n_bytes += batch.nbytes
        if n_bytes > _MOST_BYTES:
            return None
    return batches
