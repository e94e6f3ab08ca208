"""A table by itself, read in full: what proves that a copy can be opened and holds its rows."""

import asyncio
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


class Unreadable(Exception):
    """With what kind of error, never its text."""


@dataclass(frozen=True, slots=True)
class Scanned:
    rows: int
    table_version: int
    schema_version: int
    model: ModelIdentity


async def scan(folder: Path) -> Scanned:
    """Open the table in the folder and read every column of every row. Writes nothing.

    Raises:
        Unreadable: there is no such table, or it is not whole.
    """
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
                return await _read(table)
            finally:
                table.close()
                connection.close()
    except (RuntimeError, ValueError, OSError, KeyError, msgspec.ValidationError) as error:
        raise Unreadable(category(error)) from error


def report(folder: Path) -> dict[str, object]:
    """`scan` for another process: as JSON, with the newest schema version that this one knows."""
    try:
        return {**asdict(asyncio.run(scan(folder))), "known_schema_version": SCHEMA_VERSION}
    except Unreadable as error:
        return {"unreadable": str(error)}


async def _read(table: Any) -> Scanned:
    facts = (await table.schema()).metadata or {}
    n_rows = 0
    async for batch in await table.query().execute(_BATCH_ROWS, None):
        batch.validate(full=True)
        n_rows += batch.num_rows
    if n_rows != await table.count_rows(None):
        raise ValueError("rows are missing")
    return Scanned(
        n_rows,
        int(await table.version()),
        int(facts[b"cco.schema_version"]),
        msgspec.json.decode(facts[b"cco.model"], type=ModelIdentity),
    )
