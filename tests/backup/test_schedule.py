"""Backups by themselves: made while something changes, kept as told, failures told and retried."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.backups.shelf import Backup, backups_in
from conftest import StartDaemon
from entries import store_all
from process import Daemon, wait_until
from prometheus_text import measured

OFTEN = ("--set", "backup.every_hours=0.0005")  # 1.8 s


def facts(daemon: Daemon) -> Any:
    return daemon.call("system.status")["backups"]


def made(home: Path) -> list[Backup]:
    return backups_in(home / "backups")


def has_backup_of(home: Path, n_rows: int) -> bool:
    return any(backup.manifest.rows == n_rows for backup in made(home))


def test_what_changes_is_backed_up_and_the_newest_are_kept(
    home: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(*OFTEN, "--set", "backup.keep=2")
    for n_rows in range(1, 5):
        store_all(daemon, "p", {"text": f"Fact {n_rows}."})
        wait_until(lambda expected=n_rows: has_backup_of(home, expected))  # type: ignore[misc]
    wait_until(lambda: [backup.manifest.rows for backup in made(home)] == [3, 4])
    assert {backup.manifest.kind for backup in made(home)} == {"scheduled"}
    wait_until(lambda: facts(daemon)["is_current"])
    assert facts(daemon)["newest"] == made(home)[-1].name
    now = measured(daemon.socket_path)
    assert now.value("cco_knowledge_backups_total") >= 4
    assert now.value("cco_knowledge_newest_backup_timestamp_seconds") > 0


def test_where_nothing_changes_none_is_made(home: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(*OFTEN)
    store_all(daemon, "p", {})
    wait_until(lambda: has_backup_of(home, 1) and facts(daemon)["is_current"])
    names = [backup.name for backup in made(home)]
    for _ in range(3):
        due = facts(daemon)["next_at"]
        wait_until(lambda: facts(daemon)["next_at"] > due)  # noqa: B023  # it has looked again
    assert [backup.name for backup in made(home)] == names


def test_a_missed_one_is_made_after_the_start(home: Path, start_daemon: StartDaemon) -> None:
    first = start_daemon("--set", "backup.every_hours=0")
    store_all(first, "p", {})
    assert facts(first) == {
        "newest": None,
        "newest_at": None,
        "is_current": False,
        "next_at": None,
        "failed_at": None,
    }
    first.stop()
    start_daemon(*OFTEN)
    wait_until(lambda: has_backup_of(home, 1))


def test_a_failure_is_told_counted_and_retried(home: Path, start_daemon: StartDaemon) -> None:
    daemon = start_daemon(*OFTEN)
    store_all(daemon, "p", {})
    shutil.rmtree(home / "backups", ignore_errors=True)
    (home / "backups").write_text("in the way")
    wait_until(lambda: facts(daemon)["failed_at"] is not None)
    (home / "backups").unlink()
    wait_until(lambda: has_backup_of(home, 1) and facts(daemon)["failed_at"] is None)


@pytest.mark.parametrize("setting", ["backup.every_hours=-1", "backup.keep=0"])
def test_settings_that_make_no_sense_are_refused(home: Path, setting: str) -> None:
    from process import refused_start

    assert setting.partition("=")[0] in refused_start(home, "--set", setting)
