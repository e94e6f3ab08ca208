"""Changing tables behind the daemon's back, for tests."""

import asyncio
from pathlib import Path

from cco_knowledge.store.native import Scannable, lance, pa


def rewrite(folder: Path, without: str | None = None, **facts: str) -> None:
    """The table in the folder, without a column or with other facts in its schema."""

    async def work() -> None:
        connection = await lance.connect(str(folder), *[None] * 8)
        table = await connection.open_table("knowledge", *[None] * 4)
        present = await table.schema()
        names = [name for name in present.names if name != without]
        told = {f"cco.{name}".encode(): value.encode() for name, value in facts.items()}
        schema = pa.schema(
            [present.field(name) for name in names], metadata={**present.metadata, **told}
        )
        batches = [batch async for batch in await table.query().execute(None, None)]
        (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
        rows = pa.record_batch([batch.column(name) for name in names], schema=schema)
        await table.add(Scannable(rows), "overwrite")

    asyncio.run(work())
