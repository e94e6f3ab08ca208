"""The store keeps its files few and its disk small, by itself and when it is asked to."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cco_knowledge.errors import StorageFull, StoreFailed
from cco_knowledge.store import backlog, gathering, maintenance
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.kept_files import KeptFiles
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.room import Room
from real_store import draft, drafts, opened, silent


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # of what tells nobody
            await asyncio.sleep(0.01)


async def store_one_by_one(store: LanceStore, numbers: range) -> None:
    for number in numbers:
        (outcome,) = await store.insert([draft(number)])
        assert not isinstance(outcome, Exception)


async def gathered(store: LanceStore) -> None:
    async with asyncio.timeout(60):
        while (await store.facts()).fragments > 2:  # noqa: ASYNC110  # as in `until`
            await asyncio.sleep(0.01)


def failing(store: LanceStore) -> tuple[bool, str | None]:
    return store.work.compaction_failures_in_a_row > 0, store.work.last_compaction_failure


async def test_what_is_stored_singly_is_folded_by_itself(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        most = 0
        for first in range(0, 300, 10):
            await store_one_by_one(store, range(first, first + 10))
            most = max(most, (await store.facts()).fragments)
        assert most < 64
        await until(lambda: store.work.compactions >= 1)
        facts = await store.facts()
        assert facts.fragments <= 2
        assert facts.unindexed_rows == 0
        assert facts.versions < 16
        assert await store.count(ANY) == 300


async def test_small_files_become_one_between_two_stores(tmp_path: Path) -> None:
    """Not by a fold, which rewrites the indexes."""
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(400)))
        await store.optimize(silent)
        await store_one_by_one(store, range(400, 415))
        folded = store.work.compactions
        await gathered(store)
        assert store.work.compactions == folded
        assert (await store.facts()).unindexed_rows == 15
        assert not (await store.verify(silent)).problems


@pytest.mark.parametrize(
    ("most_bytes", "expected"), [(2 << 20, [1, 1, 2, 2]), (1 << 10, [1, 2, 3, 4])]
)
async def test_what_was_appended_is_gathered_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int, expected: list[int]
) -> None:
    """It is read only after a change of another kind, or where it was too much to keep."""
    n_read = 0
    read = gathering._newest_rows

    async def counted(table: object, n_rows: int) -> list[object] | None:
        nonlocal n_read
        n_read += 1
        return await read(table, n_rows)

    monkeypatch.setattr(gathering, "_newest_rows", counted)
    monkeypatch.setattr(gathering, "_MOST_KEPT_BYTES", most_bytes)
    monkeypatch.setattr(backlog, "QUIET_S", 3600.0)
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(400)))
        await store.optimize(silent)
        reads = []
        for first in (400, 410, 420, 430):
            await store_one_by_one(store, range(first, first + 10))
            if first == 420:
                (changed,) = await store.get(["e421"])
                await store.replace(replace(changed, agent="other"), None)
                await store.delete(["e422"])
            await gathered(store)
            reads.append(n_read)
        assert reads == expected
        kept = [f"e{number}" for number in range(440) if number != 422]
        assert sorted(await store.find_ids(ANY)) == sorted(kept)
        (found,) = await store.get(["e421"])
        assert found.agent == "other"
        assert not (await store.verify(silent)).problems


async def test_folding_goes_on_while_nobody_writes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store_one_by_one(store, range(20))
        await until(lambda: store.work.compactions == 1)
        facts = await store.facts()
        assert (facts.fragments, facts.unindexed_rows) == (1, 0)


async def test_optimize_leaves_one_file_and_no_old_version(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(500)))
        await store_one_by_one(store, range(500, 530))
        await store.delete([f"e{number}" for number in range(100)])
        told: list[tuple[int, int | None]] = []
        done = await store.optimize(lambda *progress: told.append(progress))
        assert done.before.fragments > done.after.fragments == 1
        assert done.before.unindexed_rows > done.after.unindexed_rows == 0
        assert done.before.versions > done.after.versions <= 2
        assert done.before.bytes > done.after.bytes
        assert done.after.bytes < 1.3 * done.after.live_bytes
        assert (told[0], told[-1]) == ((0, 430), (430, 430))
        assert await store.count(ANY) == 430


async def test_optimize_removes_what_killed_writers_left(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(20)))
        left_over = tmp_path / "knowledge.lance/data" / f"{'0' * 50}.lance"
        left_over.write_bytes(b"never committed")
        await store.optimize(silent)
        assert not left_over.exists()
        assert not (await store.verify(silent)).problems


async def test_stores_and_searches_go_on_beside_optimize(tmp_path: Path) -> None:
    """Files of the version that a search began with may go while it reads them."""
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(2000)))
        ended = asyncio.Event()
        n_read = 0

        async def read() -> None:
            nonlocal n_read
            while not ended.is_set():
                vector = draft(n_read).embedded.passages[0].vector
                assert len(await store.nearest(vector, ANY, 10)) == 10
                assert (await store.totals(ANY)).total_records >= 2000
                assert await store.matching([f"{n_read}"], ANY, 1)
                n_read += 1

        async def write() -> None:
            number = 2000
            while not ended.is_set():
                await store_one_by_one(store, range(number, number + 1))
                number += 1

        reading = [asyncio.create_task(read()) for _ in range(2)]
        writing = asyncio.create_task(write())
        for _ in range(4):
            await store.optimize(silent)
        ended.set()
        await asyncio.gather(*reading, writing)
        assert n_read > 0
        assert not (await store.verify(silent)).problems


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
async def test_files_of_old_versions_do_not_stay_open(tmp_path: Path) -> None:
    """They would keep their room on the disk."""
    async with opened(tmp_path) as store:
        for first in range(0, 5 * 64, 64):
            await store_one_by_one(store, range(first, first + 64))
            await store.matching(["word7"], ANY, 3)
            folded = store.work.compactions
            await until(lambda: store.work.compactions > folded)  # noqa: B023  # it is awaited
        assert len(deleted_files(tmp_path)) < 16
        await store.optimize(silent)
        assert deleted_files(tmp_path) == []


def deleted_files(folder: Path) -> list[str]:
    """That this process has open, below the folder."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            targets.append(str(descriptor.readlink()))
    return [name for name in targets if name.startswith(str(folder)) and "(deleted)" in name]


async def test_a_cancelled_optimize_ends_its_step_and_no_more(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(1000)))
        optimizing = asyncio.create_task(store.optimize(silent))
        await asyncio.sleep(0)
        optimizing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await optimizing
        await store_one_by_one(store, range(1000, 1010))
        assert not (await store.verify(silent)).problems


async def test_a_full_disk_is_told_counted_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(maintenance, "_FIRST_PAUSE_S", 0.05)
    async with opened(tmp_path) as store:
        with monkeypatch.context() as full:
            full.setattr(Room, "free_bytes", lambda _self: 1000)
            await store_one_by_one(store, range(64))
            await until(lambda: store.work.compaction_failures >= 3)
            assert failing(store) == (True, "storage_full")
            with pytest.raises(StorageFull, match="free space"):
                await store.optimize(silent)
        await until(lambda: store.work.compactions >= 1)
        assert failing(store) == (False, None)
    assert "again in" in caplog.text


async def test_a_failure_of_the_database_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is gone cannot be folded."""
    async with opened(tmp_path) as store:
        await store_one_by_one(store, range(3))
        for file in (tmp_path / "knowledge.lance/data").iterdir():
            file.unlink()
        with pytest.raises(StoreFailed):
            await store.optimize(silent)
        assert store.work.compaction_failures == 1


async def test_files_that_went_before_the_new_ones_were_safe_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(100)))
    table = tmp_path / "knowledge.lance"
    kept = KeptFiles(table)
    kept.keep()
    before = sorted(table.rglob("*"))
    shutil.rmtree(table / "data")
    (table / "_versions/.tmpKilled").write_bytes(b"")
    assert kept.bring_back() == 1
    assert sorted(set(table.rglob("*")) - {table / "_versions/.tmpKilled"}) == before
    async with opened(tmp_path) as store:
        assert await store.count(ANY) == 100
        assert not (table / "_versions/.tmpKilled").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"knowledge.lance", ".ballast"}


async def test_links_of_another_table_are_not_used(tmp_path: Path) -> None:
    """Somebody has put another one in its place, for example from a backup."""
    table = tmp_path / "knowledge.lance"
    (table / "data").mkdir(parents=True)
    (table / "data/old.lance").write_bytes(b"old")
    kept = KeptFiles(table)
    kept.keep()
    table.rename(tmp_path / "aside")
    (table / "data").mkdir(parents=True)
    assert KeptFiles(table).bring_back() == 0
    KeptFiles(table).let_go()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aside", "knowledge.lance"]
