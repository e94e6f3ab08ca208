"""A table by itself, read in full: what proves that a copy can be opened and holds its rows."""

import asyncio
import contextlib
import errno
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from cco_knowledge.store.failures import category
from cco_knowledge.store.native import lance, panics_caught
from cco_knowledge.store.schema import SCHEMA_VERSION
from cco_knowledge.types import ModelIdentity

TABLE = "knowledge"
_CACHE_BYTES = 8 << 20
_BATCH_ROWS = 256


_NOT_THERE = {errno.ENOENT, errno.ENOTDIR}


class Unreadable(Exception):
    """With what kind of error, never its text."""

    def __init__(self, why: str, *, is_refused: bool = False) -> None:
        super().__init__(why)
        self.is_refused = is_refused
        """The system did not let it be read, for want of rights, files or a sound disk."""


@dataclass(frozen=True, slots=True)
class Scanned:
    rows: int
    table_version: int
    schema_version: int
    model: ModelIdentity


Look = Callable[[Any], None]
"""Is given each batch of rows, all columns."""


async def scan(folder: Path, look: Look | None = None) -> Scanned:
    """Open the table in the folder and read every column of every row. Writes nothing.

    Raises:
        Unreadable: there is no such table, or it is not whole.
    """
    async with opened(folder) as table:
        return await _read(table, look)


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Any]:
    """The table in the folder, by itself. What goes wrong with it is raised as Unreadable."""
    session = lance.Session(
        index_cache_size_bytes=_CACHE_BYTES, metadata_cache_size_bytes=_CACHE_BYTES
    )
    try:
        with panics_caught():
            connection = await lance.connect(
                str(folder), None, None, None, None, None, None, None, session
            )
            table = await connection.open_table(TABLE, None, None, None, None)
            try:
                yield table
            finally:
                table.close()
                connection.close()
    except (RuntimeError, ValueError, OSError, KeyError, msgspec.ValidationError) as error:
        raise Unreadable(category(error), is_refused=_is_refused(error)) from error


async def count_and_ids(folder: Path) -> tuple[int | None, frozenset[str]]:
    """How many rows a damaged table says it has, and the ids of those that can be read."""
    ids: set[str] = set()
    n_rows = None
    with contextlib.suppress(Unreadable):
        async with opened(folder) as table:
            n_rows = int(await table.count_rows(None))
            await _collect_ids(table, range(n_rows), ids)
    return n_rows, frozenset(ids)


def report(folder: Path) -> dict[str, object]:
    """`scan` for another process: as JSON, with the newest schema version that this one knows."""
    try:
        return {**asdict(asyncio.run(scan(folder))), "known_schema_version": SCHEMA_VERSION}
    except Unreadable as error:
        return {"unreadable": str(error)}


async def _read(table: Any, look: Look | None) -> Scanned:
    facts = (await table.schema()).metadata or {}
    n_rows = 0
    async for batch in await table.query().execute(_BATCH_ROWS, None):
        batch.validate(full=True)
        n_rows += batch.num_rows
        if look is not None:
            look(batch)
    if n_rows != await table.count_rows(None):
        raise ValueError("rows are missing")
    return Scanned(
        n_rows,
        int(await table.version()),
        int(facts[b"cco.schema_version"]),
        msgspec.json.decode(facts[b"cco.model"], type=ModelIdentity),
    )


async def _collect_ids(table: Any, places: range, ids: set[str]) -> None:
    """Halving finds the files that can be read. Where neither end can, they are given up."""
    if await _take_ids(table, places, ids) or len(places) == 1:
        return
    ends = [await _take_ids(table, places[at : at + 1], ids) for at in (0, len(places) - 1)]
    if any(ends):
        middle = len(places) // 2
        await _collect_ids(table, places[:middle], ids)
        await _collect_ids(table, places[middle:], ids)


async def _take_ids(table: Any, places: range, ids: set[str]) -> bool:
    query = table.take_offsets(list(places))
    query.select([("id", "id")])
    try:
        with panics_caught():
            async for batch in await query.execute():
                ids.update(batch.column("id").to_pylist())
    except (RuntimeError, ValueError, OSError):
        return False
    return True


def _is_refused(error: Exception) -> bool:
    """LanceDB passes on the number of a system's error in its text only."""
    numbers = [int(found) for found in re.findall(r"os error (\d+)", str(error))]
    if isinstance(error, OSError) and error.errno is not None:
        numbers.append(error.errno)
    return any(number not in _NOT_THERE for number in numbers)
