"""Stores as older versions of the daemon left them, for tests. No daemon may have them open."""

import asyncio
from pathlib import Path
from typing import Any

from cco_knowledge.store.native import Scannable, lance, pa

NEW_IN_2 = {"terms", "superseded_by", "superseded_at"}
NEW_IN_3 = {"migration_run", "migration_record"}
NEW_IN_4 = {"sealed"}

_NEW_IN = {2: NEW_IN_2, 3: NEW_IN_3, 4: NEW_IN_4}


def write_as_version(folder: Path, version: int) -> None:
    """What a store of schema version 1 to 3 was; a higher one has what is here now."""
    newer = {name for number, names in _NEW_IN.items() if number > version for name in names}

    async def rewrite() -> None:
        table = await _opened(folder)
        present = await table.schema()
        names = [name for name in present.names if name not in newer]
        facts = {**present.metadata, b"cco.schema_version": str(version).encode()}
        schema = pa.schema([present.field(name) for name in names], metadata=facts)
        batches = [batch async for batch in await table.query().execute(None, None)]
        columns = pa.Table.from_batches(batches, present).combine_chunks().to_batches()[0]
        rows = pa.record_batch([columns.column(name) for name in names], schema=schema)
        await table.add(Scannable(rows), "overwrite")

    asyncio.run(rewrite())


def count_and_columns(folder: Path) -> tuple[int, list[str]]:
    async def read() -> tuple[int, list[str]]:
        table = await _opened(folder)
        return await table.count_rows(None), (await table.schema()).names

    return asyncio.run(read())


async def _opened(folder: Path) -> Any:
    connection = await lance.connect(str(folder), None, None, None, None, None, None, None, None)
    return await connection.open_table("knowledge", None, None, None, None)
