"""kmctl optimize and kmctl verify, and a table that was damaged while no daemon ran."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.store import opening
from cco_knowledge.store.native import Scannable, pa
from conftest import StartDaemon
from entries import store_all
from outcome import Kmctl
from process import Daemon

Damage = Callable[[dict[str, Any]], list[dict[str, Any]]]


def test_optimize_tells_before_and_after(daemon: Daemon) -> None:
    store_all(daemon, "p", *[{}] * 40)
    kmctl = Kmctl(daemon.home)
    done = kmctl.json("optimize")
    assert done["before"]["unindexed_rows"] > done["after"]["unindexed_rows"] == 0
    assert done["after"]["fragments"] == 1
    told = kmctl("optimize")
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines()[0].split() == ["Before", "After"]


def test_verify_of_a_sound_table(daemon: Daemon) -> None:
    store_all(daemon, "p", *[{}] * 40)
    kmctl = Kmctl(daemon.home)
    assert kmctl.json("verify")["problems"] == []
    told = kmctl("verify")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("40 entries read")
    assert told.out.endswith("All of it agrees.\n")


def vector_of_zeros(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row | {"vector": [0.0] * len(row["vector"])}]


def wrong_digest(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row | {"content_digest": b"\0" * 16}]


def there_twice(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [row, row]


@pytest.mark.parametrize(
    ("damage", "kind"),
    [(vector_of_zeros, "vector"), (wrong_digest, "derived"), (there_twice, "duplicate_id")],
)
def test_verify_finds_a_damaged_row(start_daemon: StartDaemon, damage: Damage, kind: str) -> None:
    daemon = start_daemon()
    ids = store_all(daemon, "p", *[{}] * 20)
    assert daemon.stop() == 0
    asyncio.run(rewrite(daemon.home / "knowledge", ids[7], damage))
    start_daemon()
    kmctl = Kmctl(daemon.home)
    outcome = kmctl("verify", "--json")
    assert (outcome.code, outcome.err) == (1, "")
    (problem,) = outcome.json["problems"]
    assert (problem["kind"], problem["count"], problem["ids"]) == (kind, 1, [ids[7]])
    told = kmctl("verify")
    assert told.code == 1
    assert ids[7] in told.out
    assert problem["mend"] in told.out
    assert told.out.endswith("Something is wrong.\n")


def test_verify_finds_a_missing_file(daemon: Daemon) -> None:
    store_all(daemon, "p", *[{}] * 20)
    (file,) = (daemon.home / "knowledge/knowledge.lance/data").iterdir()
    file.rename(daemon.home / "lost")
    outcome = Kmctl(daemon.home)("verify", "--json")
    assert outcome.code == 1
    found = {problem["kind"]: problem["count"] for problem in outcome.json["problems"]}
    assert found == {"unreadable": 20, "missing_file": 1}


def test_without_a_daemon(home: Path) -> None:
    for command in ("optimize", "verify"):
        assert Kmctl(home)(command).code == 3


async def rewrite(folder: Path, entry_id: str, damage: Damage) -> None:
    """Replace a row by others, as no daemon would write them."""
    connection = await opening.Folder(folder, 32 << 20).connect()
    table = await opening.reopen_table(connection)
    schema = await table.schema()
    query = table.query()
    query.where(f"id = '{entry_id}'")
    query.select_columns(schema.names)
    (row,) = [row async for batch in await query.execute(None, None) for row in batch.to_pylist()]
    await table.delete(f"id = '{entry_id}'")
    await table.add(Scannable(pa.RecordBatch.from_pylist(damage(row), schema=schema)), "append")
    table.close()
    connection.close()
