"""Sealed credentials: the description is found, and `knowledge.reveal` alone tells the value."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge_client import KnowledgeClient
from conftest import MakeHome, StartDaemon
from outcome import Kmctl
from process import Daemon

VALUE = "tr0ub4dor&3-XyZ"
TEXT = f"The password of the staging database is {VALUE}"
DESCRIPTION = "The password of the staging database is [sealed]"


def store(daemon: Daemon, text: str = TEXT, **fields: Any) -> Any:
    return daemon.call("knowledge.store", {"text": text, "type": "credential", **fields})


def entry_of(daemon: Daemon, entry_id: str) -> Any:
    (entry,) = daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    return entry


def revealed(daemon: Daemon, entry_id: str) -> str:
    value: str = daemon.call("knowledge.reveal", {"id": entry_id})["value"]
    return value


def files_with(folder: Path, value: str) -> list[Path]:
    return [
        file
        for file in folder.rglob("*")
        if file.is_file() and not file.is_symlink() and value.encode() in file.read_bytes()
    ]


def test_the_value_is_told_by_reveal_alone(daemon: Daemon) -> None:
    stored = store(daemon, metadata={"owner": "ada"})
    assert stored["sealed"] is True
    entry = entry_of(daemon, stored["id"])
    assert (entry["text"], entry["metadata"]) == (DESCRIPTION, {"owner": "ada"})
    for query, mode in ((DESCRIPTION, "hybrid"), (VALUE, "text")):
        hits = daemon.call("knowledge.search", {"query": query, "mode": mode})
        assert VALUE not in str(hits)
        assert [hit["id"] for hit in hits["results"]] == ([stored["id"]] if query != VALUE else [])
    assert revealed(daemon, stored["id"]) == VALUE
    assert daemon.call("system.status")["credential_key"] == "ready"
    daemon.call("job.wait", {"id": daemon.call("system.backup")["id"]})
    verified = daemon.call("job.wait", {"id": daemon.call("system.verify")["id"]})
    assert verified["result"]["problems"] == []
    assert f"credential {stored['id']}, asked for by process {os.getpid()}: revealed" in (
        daemon.stderr
    )
    assert daemon.stop() == 0
    assert files_with(daemon.home, VALUE) == []
    assert VALUE not in daemon.stderr
    key = daemon.home / "credential.key"
    assert (key.stat().st_size, stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)


def test_metadata_name_the_value_or_hold_it(daemon: Daemon) -> None:
    explicit = store(daemon, "The door of the server room", metadata={"value": "4711"})
    assert revealed(daemon, explicit["id"]) == "4711"
    assert entry_of(daemon, explicit["id"])["metadata"] == {"value": "[sealed]"}
    beside = store(daemon, "Staging", metadata={"db": {"password": "open sesame", "port": 5432}})
    assert revealed(daemon, beside["id"]) == "open sesame"
    assert entry_of(daemon, beside["id"])["metadata"] == {
        "db": {"password": "[sealed]", "port": 5432}
    }
    several = store(daemon, "key=AAAA1111bbbb and token=CCCC2222dddd")
    assert revealed(daemon, several["id"]) == "AAAA1111bbbb\nCCCC2222dddd"
    refusal = daemon.refusal(
        "knowledge.store", {"text": "x", "type": "credential", "metadata": {"value": 4711}}
    )
    assert refusal.field == "metadata"


def test_a_description_without_a_value_is_stored_as_it_is(daemon: Daemon) -> None:
    stored = store(daemon, "The credentials are in the vault of the team.")
    assert stored["sealed"] is False
    assert "sealed" not in entry_of(daemon, stored["id"])
    for entry_id in (stored["id"], "nothing"):
        assert daemon.refusal("knowledge.reveal", {"id": entry_id}).reason == "not_found"
    assert not (daemon.home / "credential.key").exists()
    assert "sealed" not in daemon.call("knowledge.store", {"text": "The sky is blue."})


def test_the_same_value_is_a_repeat_and_another_one_is_not(daemon: Daemon) -> None:
    first = store(daemon, id="c-1")
    assert store(daemon) | {"stored": True} == first | {"duplicate_of": "c-1"}
    assert store(daemon, id="c-1")["duplicate_of"] == "c-1"
    assert (
        daemon.refusal(
            "knowledge.store", {"text": TEXT + "9", "type": "credential", "id": "c-1"}
        ).reason
        == "conflict"
    )
    other = store(daemon, TEXT + "9")
    assert other["stored"]
    assert revealed(daemon, other["id"]) == VALUE + "9"


def test_updates_keep_replace_and_never_open_the_value(daemon: Daemon) -> None:
    entry_id = store(daemon)["id"]

    def update(**changes: Any) -> bool:
        updated: bool = daemon.call("knowledge.update", {"id": entry_id, **changes})["updated"]
        return updated

    assert not update(text=TEXT)
    assert update(text="Staging database: [sealed], owned by Ada")
    assert revealed(daemon, entry_id) == VALUE
    assert update(metadata={"value": "another"})
    assert revealed(daemon, entry_id) == "another"
    assert update(type="general")
    assert revealed(daemon, entry_id) == "another"
    assert entry_of(daemon, entry_id)["text"] == "Staging database: [sealed], owned by Ada"
    general = daemon.call("knowledge.store", {"text": "Ask for the code.", "project_id": "q"})
    daemon.call(
        "knowledge.update", {"id": general["id"], "type": "credential", "text": "PIN: 4711"}
    )
    assert revealed(daemon, general["id"]) == "4711"


@pytest.mark.parametrize("damage", ["missing", "damaged", "open", "other"])
def test_without_its_key_entries_stay_and_nothing_new_is_sealed(
    daemon: Daemon, damage: str
) -> None:
    entry_id = store(daemon)["id"]
    key = daemon.home / "credential.key"
    content = key.read_bytes()
    if damage == "missing":
        key.unlink()
    elif damage == "open":
        key.chmod(0o644)
    else:
        key.write_bytes(b"x" * (31 if damage == "damaged" else 32))
    assert entry_of(daemon, entry_id)["text"] == DESCRIPTION
    for method, params in (
        ("knowledge.reveal", {"id": entry_id}),
        ("knowledge.store", {"text": "PIN: 4711", "type": "credential"}),
    ):
        assert daemon.refusal(method, params).reason == "conflict"
    told = daemon.call("system.status")["credential_key"]
    assert told == ("damaged" if damage == "open" else damage)
    finding = Kmctl(daemon.home)("doctor")
    assert "credential.key" in finding.out
    key.write_bytes(content)
    key.chmod(0o600)
    assert revealed(daemon, entry_id) == VALUE
    assert daemon.call("knowledge.stats")["total_records"] == 1


def test_an_export_carries_the_value_encrypted(
    home: Path, start_daemon: StartDaemon, new_home: MakeHome, tmp_path: Path
) -> None:
    daemon, file = start_daemon(), tmp_path / "export.jsonl"
    entry_id = store(daemon, metadata={"value": VALUE, "n": 1})["id"]
    entry = entry_of(daemon, entry_id)
    Kmctl(home).json("export", str(file))
    assert VALUE not in file.read_text("utf-8")
    daemon.call("knowledge.delete", {"ids": [entry_id]})
    assert Kmctl(home).json("import", str(file))["stored"] == 1
    assert entry_of(daemon, entry_id) == entry
    with KnowledgeClient(daemon.socket_path) as knowledge:
        assert knowledge.reveal(entry_id) == VALUE
    assert Kmctl(home).json("import", str(file))["unchanged"] == 1

    other = start_daemon(at=new_home())
    Kmctl(other.home).json("import", str(file))
    assert entry_of(other, entry_id) == entry
    assert "missing" in other.refusal("knowledge.reveal", {"id": entry_id}).message
    (other.home / "credential.key").write_bytes((home / "credential.key").read_bytes())
    (other.home / "credential.key").chmod(0o600)
    assert revealed(other, entry_id) == VALUE


def test_rows_that_change_places_open_nothing(home: Path, start_daemon: StartDaemon) -> None:
    """Whoever can write to the store cannot move a value to an entry of their own."""
    daemon = start_daemon()
    sealed = entry_of(daemon, store(daemon)["id"])["sealed"]
    moved = {"text": "Mine: [sealed]", "type": "credential", "id": "c-2", "sealed": sealed}
    job = daemon.call("knowledge.import", {"items": [moved]})
    assert daemon.call("job.wait", {"id": job["id"]})["result"]["stored"] == 1
    assert "belongs to another entry" in daemon.refusal("knowledge.reveal", {"id": "c-2"}).message
    wrong = {**moved, "id": "c-3", "sealed": "QUJD"}
    job = daemon.call("knowledge.import", {"items": [wrong]})
    (error,) = daemon.call("job.wait", {"id": job["id"]})["result"]["errors"]
    assert error["reason"] == "invalid_params"
