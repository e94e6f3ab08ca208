"""Backups as the store makes them: complete at one moment, proved, and nothing where they fail."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cco_knowledge.backups import files, shelf
from cco_knowledge.backups.manifest import NAME, TABLE_FOLDER, Kind, read_manifest
from cco_knowledge.backups.shelf import Backup
from cco_knowledge.errors import BackupUnusable, StoreFailed
from cco_knowledge.jobs import Advance
from cco_knowledge.store.backup import back_up
from cco_knowledge.store.interface import ANY, Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.scan import scan
from cco_knowledge.types import EmbeddedEntry, Entry, ModelIdentity, Passage, Vector

MODEL = ModelIdentity("test-model", "0" * 64, 2)
VECTOR = Vector(b"\x00\x00\x80?\x00\x00\x00\x00")


def draft(number: int) -> Draft:
    text = f"Fact number {number}."
    entry = Entry(
        id=f"general-1-{number}",
        text=text,
        type="general",
        project_id="p",
        session_id="s",
        agent="a",
        timestamp="2026-11-27T12:00:00.000Z",
        metadata=b"{}",
    )
    embedded = EmbeddedEntry(entry, [Passage(0, len(text), VECTOR)])
    return Draft(embedded, "return", has_given_timestamp=True)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LanceStore]:
    store = await LanceStore.open(tmp_path / "knowledge", MODEL, 8 << 20)
    yield store
    await store.close()


async def insert(store: LanceStore, *numbers: int) -> None:
    outcomes = await store.insert([draft(number) for number in numbers])
    assert not any(isinstance(outcome, Exception) for outcome in outcomes)


async def backed_up(
    store: LanceStore,
    home: Path,
    kind: Kind = "manual",
    advance: Advance = lambda _done, _total: None,
) -> Backup:
    return await back_up(
        home / "knowledge",
        home / "backups",
        kind,
        lambda: store.count(ANY),
        stand_still=store.alone,
        advance=advance,
    )


def read_all(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest is not None
    for _ in files.checked(folder, manifest):
        pass


async def test_a_backup_says_what_it_holds_and_holds_it(store: LanceStore, tmp_path: Path) -> None:
    await insert(store, *range(10))
    heard: list[tuple[int, int | None]] = []
    backup = await backed_up(store, tmp_path, advance=lambda *of: heard.append(of))

    manifest = backup.manifest
    assert read_manifest(backup.path) == manifest
    assert (manifest.rows, manifest.kind, manifest.model) == (10, "manual", MODEL)
    assert manifest.bytes == sum(file.bytes for file in manifest.files)
    assert heard[0] == (0, manifest.bytes)
    assert heard[-1] == (manifest.bytes, manifest.bytes)
    read_all(backup.path)
    scanned = await scan(backup.path)
    assert (scanned.rows, scanned.table_version) == (10, manifest.table_version)
    assert [each.name for each in shelf.backups_in(tmp_path / "backups")] == [backup.name]


async def test_what_happens_to_the_store_later_does_not_reach_a_backup(
    store: LanceStore, tmp_path: Path
) -> None:
    await insert(store, *range(50))
    backup = await backed_up(store, tmp_path)
    for number in range(100, 170):  # a compaction comes in between
        await insert(store, number)
    await store.delete([f"general-1-{number}" for number in range(50)])
    shutil.rmtree(tmp_path / "knowledge" / TABLE_FOLDER / "data")
    read_all(backup.path)
    assert (await scan(backup.path)).rows == 50


async def test_each_entry_that_was_acknowledged_before_is_in_it(
    store: LanceStore, tmp_path: Path
) -> None:
    acknowledged = 0
    running = True

    async def store_on() -> None:
        nonlocal acknowledged
        while running:
            await insert(store, acknowledged)
            acknowledged += 1

    storing = asyncio.create_task(store_on())
    backups = []
    for _ in range(5):
        before = acknowledged
        backups.append((before, await backed_up(store, tmp_path), acknowledged))
    running = False
    await storing
    for before, backup, after in backups:
        assert before <= backup.manifest.rows <= after + 1
        read_all(backup.path)
        assert (await scan(backup.path)).rows == backup.manifest.rows
    assert backups[-1][2] > 0
    assert len({backup.name for _, backup, _ in backups}) == 5


async def test_what_was_being_written_is_left_out(store: LanceStore, tmp_path: Path) -> None:
    await insert(store, 1)
    table = tmp_path / "knowledge" / TABLE_FOLDER
    (table / "_versions" / ".tmp_8.manifest_x").write_bytes(b"half")
    (table / "data" / "x.lance#1").write_bytes(b"half")
    backup = await backed_up(store, tmp_path)
    paths = [file.path for file in backup.manifest.files]
    assert not any("#" in path or ".tmp" in path for path in paths)


async def test_a_cancelled_backup_leaves_nothing(store: LanceStore, tmp_path: Path) -> None:
    await insert(store, *range(10))
    begun = asyncio.Event()
    making = asyncio.create_task(
        backed_up(store, tmp_path, advance=lambda _done, _total: begun.set())
    )
    await begun.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert list((tmp_path / "backups").iterdir()) == []
    await insert(store, 11)
    assert (await backed_up(store, tmp_path)).manifest.rows == 11


async def test_one_that_cannot_be_read_back_is_not_kept(store: LanceStore, tmp_path: Path) -> None:
    await insert(store, *range(10))
    (data_file,) = (tmp_path / "knowledge" / TABLE_FOLDER / "data").iterdir()
    held = data_file.read_bytes()
    data_file.write_bytes(held[: len(held) // 2])
    with pytest.raises(StoreFailed) as refused:
        await backed_up(store, tmp_path)
    assert str(tmp_path) not in refused.value.message
    assert list((tmp_path / "backups").iterdir()) == []
    data_file.write_bytes(held)
    await backed_up(store, tmp_path)


async def test_one_with_too_few_rows_is_not_kept(store: LanceStore, tmp_path: Path) -> None:
    await insert(store, *range(10))

    async def count_one_more() -> int:
        return await store.count(ANY) + 1

    with pytest.raises(StoreFailed, match="10 rows in place of 11"):
        await back_up(tmp_path / "knowledge", tmp_path / "backups", "manual", count_one_more)
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
async def test_a_link_in_the_table_is_not_followed(
    store: LanceStore, tmp_path: Path, kind: str
) -> None:
    await insert(store, 1)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("s3cr3t")
    link = tmp_path / "knowledge" / TABLE_FOLDER / "data" / "link"
    link.symlink_to(secret / "key" if kind == "file" else secret)
    with pytest.raises(StoreFailed, match="neither a file nor a folder"):
        await backed_up(store, tmp_path)
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "add", "manifest"])
async def test_any_damage_is_found(store: LanceStore, tmp_path: Path, damage: str) -> None:
    await insert(store, *range(10))
    backup = await backed_up(store, tmp_path)
    shutil.copytree(backup.path, copy := tmp_path / "copy")  # the store has the same files
    file = copy / next(each.path for each in backup.manifest.files if "/data/" in each.path)
    held = bytearray(file.read_bytes())
    match damage:
        case "flip":
            held[len(held) // 2] ^= 1
            file.write_bytes(held)
        case "cut":
            file.write_bytes(held[:-1])
        case "remove":
            file.unlink()
        case "add":
            file.with_name("more.lance").write_bytes(b"more")
        case _:
            (copy / NAME).write_bytes((copy / NAME).read_bytes()[:-10])
    with pytest.raises(BackupUnusable, match="damaged"):
        read_all(copy)
    read_all(backup.path)


async def test_only_scheduled_ones_go_and_only_the_oldest(
    store: LanceStore, tmp_path: Path
) -> None:
    await insert(store, 1)
    kinds: list[Kind] = ["scheduled", "manual", "scheduled", "upgrade", "scheduled"]
    made = [await backed_up(store, tmp_path, kind) for kind in kinds]
    assert shelf.backups_in(tmp_path / "backups") == made
    assert shelf.expired(made, 3) == []
    assert shelf.expired(made, 1) == [made[0], made[2]]
    for backup in shelf.expired(made, 1):
        shelf.remove(backup)
    assert shelf.backups_in(tmp_path / "backups") == [made[1], made[3], made[4]]
    assert {path.name for path in (tmp_path / "backups").iterdir()} == {
        backup.name for backup in (made[1], made[3], made[4])
    }


async def test_it_is_known_whether_anything_changed_since(
    store: LanceStore, tmp_path: Path
) -> None:
    data, folder = tmp_path / "knowledge", tmp_path / "backups"
    await insert(store, 1)
    backup = await backed_up(store, tmp_path)
    assert shelf.holds(backup, data)
    assert shelf.pinned_bytes(folder, data) < 10_000  # the manifest
    await store.delete(["general-1-1"])
    assert not shelf.holds(backup, data)


async def test_leftovers_of_a_killed_process_are_swept_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / f"{shelf.UNFINISHED}x" / "a").mkdir(parents=True)
    (folder / "20261127T120000Z-manual").mkdir()
    with files.unfinished_folder(folder, shelf.UNFINISHED) as busy:
        shelf.sweep(folder)
        assert {path.name for path in folder.iterdir()} == {busy.name, "20261127T120000Z-manual"}
    assert [path.name for path in folder.iterdir()] == ["20261127T120000Z-manual"]
