"""kmctl restore: exactly what a backup holds, and what was there is kept, whatever happens."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.backups.manifest import NAME, TABLE_FOLDER
from conftest import StartDaemon
from outcome import Kmctl
from process import wait_until
from tables import rewrite


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def made(kmctl: Kmctl) -> str:
    return str(kmctl.json("backup")["name"])


def entries(kmctl: Kmctl) -> Any:
    return kmctl.json("query", "--limit", "1000", "--include-superseded")["results"]


Before = tuple[str, Any]
"""The name of a backup, and the entries in it; the store has changed since."""


@pytest.fixture
def before(kmctl: Kmctl) -> Before:
    return prepared(kmctl)


@pytest.fixture(scope="module")
def shared(session_kmctl: Kmctl) -> tuple[Kmctl, Before]:
    """One for all tests in which nothing must change."""
    return session_kmctl, prepared(session_kmctl)


def prepared(kmctl: Kmctl) -> Before:
    kmctl.json("start", "--detach")
    first = kmctl.json("store", "The first decision stands", "--metadata", '{"a": 1}')["id"]
    second = kmctl.json("store", "We deploy on Friday")["id"]
    name, held = made(kmctl), entries(kmctl)
    kmctl.json("store", "Stored after the backup")
    kmctl.json("update", second, "--text", "We deploy on Monday")
    kmctl.json("delete", first)
    return name, held


def test_exactly_the_backup_comes_back_and_what_was_there_is_kept(
    kmctl: Kmctl, before: Before
) -> None:
    name, held = before
    changed, pid = entries(kmctl), kmctl.json("status")["pid"]
    restored = kmctl.json("restore", name)
    assert entries(kmctl) == held
    assert (restored["restored"], restored["rows"]) == (True, 2)
    assert restored["pid"] == kmctl.json("status")["pid"] != pid
    assert kmctl.json("search", "first decision")["results"][0]["id"] == held[-1]["id"]
    back = kmctl("restore", restored["kept"])
    assert back.code == 0, back
    assert "The store is that again: 2 entries.\nWhat was there is kept. " in back.out
    assert entries(kmctl) == changed
    again = kmctl.json("backup", "--verify", name)
    assert (again["rows"], again["has_sums"]) == (2, True)
    assert kmctl.json("stats")["total_records"] == 2


def test_a_dry_run_changes_nothing(shared: tuple[Kmctl, Before]) -> None:
    kmctl, before = shared
    changed, pid = entries(kmctl), kmctl.json("status")["pid"]
    tried = kmctl("restore", before[0], "--dry-run")
    assert (tried.code, f"{len(before[1])} entries. Nothing was changed." in tried.out) == (
        0,
        True,
    ), tried
    assert entries(kmctl) == changed
    assert kmctl.json("status")["pid"] == pid
    assert {path.name for path in (kmctl.home / "knowledge").iterdir()} == {
        TABLE_FOLDER,
        ".ballast",
    }


def test_without_a_daemon_none_is_started(kmctl: Kmctl, before: Before) -> None:
    kmctl.json("stop")
    assert "The daemon was not running." in kmctl("restore", before[0]).out
    assert kmctl("status").code == 3
    kmctl.json("start", "--detach")
    assert entries(kmctl) == before[1]


def test_into_an_empty_home_from_a_copy_elsewhere(
    kmctl: Kmctl, other_kmctl: Kmctl, before: Before, tmp_path: Path
) -> None:
    copy = Path(kmctl.json("backup", "--to", str(tmp_path / "disk"))["copy"])
    changed = entries(kmctl)
    assert other_kmctl.json("restore", str(copy))["kept"] is None
    other_kmctl.json("start", "--detach")
    assert entries(other_kmctl) == changed
    # It is a copy and shares no file with the store that came from it.
    stored = {path.stat().st_ino for path in (other_kmctl.home / "knowledge").rglob("*")}
    assert not stored & {path.stat().st_ino for path in copy.rglob("*")}


def refused(kmctl: Kmctl, source: str, *words: str) -> str:
    """What restore says. It has changed nothing, and the daemon runs on."""
    changed, pid = entries(kmctl), kmctl.json("status")["pid"]
    outcome = kmctl("restore", source)
    assert (outcome.code, outcome.out) == (1, "")
    for word in words:
        assert word in outcome.err
    assert entries(kmctl) == changed
    assert kmctl.json("status")["pid"] == pid
    assert {path.name for path in (kmctl.home / "knowledge").iterdir()} == {
        TABLE_FOLDER,
        ".ballast",
    }
    return outcome.err


def test_a_damaged_backup_is_refused(shared: tuple[Kmctl, Before], tmp_path: Path) -> None:
    kmctl, before = shared
    backup = shutil.copytree(kmctl.home / "backups" / before[0], tmp_path / "copy")
    file = max(backup.rglob("*.lance/data/*"), key=lambda path: path.stat().st_size)
    held = bytearray(file.read_bytes())
    held[len(held) // 2] ^= 1
    file.write_bytes(held)
    said = refused(kmctl, str(backup), "is damaged", file.name)
    assert str(backup) in said
    assert ".restoring" not in said
    outcome = kmctl("backup", "--verify", str(backup))
    assert (outcome.code, "is damaged" in outcome.err) == (1, True)


def test_a_copy_without_sums_that_cannot_be_read_is_refused(
    shared: tuple[Kmctl, Before], tmp_path: Path
) -> None:
    kmctl, before = shared
    backup = shutil.copytree(kmctl.home / "backups" / before[0], tmp_path / "copy")
    (backup / NAME).unlink()
    for file in backup.rglob("*.lance/data/*"):
        os.truncate(file, file.stat().st_size // 2)
    refused(kmctl, str(backup), "cannot be read")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"schema_version": "99"}, ["schema version 99"]),
        (
            {"model": '{"name": "other", "sha256": "' + 64 * "a" + '", "dim": 384}'},
            ["the model other", 'Set name = "other"'],
        ),
    ],
)
def test_one_of_another_version_or_model_is_refused(
    facts: dict[str, str],
    words: list[str],
    shared: tuple[Kmctl, Before],
    tmp_path: Path,
) -> None:
    kmctl, before = shared
    backup = shutil.copytree(kmctl.home / "backups" / before[0], tmp_path / "copy")
    (backup / NAME).unlink()
    rewrite(backup, **facts)
    refused(kmctl, str(backup), *words)


def test_an_older_one_is_upgraded_at_the_start(
    kmctl: Kmctl, before: Before, tmp_path: Path
) -> None:
    backup = shutil.copytree(kmctl.home / "backups" / before[0], tmp_path / "copy")
    (backup / NAME).unlink()
    rewrite(backup, without="migration_record", schema_version="2")
    assert kmctl.json("restore", str(backup))["schema_version"] == 2
    assert entries(kmctl) == before[1]
    kinds = [each["kind"] for each in kmctl.json("backup", "--list")["backups"]]
    assert kinds == ["manual", "upgrade"]


def test_what_the_daemon_refuses_is_undone(kmctl: Kmctl, before: Before, tmp_path: Path) -> None:
    changed = entries(kmctl)
    backup = shutil.copytree(kmctl.home / "backups" / before[0], tmp_path / "copy")
    (backup / NAME).unlink()
    rewrite(backup, without="content_digest")
    outcome = kmctl("restore", str(backup))
    assert (outcome.code, outcome.out) == (1, "")
    assert "the store is what it was again" in outcome.err
    assert entries(kmctl) == changed
    assert {path.name for path in (kmctl.home / "knowledge").iterdir()} == {
        TABLE_FOLDER,
        ".ballast",
    }


def test_a_daemon_that_is_not_reached_keeps_its_store(
    kmctl: Kmctl, start_daemon: StartDaemon
) -> None:
    elsewhere = ("--socket", str(kmctl.home / "other.sock"))
    daemon = start_daemon(*elsewhere)
    kmctl.json("store", "Kept", *elsewhere)
    name = kmctl.json("backup", *elsewhere)["name"]
    outcome = kmctl("restore", name)
    assert (outcome.code, f"pid {daemon.pid}" in outcome.err) == (6, True), outcome
    assert kmctl.json("stats", *elsewhere)["total_records"] == 1
    assert {path.name for path in (kmctl.home / "knowledge").iterdir()} == {
        TABLE_FOLDER,
        ".ballast",
    }


def test_the_daemon_of_another_home_is_left_alone(
    shared: tuple[Kmctl, Before], tmp_path: Path
) -> None:
    kmctl, before = shared
    pid = kmctl.json("status")["pid"]
    elsewhere = ("--home", str(tmp_path), "--socket", str(kmctl.home / "knowledge.sock"))
    outcome = kmctl("restore", str(kmctl.home / "backups" / before[0]), *elsewhere)
    assert (outcome.code, str(kmctl.home) in outcome.err) == (6, True), outcome
    assert kmctl.json("status")["pid"] == pid


def test_what_is_no_backup_is_told(kmctl: Kmctl, tmp_path: Path) -> None:
    outcome = kmctl("restore", str(tmp_path))
    assert (outcome.code, "kmctl backup --list" in outcome.err) == (2, True)


def test_a_killed_restore_leaves_the_store_as_it_was(
    kmctl: Kmctl, before: Before, tmp_path: Path
) -> None:
    changed = entries(kmctl)
    backup = shutil.copytree(kmctl.home / "backups" / before[0], tmp_path / "copy")
    data = kmctl.home / "knowledge"
    with kmctl.begin("restore", str(backup)) as process:
        wait_until(lambda: bool(list(data.glob(".restoring-*"))) or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kmctl.json("restart")
    present = entries(kmctl)
    assert present in (changed, before[1])
    assert not list(data.glob(".rest*"))
