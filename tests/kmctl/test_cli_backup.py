"""kmctl backup: whole at one moment while others store, listed, checked, copied."""

import json
import os
import shutil
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge_client import KnowledgeClient
from conftest import StartDaemon
from entries import query_ids, store_all
from outcome import Kmctl
from process import Daemon, wait_until

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def large(number: int) -> dict[str, Any]:
    """An entry that takes room and nothing to embed."""
    return {"text": f"Fact {number}.", "metadata": {"random": os.urandom(30_000).hex()}}


def unfinished(home: Path) -> list[Path]:
    return list((home / "backups").glob(".unfinished-*"))


def test_a_backup_is_told_listed_and_checked(shared_kmctl: Kmctl) -> None:
    stored = shared_kmctl.json("store", "The backup holds this")
    made = shared_kmctl.json("backup")
    total = shared_kmctl.json("stats")["total_records"]
    assert (made["rows"], made["kind"], made["copy"]) == (total, "manual", None)
    folder = Path(made["path"])
    assert folder == shared_kmctl.home / "backups" / made["name"]
    assert {stat.S_IMODE(path.lstat().st_mode) & 0o077 for path in folder.rglob("*")} == {0}
    listed = shared_kmctl.json("backup", "--list")
    (found,) = [each for each in listed["backups"] if each["name"] == made["name"]]
    assert found == {name: made[name] for name in found}
    verified = shared_kmctl.json("backup", "--verify", made["name"])
    assert (verified["rows"], verified["has_sums"]) == (total, True)
    status = shared_kmctl.json("status")["backups"]
    assert (status["newest"], status["is_current"]) == (made["name"], True)
    shared_kmctl.json("delete", stored["id"])
    assert shared_kmctl.json("status")["backups"]["is_current"] is False
    told = shared_kmctl("backup", "--list").out
    assert made["name"] in told
    assert "MB that the store no longer has." in told
    (job,) = [
        job
        for job in shared_kmctl.json("jobs")["jobs"]
        if job["result"] and job["result"].get("name") == made["name"]
    ]
    assert (job["kind"], job["state"], job["done"]) == ("backup", "done", made["bytes"])


def test_what_was_acknowledged_before_is_in_it_while_others_store(
    kmctl: Kmctl, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon()
    acknowledged: list[str] = []
    stop = threading.Event()

    def store(number: int) -> None:
        with KnowledgeClient(daemon.socket_path) as knowledge:
            for turn in range(10_000):
                if stop.is_set():
                    return
                text = f"Client {number} stores fact {turn}."
                acknowledged.append(knowledge.store(text).id)

    clients = [threading.Thread(target=store, args=(number,)) for number in range(4)]
    for client in clients:
        client.start()
    try:
        wait_until(lambda: len(acknowledged) > 30)
        before = list(acknowledged)
        made = kmctl.json("backup")
        n_during = len(acknowledged) - len(before)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert n_during > 0
    assert len(before) <= made["rows"] <= len(acknowledged)
    kmctl.json("restore", made["name"])
    assert set(query_ids(daemon)) >= set(before)
    assert len(query_ids(daemon)) == made["rows"]


def test_a_copy_is_whole_and_never_written_over(shared_kmctl: Kmctl, tmp_path: Path) -> None:
    made = shared_kmctl.json("backup", "--to", str(tmp_path / "disk"))
    copy = Path(made["copy"])
    assert left_in(tmp_path / "disk") == [copy.name] == [made["name"]]
    assert shared_kmctl.json("backup", "--verify", str(copy))["rows"] == made["rows"]
    assert not {p.stat().st_ino for p in copy.rglob("*")} & {
        p.stat().st_ino for p in Path(made["path"]).rglob("*")
    }


def test_only_one_thing_at_a_time(shared_kmctl: Kmctl) -> None:
    outcome = shared_kmctl("backup", "--list", "--verify", "x")
    assert (outcome.code, "Give one of" in outcome.err) == (2, True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k,mode=700", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@as_root
def test_a_full_disk_leaves_nothing_of_a_copy(shared_kmctl: Kmctl, small_disk: Path) -> None:
    for number in range(5):
        metadata = json.dumps(large(number)["metadata"])
        shared_kmctl.json("store", f"Fact {number}.", "--metadata", metadata)
    outcome = shared_kmctl("backup", "--to", str(small_disk))
    assert (outcome.code, outcome.out) == (1, "")
    assert "No space left on device" in outcome.err
    assert left_in(small_disk) == []


@as_root
def test_a_full_disk_leaves_nothing_of_a_backup(
    kmctl: Kmctl, small_disk: Path, start_daemon: StartDaemon
) -> None:
    """Backups on another file system than the store are copies."""
    daemon = start_daemon()
    shutil.rmtree(kmctl.home / "backups", ignore_errors=True)
    (kmctl.home / "backups").symlink_to(small_disk)
    store_all(daemon, "p", {"text": "A short one."})
    made = kmctl.json("backup")
    assert made["rows"] == 1
    assert left_in(small_disk) == [made["name"]]
    store_all(daemon, "p", *map(large, range(5)))
    outcome = kmctl("backup", "--json")
    assert (outcome.code, outcome.error["reason"]) == (1, "storage_full")
    assert left_in(small_disk) == [made["name"]]
    kmctl.json("restore", made["name"])
    assert len(query_ids(daemon)) == 1


def test_a_cancelled_or_killed_one_leaves_nothing(kmctl: Kmctl, start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    store_all(daemon, "p", *map(large, range(20)))
    job = daemon.call("system.backup")
    ended = daemon.call("job.cancel", {"id": job["id"]})
    assert ended["state"] in ("cancelled", "done")
    assert unfinished(kmctl.home) == []
    daemon.call("system.backup")
    wait_until(lambda: bool(unfinished(kmctl.home)) or len(left_in(kmctl.home / "backups")) > 1)
    daemon.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
    daemon.wait()
    again = start_daemon()
    assert unfinished(kmctl.home) == []
    for each in kmctl.json("backup", "--list")["backups"]:
        assert kmctl.json("backup", "--verify", each["name"])["rows"] == 20
    assert json.loads(kmctl("status", "--json").out)["pid"] == again.pid


def test_who_has_gone_does_not_end_it(kmctl: Kmctl, daemon: Daemon) -> None:
    with kmctl.begin("backup") as process:
        wait_until(lambda: bool(left_in(kmctl.home / "backups")) or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert daemon.call("system.ping") == "pong"
    wait_until(lambda: len(kmctl.json("backup", "--list")["backups"]) == 1)
