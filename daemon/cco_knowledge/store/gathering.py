"""The newest small files as one, without a look at the large ones.

LanceDB's compaction joins all neighbouring files that the same indexes cover, and so writes most
of a table anew each time. Here the rows of the small files alone are replaced by themselves, in one
commit: files of which no row is left go out of the table, and so do the parts of the vectors'
indexes that covered them.
"""

from typing import Any

from cco_knowledge.store.native import pa
from cco_knowledge.store.upsert import replace_all

MOST_ROWS = 8192
_MOST_BYTES = 64 << 20
"""Held in memory, while stores wait: a tenth of a second for short texts."""
_LEAST_SHARE = 4
"""At most this part of a table, unless that is next to nothing."""
_FEW_ROWS = 64
_MOST_KEPT_BYTES = 2 << 20
"""Six hundred short entries."""


class Newest:
    """The rows of the newest small files as they were written, so that they need not be read.

    They are right as long as the table has changed by nothing but what is told here: each commit
    makes a version, and no number is left out.
    """

    def __init__(self) -> None:
        self._rows: list[Any] | None = None
        """None: not known."""
        self._n_bytes = 0
        self._version = 0

    def appended(self, rows: Any, version: int) -> None:
        """By the commit that made this version."""
        known = self.at(version - 1)
        self._keep(None if known is None else [*known, rows], self._n_bytes + rows.nbytes, version)

    def at(self, version: int) -> list[Any] | None:
        return self._rows if version == self._version else None

    def gathered(self, rows: list[Any] | None, version: int) -> None:
        """By the commit that made this version; in one piece, for each takes 10 kB more."""
        if rows is None:
            self._keep(None, 0, version)
        else:
            whole = pa.Table.from_batches(rows).combine_chunks()
            self._keep(whole.to_batches(), whole.nbytes, version)

    def _keep(self, rows: list[Any] | None, n_bytes: int, version: int) -> None:
        self._rows = rows if n_bytes <= _MOST_KEPT_BYTES else None
        self._n_bytes, self._version = n_bytes, version


async def gather(
    table: Any, n_rows: int = MOST_ROWS, known: list[Any] | None = None
) -> list[Any] | None:
    """Files with at most so many rows together, or those of the `known` rows; the rows, if any.

    Call it while nobody changes the table.
    """
    rows = known if known is not None else await _newest_rows(table, n_rows)
    if rows is not None:
        await replace_all(table, await table.schema(), rows)
    return rows


async def _newest_rows(table: Any, n_rows: int) -> list[Any] | None:
    n_rows = min(n_rows, max(_FEW_ROWS, int(await table.count_rows(None)) // _LEAST_SHARE))
    while places := await _newest(table, n_rows):
        rows = await _rows(table, places)
        if rows is not None:
            return rows
        n_rows //= 2
    return None


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
