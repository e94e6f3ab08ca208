"""The writer: order, company in one commit, failures told to all whom they concern."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from cco_knowledge.errors import NotFound, StoreFailed
from cco_knowledge.store.interface import Draft, Stored
from cco_knowledge.store.writer import Outcome, Writer
from cco_knowledge.types import EmbeddedEntry, Entry, Passage, Vector


def draft(entry_id: str) -> Draft:
    entry = Entry(entry_id, "t", "general", "p", "s", "a", "2026-01-01T00:00:00.000Z", b"{}")
    return Draft(EmbeddedEntry(entry, [Passage(0, 1, Vector(b""))]), "return", False)


class Table:
    """Remembers its commits; each waits for `gate`, and fails with `failure` where one is set."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.failure: Exception | None = None

    async def commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        self.begun.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        ids = [draft.embedded.entry.id for draft in drafts]
        self.commits.append(ids)
        return [Stored(entry_id, "now", None) for entry_id in ids]


@pytest.fixture
async def table() -> Table:
    return Table()


@pytest.fixture
async def writer(table: Table) -> AsyncIterator[Writer]:
    writer = Writer(table.commit)
    running = asyncio.create_task(writer.run())
    yield writer
    table.gate.set()
    writer.close()
    await running


async def test_what_waits_during_a_commit_shares_the_next(writer: Writer, table: Table) -> None:
    inserts = [asyncio.create_task(writer.insert([draft("first")]))]
    await table.begun.wait()
    inserts += [asyncio.create_task(writer.insert([draft(f"{n}")])) for n in range(3)]
    await asyncio.sleep(0)
    table.gate.set()
    outcomes = await asyncio.gather(*inserts)
    assert table.commits == [["first"], ["0", "1", "2"]]
    assert [o.id for (o,) in outcomes if isinstance(o, Stored)] == ["first", "0", "1", "2"]


async def test_a_change_runs_alone_and_in_order(writer: Writer, table: Table) -> None:
    async def change() -> int:
        table.commits.append(["change"])
        return 7

    one = asyncio.create_task(writer.insert([draft("1")]))
    await table.begun.wait()
    two = asyncio.create_task(writer.insert([draft("2")]))
    changed = asyncio.create_task(writer.change(change))
    three = asyncio.create_task(writer.insert([draft("3")]))
    await asyncio.sleep(0)
    table.gate.set()
    assert await changed == 7
    await asyncio.gather(one, two, three)
    assert table.commits == [["1"], ["2"], ["change"], ["3"]]


async def test_a_failed_commit_is_told_to_all_of_it_and_the_writer_goes_on(
    writer: Writer, table: Table
) -> None:
    table.failure = StoreFailed("full")
    table.gate.set()
    results = await asyncio.gather(
        *(writer.insert([draft(f"{n}")]) for n in range(3)), return_exceptions=True
    )
    assert results == [table.failure] * 3
    table.failure = None
    assert await writer.insert([draft("again")]) == [Stored("again", "now", None)]


async def test_a_failed_change_is_told_to_its_caller_alone(writer: Writer, table: Table) -> None:
    async def change() -> None:
        raise NotFound("gone")

    table.gate.set()
    with pytest.raises(NotFound):
        await writer.change(change)
    assert await writer.insert([draft("after")]) == [Stored("after", "now", None)]


async def test_a_cancelled_caller_does_not_take_back_its_insert(
    writer: Writer, table: Table
) -> None:
    insert = asyncio.create_task(writer.insert([draft("kept")]))
    await table.begun.wait()
    insert.cancel()
    with pytest.raises(asyncio.CancelledError):
        await insert
    table.gate.set()
    await writer.insert([draft("next")])
    assert table.commits == [["kept"], ["next"]]


async def test_close_finishes_what_came_before(table: Table) -> None:
    writer = Writer(table.commit)
    running = asyncio.create_task(writer.run())
    insert = asyncio.create_task(writer.insert([draft("last")]))
    await table.begun.wait()
    writer.close()
    table.gate.set()
    await running
    assert await insert == [Stored("last", "now", None)]
