"""What is acknowledged is on the disk; what the disk lost is taken back, not built upon."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cco_knowledge.errors import KnowledgeError, StorageFull, StoreFailed, Unavailable
from cco_knowledge.store import mending
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.lance import LanceStore
from conftest import assert_healthy
from entries import query_ids, store_all
from process import Daemon, wait_until
from real_store import MODEL, draft, drafts, opened, silent
from wire import RpcError


@pytest.fixture
def faulty(home: Path) -> Iterator[tuple[Daemon, Path]]:
    """A daemon, and the file of its faults."""
    faults = home / "faults"
    daemon = Daemon(home)
    daemon.environment = {"CCO_FAULTS": str(faults)}
    daemon.start().wait_ready()
    yield daemon, faults
    log = daemon.stderr
    daemon.discard()
    assert_healthy(log)


def test_a_commit_that_the_disk_lost_is_taken_back(faulty: tuple[Daemon, Path]) -> None:
    daemon, faults = faulty
    kept = store_all(daemon, "p", {"text": "kept"}, {"text": "deleted in vain"})
    faults.write_text("store.sync EIO\n")
    assert daemon.refusal("knowledge.store", {"text": "lost"}).reason == "store_failed"
    for method, params in (
        ("knowledge.store", {"text": "refused"}),
        ("knowledge.delete", {"ids": kept[:1]}),
        ("knowledge.update", {"id": kept[0], "text": "changed"}),
    ):
        refusal = daemon.refusal(method, params)
        assert (refusal.reason, refusal.data["retryable"]) == ("unavailable", True)
    assert set(kept) <= set(query_ids(daemon))
    assert daemon.call("knowledge.search", {"query": "kept"})["count"] >= 2

    faults.unlink()
    wait_until(lambda: stores(daemon, "stored again"))
    texts = {entry["text"] for entry in daemon.call("knowledge.query")["results"]}
    assert texts == {"kept", "deleted in vain", "stored again"}
    assert "a write was lost by the disk" in daemon.stderr
    daemon.call("knowledge.delete", {"ids": kept[1:]})
    daemon.kill()
    again = Daemon(daemon.home).start().wait_ready()
    try:
        assert {e["text"] for e in again.call("knowledge.query")["results"]} == {
            "kept",
            "stored again",
        }
        assert not (daemon.home / "quarantine").exists()
    finally:
        again.discard()


def stores(daemon: Daemon, text: str) -> bool:
    try:
        return bool(daemon.call("knowledge.store", {"text": text})["stored"])
    except RpcError as error:
        if error.reason != "unavailable":
            raise
        return False


def test_the_lock_tells_how_the_last_one_ended(home: Path) -> None:
    lock = home / "knowledge.lock"
    daemon = Daemon(home).start().wait_ready()
    assert lock.read_text() == f"{daemon.pid}\n"
    assert daemon.stop() == 0
    assert lock.read_bytes() == b""
    daemon.start().wait_ready()
    daemon.kill()
    assert lock.read_text() == f"{daemon.pid}\n"
    daemon.discard()


class FailingDisk:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code: int | None = None
        self.n_syncs = 0
        real: Callable[[Disk], None] = Disk.sync

        def sync(disk: Disk) -> None:
            self.n_syncs += 1
            if self.code is not None:
                raise OSError(self.code, "made up")
            real(disk)

        monkeypatch.setattr(Disk, "sync", sync)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FailingDisk:
    monkeypatch.setattr(mending, "_FIRST_PAUSE_S", 0.01)
    return FailingDisk(monkeypatch)


async def until_stored(store: LanceStore, number: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await store.insert([draft(number)])
            except Unavailable:
                await asyncio.sleep(0.01)
            else:
                return


async def test_a_disk_that_fails_in_the_middle_of_folding_loses_nothing(
    tmp_path: Path, disk: FailingDisk
) -> None:
    """Folding removes the files of the version that is surely on the disk."""
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(200)))
        folding = asyncio.create_task(store.optimize(silent))
        stored = 200
        while not folding.done() and stored < 205:
            await store.insert([draft(stored)])
            stored += 1
        disk.code = errno.EIO
        with pytest.raises(KnowledgeError):
            await folding
        disk.code = None
        await until_stored(store, 2000)
        assert store.work.commits_taken_back >= 1
        expected = {f"e{number}" for number in (*range(stored), 2000)}
        assert set(await store.find_ids(ANY)) == expected
        assert not (await store.verify(silent)).problems
        await store.optimize(silent)
        assert set(await store.find_ids(ANY)) == expected
    store = await LanceStore.open(tmp_path, MODEL, 32 << 20, in_doubt=True)
    assert await store.count(ANY) == stored + 1
    await store.close()


@pytest.mark.parametrize(("code", "error"), [(errno.EIO, StoreFailed), (errno.ENOSPC, StorageFull)])
async def test_each_kind_of_change_is_taken_back(
    tmp_path: Path, disk: FailingDisk, code: int, error: type[KnowledgeError]
) -> None:
    async with opened(tmp_path) as store:
        await store.insert(drafts(range(20)))
        (entry,) = await store.get(["e1"])
        changes: list[Callable[[], Awaitable[object]]] = [
            lambda: store.insert([draft(500)]),
            lambda: store.insert([draft(501, supersedes=["e3"])]),
            lambda: store.delete(["e2"]),
            lambda: store.replace(entry, None),
            lambda: store.cleanup(ANY),
        ]
        for number, change in enumerate(changes):
            disk.code = code
            with pytest.raises(error):
                await change()
            disk.code = None
            await until_stored(store, 100 + number)
        assert store.work.commits_taken_back == 5
        assert set(await store.find_ids(ANY)) == {f"e{n}" for n in (*range(20), *range(100, 105))}
        assert not (await store.verify(silent)).problems


async def test_what_could_not_be_taken_back_is_no_clean_end(
    tmp_path: Path, disk: FailingDisk
) -> None:
    store = await LanceStore.open(tmp_path, MODEL, 32 << 20)
    disk.code = errno.EIO
    with pytest.raises(StoreFailed):
        await store.insert([draft(1)])
    with pytest.raises(Unavailable):
        await store.close()


async def test_without_durability_nothing_is_forced_before_the_end(
    tmp_path: Path, disk: FailingDisk
) -> None:
    store = await LanceStore.open(tmp_path, MODEL, 32 << 20, durability="process")
    begun_with = disk.n_syncs
    await store.insert(drafts(range(100)))
    await store.delete(["e1"])
    await store.optimize(silent)
    assert disk.n_syncs == begun_with
    await store.close()
    assert disk.n_syncs == begun_with + 1
