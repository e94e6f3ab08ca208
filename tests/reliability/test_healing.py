"""Damaged tables: set back to what is whole, loudly, with nothing thrown away; or refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.store.manifest_files import newest_first
from conftest import StartDaemon
from entries import query_ids, store_all
from kmctl.boundary import run
from process import Daemon, refused_start, wait_until
from wire import RpcError

_BLOCK_BYTES = 4096


def table_of(home: Path) -> Path:
    return home / "knowledge" / "knowledge.lance"


def newest_manifest(home: Path) -> Path:
    return newest_first(table_of(home))[0][1]


def newest_data(home: Path) -> Path:
    return max((table_of(home) / "data").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def replace(path: Path, content: bytes) -> None:
    """As another file: a link elsewhere keeps what it has."""
    path.unlink()
    path.write_bytes(content)


def with_a_hole(data: bytes) -> bytes:
    """The end says that the file is whole."""
    assert len(data) > 3 * _BLOCK_BYTES
    return data[:_BLOCK_BYTES] + bytes(_BLOCK_BYTES) + data[2 * _BLOCK_BYTES :]


def report_of(home: Path) -> dict[str, Any]:
    (place,) = (home / "quarantine").iterdir()
    report: dict[str, Any] = json.loads((place / "report.json").read_text())
    return report


def test_the_newest_version_that_is_whole_takes_over(
    home: Path, start_daemon: StartDaemon, capfd: pytest.CaptureFixture[str]
) -> None:
    first = start_daemon()
    kept = store_all(first, "p", {}, {})
    store_all(first, "p", {"text": "of the version that is lost"})
    first.kill()
    broken = newest_manifest(home)
    replace(broken, b"")

    second = start_daemon()
    assert sorted(query_ids(second)) == sorted(kept)
    assert "the table was damaged: 1 versions are put aside" in second.stderr
    assert "version that is lost" not in second.stderr
    (put_aside,) = report_of(home)["put_aside"]
    assert (put_aside["rows"], put_aside["missing_ids"]) == (None, [])
    (place,) = (home / "quarantine").iterdir()
    found = place / broken.relative_to(home / "knowledge")
    assert found.read_bytes() == b""
    assert run(["doctor", "--home", str(home)]) in (0, 1)
    assert str(place / "report.json") in capfd.readouterr().out

    (new,) = store_all(second, "p", {"text": "after it"})
    assert second.stop() == 0
    third = start_daemon()
    assert sorted(query_ids(third)) == sorted([*kept, new])
    assert len(list((home / "quarantine").iterdir())) == 1


def test_a_hole_in_what_was_written_last_is_found_after_a_kill(
    home: Path, start_daemon: StartDaemon
) -> None:
    first = start_daemon()
    kept = store_all(first, "p", {})
    lost = store_all(first, "p", *({"text": f"lost {number}"} for number in range(30)))
    first.kill()
    data = newest_data(home)
    replace(data, with_a_hole(data.read_bytes()))

    second = start_daemon()
    assert query_ids(second) == kept
    report = report_of(home)
    assert report["rows"] == 1
    (put_aside,) = report["put_aside"]
    assert put_aside["rows"] == 31
    assert set(put_aside["missing_ids"]) <= set(lost)


def test_entries_whose_file_is_gone_are_named(home: Path, start_daemon: StartDaemon) -> None:
    """Also after a clean end, where the start reads less."""
    first = start_daemon()
    (kept,) = store_all(first, "p", {"text": "kept"})
    (gone,) = store_all(first, "p", {"text": "gone"})
    file = newest_data(home)
    later = store_all(first, "p", {"text": "later"}, {"text": "later too"})
    assert first.stop() == 0
    file.unlink()

    second = start_daemon()
    assert query_ids(second) == [kept]
    report = report_of(home)
    assert [each["rows"] for each in report["put_aside"]] == [4, 2]
    named = {entry_id for each in report["put_aside"] for entry_id in each["missing_ids"]}
    assert named == set(later)
    assert gone not in named  # its id was in the file


def test_a_table_without_any_whole_version_is_refused_and_left_alone(
    home: Path, start_daemon: StartDaemon
) -> None:
    first = start_daemon()
    store_all(first, "p", {})
    first.kill()
    for _, manifest in newest_first(table_of(home)):
        replace(manifest, b"\xff" * 999)
    before = sorted(home.rglob("*"))
    for _ in range(2):
        assert "kmctl backup --list" in refused_start(home)
        assert [path for path in before if not path.exists()] == [home / "knowledge.sock"]
        assert set(home.rglob("*")) <= set(before)


def test_damaged_indexes_are_rebuilt_at_the_start_and_while_it_runs(
    home: Path, start_daemon: StartDaemon
) -> None:
    first = start_daemon()
    (entry_id, *_) = store_all(first, "p", {"text": "a zebra", "type": "decision"}, *[{}] * 20)
    optimize = first.call("system.optimize")
    first.call("job.wait", {"id": optimize["id"]})
    first.kill()
    for file in (table_of(home) / "_indices").rglob("*.lance"):
        replace(file, file.read_bytes()[:-5])

    second = start_daemon()
    assert "damaged indexes were rebuilt" in second.stderr
    assert found(second.call("knowledge.search", {"query": "zebra", "mode": "text"})) == [entry_id]
    assert not (home / "quarantine").exists()
    second.stop()

    third = start_daemon()
    for file in (table_of(home) / "_indices").rglob("*.lance"):
        file.unlink()
    # It opens the table anew, and what was cached goes.
    third.call("job.wait", {"id": third.call("system.optimize")["id"]})
    wait_until(lambda: answered(third) == [entry_id])
    assert answered(third) == [entry_id]
    job = third.call("job.wait", {"id": third.call("system.verify")["id"]})
    assert job["result"]["problems"] == []


def answered(daemon: Daemon) -> list[str]:
    """What an index knows; nothing, while it is to be tried again."""
    try:
        return query_ids(daemon, type="decision")
    except RpcError as error:
        if error.reason != "unavailable":
            raise
        return []


def found(response: dict[str, Any]) -> list[str]:
    return [hit["id"] for hit in response["results"]]


@pytest.mark.parametrize("damage", ["empty", "garbage", "a folder"])
def test_the_record_of_a_job_is_not_needed_to_serve(
    home: Path, start_daemon: StartDaemon, damage: str
) -> None:
    record = home / "jobs" / "verify-1.json"
    record.parent.mkdir(mode=0o700)
    if damage == "a folder":
        record.mkdir()
    else:
        record.write_bytes(b"" if damage == "empty" else b"\xff\x00{")
    daemon = start_daemon()
    assert daemon.call("job.list")["jobs"] == []
    assert [path.name for path in record.parent.iterdir()] == ["verify-1.json.damaged"]
