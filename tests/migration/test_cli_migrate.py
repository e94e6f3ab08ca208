"""`kmctl migrate`: all that old folders hold comes in, once, and goes out again as one."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest

from kmctl.migration.records import LEGACY_KEY
from migration import legacy_data
from outcome import Kmctl
from process import wait_until

ROOT = Path(__file__).parents[2]
LARGE_LIMIT_S = 300.0
FIELDS = ("id", "text", "type", "project_id", "session_id", "agent", "timestamp")


@pytest.fixture
def kmctl(home: Path) -> Iterator[Kmctl]:
    """With a detached daemon."""
    shell = Kmctl(home)
    assert shell("start", "--detach").code == 0
    yield shell
    assert shell("stop").code == 0


def entries_of(kmctl: Kmctl, tmp_path: Path) -> list[dict[str, Any]]:
    file = tmp_path / "all.jsonl"
    assert kmctl("export", str(file)).code == 0
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def as_it_was(entry: Mapping[str, Any]) -> str:
    """The old record that an entry says it was, in a form that can be counted."""
    legacy = entry["metadata"].get(LEGACY_KEY, {})
    plain = {name: value for name, value in entry["metadata"].items() if name != LEGACY_KEY}
    record = {name: legacy.get(name, entry[name]) for name in FIELDS}
    return json.dumps([record, legacy.get("metadata", plain)], sort_keys=True)


def as_written(row: Mapping[str, Any]) -> str:
    """The same form of a row of the truth."""
    raw: Any = row["metadata"]
    try:
        metadata = json.loads(raw, object_pairs_hook=_unrepeated)
        if not isinstance(metadata, dict):
            metadata = raw
        json.dumps(metadata, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError):
        metadata = raw
    return json.dumps([{name: row[name] for name in FIELDS}, metadata], sort_keys=True)


def _unrepeated(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def truth_of(base: Path) -> "Counter[str]":
    """All records below, without the initialisation records; a copy in another table is none."""
    expected: Counter[str] = Counter()
    for case in sorted(base.iterdir()):
        for repository in legacy_data.repositories(case):
            rows = (row for row in repository.truth if row["session_id"] != "init")
            expected |= Counter(map(as_written, rows))
    return expected


def total(kmctl: Kmctl) -> int:
    n_records: int = kmctl.json("stats")["total_records"]
    return n_records


def kill_when(kmctl: Kmctl, pid: int, running: "subprocess.Popen[bytes]", n_more: int) -> None:
    """Ends a process like a power cut, once the run has stored something."""
    enough = total(kmctl) + n_more
    wait_until(lambda: running.poll() is not None or total(kmctl) >= enough, limit_s=90)
    assert running.poll() is None, "it ended before it could be interrupted"
    os.kill(pid, signal.SIGKILL)
    running.communicate()


def test_everything_comes_once_in_three_runs_and_two_interruptions(
    kmctl: Kmctl, others: Path, tmp_path: Path
) -> None:
    """All fixtures but the largest, which is next."""
    before = legacy_data.state_of(others)
    own = kmctl.json("store", "Stored by hand.", "--project", "shop")["id"]

    running = kmctl.begin("migrate", str(others))
    kill_when(kmctl, running.pid, running, 20)
    running = kmctl.begin("migrate", str(others))
    kill_when(kmctl, kmctl.json("status")["pid"], running, 100)
    assert kmctl("start", "--detach").code == 0

    third = kmctl("migrate", str(others), "--json", "--report", str(tmp_path / "r.json"))
    assert third.code == 1  # two tables are damaged
    entries = [entry for entry in entries_of(kmctl, tmp_path) if entry["id"] != own]
    assert Counter(map(as_it_was, entries)) == truth_of(others)
    report = third.json
    assert report["stored"] == len(entries), "an interrupted run is the one that goes on"
    assert report["searches"]["missed"] == []
    assert [failure["where"] for folder in report["folders"] for failure in folder["failed"]]
    assert json.loads((tmp_path / "r.json").read_text()) == report
    assert report["run"] in (tmp_path / "r.md").read_text()

    again = kmctl("migrate", str(others), "--json")
    assert (again.code, again.json["stored"], again.json["there"]) == (1, 0, len(entries))
    assert again.json["run"] != report["run"]
    assert legacy_data.state_of(others) == before

    undone = kmctl.json("migrate", "--undo", report["run"])
    assert undone == {"run": report["run"], "deleted": len(entries)}
    assert [entry["id"] for entry in entries_of(kmctl, tmp_path)] == [own]


@pytest.mark.timeout(LARGE_LIMIT_S)
def test_a_database_of_many_months_comes_whole(kmctl: Kmctl, medium: Path, tmp_path: Path) -> None:
    with kmctl.begin("migrate", str(medium), "--json") as running:
        report = json.loads(running.communicate(timeout=LARGE_LIMIT_S)[0])
    assert running.returncode == 0
    entries = entries_of(kmctl, tmp_path)
    assert Counter(map(as_it_was, entries)) == truth_of(medium)
    assert (report["stored"], report["changed"]) == (len(entries), 0)
    assert {"edit", "completion", "bug"} <= {entry["type"] for entry in entries}
    assert len(report["searches"]["missed"]) == 0 < report["searches"]["asked"]


def row(**changes: Any) -> dict[str, Any]:
    complete = {
        "id": "decision-1763024408000-1ez644",
        "vector": [0.5] * 8,
        "text": "We keep sessions in Redis.",
        "type": "decision",
        "project_id": "shop",
        "session_id": "unknown",
        "agent": "cli",
        "timestamp": "2025-11-13T09:00:08.000Z",
        "metadata": "{}",
    }
    return {**complete, **changes}


def write_table(folder: Path, *rows: Mapping[str, Any]) -> Path:
    """As the old tool lays it out: `<base>/<repository>/orchestra_knowledge.lance`."""
    schema = pa.schema(
        [
            pa.field(name, pa.list_(pa.float32(), 8) if name == "vector" else pa.string())
            for name in row()
        ]
    )
    path = folder / "orchestra_knowledge.lance"
    lance.write_dataset(pa.Table.from_pylist([dict(one) for one in rows], schema), str(path))
    return path


def test_ids_that_are_taken_are_kept_beside_and_nothing_is_lost(
    kmctl: Kmctl, tmp_path: Path
) -> None:
    kmctl.json("store", "Something else.", "--id", "taken", "--project", "shop")
    rows = [
        row(id="taken", text="first"),
        row(id="twice", text="second"),
        row(id="twice", text="third"),
        row(id="equal", text="fourth"),
        row(id="equal", text="fourth"),
    ]
    write_table(tmp_path / "base/one", *rows)
    write_table(tmp_path / "base/copy", *rows)
    first = kmctl.json("migrate", str(tmp_path / "base"))
    assert (first["stored"], first["skipped"], first["failed"]) == (5, 5, 0)
    assert kmctl.json("migrate", str(tmp_path / "base/one"))["there"] == 5
    entries = [e for e in entries_of(kmctl, tmp_path) if e["text"] != "Something else."]
    assert Counter(map(as_it_was, entries)) == Counter(map(as_written, rows))
    assert {e["text"] for e in entries if e["id"] in ("taken", "twice", "equal")} == {
        "second",
        "fourth",
    }


def test_what_was_changed_since_is_not_brought_back(kmctl: Kmctl, tmp_path: Path) -> None:
    write_table(tmp_path / "shop", row())
    kmctl.json("migrate", str(tmp_path / "shop"))
    kmctl.json("update", row()["id"], "--text", "Sessions live in Valkey.")
    assert kmctl.json("migrate", str(tmp_path / "shop"))["there"] == 1
    (entry,) = entries_of(kmctl, tmp_path)
    assert entry["text"] == "Sessions live in Valkey."


def test_a_dry_run_tells_what_would_come_and_stores_nothing(kmctl: Kmctl, tmp_path: Path) -> None:
    write_table(tmp_path / "shop", row(id="a"), row(id="b", type="edit", metadata="[]"))
    told = kmctl.json("migrate", str(tmp_path), "--dry-run", "--report", str(tmp_path / "r.md"))
    assert (told["stored"], told["changed"], told["dry_run"]) == (2, 1, True)
    assert (tmp_path / "r.md").read_text().startswith("# Dry run, nothing was stored")
    assert json.loads((tmp_path / "r.json").read_text()) == told
    assert total(kmctl) == 0
    assert not (kmctl.home / "migrations").exists()


def test_the_script_does_the_same_and_people_are_told(kmctl: Kmctl, tmp_path: Path) -> None:
    write_table(tmp_path / "shop", row(id="a"), row(id="b", text=None))
    script = [sys.executable, str(ROOT / "scripts/migrate_knowledge.py"), str(tmp_path)]
    environment = {**os.environ, "CCO_HOME": str(kmctl.home)}
    ended = subprocess.run(
        script, env=environment, capture_output=True, text=True, check=True, timeout=100
    )
    assert f"{tmp_path}/shop/orchestra_knowledge.lance  2     2       0      1" in ended.stdout
    assert "kmctl migrate --undo" in ended.stdout
    assert total(kmctl) == 2


def test_secrets_of_old_records_come_as_they_are_and_are_told_of(
    kmctl: Kmctl, tmp_path: Path
) -> None:
    token = "ghp_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5zA7"
    write_table(tmp_path / "shop", row(id="a", text=f"CI uses {token}"), row(id="b"))
    file = tmp_path / "report.json"
    told = kmctl("migrate", str(tmp_path / "shop"), "--report", str(file))
    assert "1 records hold what looks like a secret" in told.err
    assert json.loads(file.read_text())["secret"] == 1
    assert "kmctl scrub" in file.with_suffix(".md").read_text()
    assert token in kmctl("get", "a").out


def test_what_is_no_old_table_is_said_to_be_none(kmctl: Kmctl, tmp_path: Path) -> None:
    kmctl.json("store", "The store of this daemon is not old.")
    report = kmctl.json("migrate", str(kmctl.home / "knowledge"))
    assert (report["read"], report["failed"]) == (0, 0)
    assert report["folders"][0]["not_read"]
    assert kmctl("migrate", str(tmp_path / "nowhere")).code == 2
    assert kmctl("migrate").code == 2
    assert kmctl("migrate", str(tmp_path), "--undo", "x").code == 2
    assert kmctl("migrate", "--undo", "no-such-run").code == 5
    assert kmctl("migrate", str(tmp_path), "--report", str(tmp_path / "no/r.json")).code == 2


def test_a_folder_whose_name_is_no_text_is_read_too(kmctl: Kmctl, tmp_path: Path) -> None:
    write_table(tmp_path / "shop", row())
    (tmp_path / "shop").rename(os.fsdecode(os.fsencode(tmp_path) + b"/sh\xf6p\t"))
    (kmctl.home / "migrations").mkdir()
    (kmctl.home / "migrations/other.json").write_text("no report of ours")
    report = kmctl.json("migrate", str(tmp_path))
    assert (report["stored"], report["ok"]) == (1, True)
    assert report["folders"][0]["path"].endswith("/sh\\xf6p\t/orchestra_knowledge.lance")


def test_without_a_daemon_nothing_is_begun(home: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "shop", row())
    assert Kmctl(home)("migrate", str(tmp_path)).code == 3
    assert not (home / "migrations").exists()


def test_what_the_old_package_writes_today_comes_too(
    kmctl: Kmctl, node_folder: tuple[Path, Sequence[dict[str, Any]]], tmp_path: Path
) -> None:
    base, rows = node_folder
    assert kmctl.json("migrate", str(base))["skipped"] == 1
    entries = entries_of(kmctl, tmp_path)
    assert Counter(map(as_it_was, entries)) == Counter(
        as_written(one) for one in rows if one["session_id"] != "init"
    )
