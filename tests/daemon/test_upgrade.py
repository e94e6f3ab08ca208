"""A store that an older version wrote is opened, complete, and kept as it was."""

import asyncio
from pathlib import Path
from typing import Any

from cco_knowledge.store.native import Scannable, lance, pa
from conftest import StartDaemon
from entries import listed, store_all
from process import refused_start

_NEW_IN_2 = {"terms", "superseded_by", "superseded_at"}
_NEW_IN_3 = {"migration_run", "migration_record"}
FACT = "The submarine cable to Iceland is repaired with titanium clamps of type QX-77."
LONG = "The meeting went on and people talked about the usual plans for the week. " * 60 + FACT


async def opened(folder: Path) -> Any:
    connection = await lance.connect(str(folder), None, None, None, None, None, None, None, None)
    return await connection.open_table("knowledge", None, None, None, None)


def write_as_version(folder: Path, version: int) -> None:
    """What a store of schema version 1 or 2 was; a higher one has what is here now."""
    newer: set[str] = {1: _NEW_IN_2 | _NEW_IN_3, 2: _NEW_IN_3}.get(version, set())

    async def rewrite() -> None:
        table = await opened(folder)
        present = await table.schema()
        names = [name for name in present.names if name not in newer]
        facts = {**present.metadata, b"cco.schema_version": str(version).encode()}
        schema = pa.schema([present.field(name) for name in names], metadata=facts)
        (batch,) = [batch async for batch in await table.query().execute(None, None)]
        rows = pa.record_batch([batch.column(name) for name in names], schema=schema)
        await table.add(Scannable(rows), "overwrite")

    asyncio.run(rewrite())


def count_and_columns(folder: Path) -> tuple[int, list[str]]:
    async def read() -> tuple[int, list[str]]:
        table = await opened(folder)
        return await table.count_rows(None), (await table.schema()).names

    return asyncio.run(read())


def test_a_store_of_schema_1_is_upgraded_and_kept(home: Path, start_daemon: StartDaemon) -> None:
    before = start_daemon()
    items: list[dict[str, Any]] = [
        {"text": "The worker dies with ECONNREFUSED."},
        {"text": LONG, "metadata": {"a": 1}},
    ]
    refused, long = store_all(before, "p", *items)
    entries = listed(before, limit=100)
    before.stop()
    write_as_version(home / "knowledge", 1)

    after = start_daemon()
    assert "upgraded from schema version 1 to 3" in after.stderr
    assert listed(after, limit=100) == entries
    for query, entry_id in (("ECONNREFUSED", refused), ("QX-77", long)):
        hits = after.call("knowledge.search", {"query": query, "mode": "text"})["results"]
        assert [hit["id"] for hit in hits] == [entry_id]
    (hit,) = after.call("knowledge.search", {"query": FACT, "limit": 1})["results"]
    assert FACT in hit["passage"]
    newer = after.call("knowledge.store", {"text": "It does not.", "supersedes": [refused]})
    assert {entry["id"] for entry in listed(after, limit=100)} == {long, newer["id"]}
    after.stop()

    (backup,) = (home / "backups").iterdir()
    n_rows, columns = count_and_columns(backup)
    assert n_rows == 2
    assert not set(columns) & (_NEW_IN_2 | _NEW_IN_3)
    assert "upgraded" not in start_daemon().stderr


def test_a_store_of_schema_2_keeps_what_replaces_what(
    home: Path, start_daemon: StartDaemon
) -> None:
    before = start_daemon()
    (old,) = store_all(before, "p", {"text": "Deploys happen on Friday."})
    before.call("knowledge.store", {"text": "Deploys happen on Monday.", "supersedes": [old]})
    entries = listed(before, limit=100, include_superseded=True)
    before.stop()
    write_as_version(home / "knowledge", 2)

    after = start_daemon()
    assert "upgraded from schema version 2 to 3" in after.stderr
    assert listed(after, limit=100, include_superseded=True) == entries


def test_a_store_of_a_newer_version_is_refused_and_left_alone(
    home: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon()
    store_all(daemon, "p", {})
    daemon.stop()
    write_as_version(home / "knowledge", 4)
    assert "schema version 4" in refused_start(home)
    assert count_and_columns(home / "knowledge")[0] == 1
    assert not (home / "backups").exists()
