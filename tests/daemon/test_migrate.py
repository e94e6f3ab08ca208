"""`knowledge.migrate`: old records come as they were, once, and go again as one."""

from typing import Any

from conftest import StartDaemon
from entries import listed, store_all
from process import Daemon


def record(**fields: Any) -> dict[str, Any]:
    """An old record as `kmctl migrate` sends it."""
    complete = {
        "id": "decision-1763024408000-1ez644",
        "text": "We keep sessions in Redis.",
        "type": "decision",
        "project_id": "shop",
        "session_id": "unknown",
        "agent": "cli",
        "timestamp": "2025-11-13T09:00:08.000Z",
        "metadata": {"a": [1, None]},
        **fields,
    }
    return {"record": f"digest of {complete['id']}", **complete}


def migrate(daemon: Daemon, *records: dict[str, Any], run: str = "run-1") -> dict[str, Any]:
    result: dict[str, Any] = daemon.call("knowledge.migrate", {"run": run, "items": list(records)})
    return result


def test_an_old_record_is_stored_as_it_was(daemon: Daemon) -> None:
    odd = record(
        id="line\nbreak-1",
        text="nul\0after" + " " * 263_000,
        type="line\nbreak",
        metadata={"long": "x" * 100_000},
    )
    result = migrate(daemon, record(), odd)
    assert (result["stored"], result["failed"]) == (2, 0)
    stored = {entry["id"]: entry for entry in listed(daemon, limit=10)}
    for sent in (record(), odd):
        digest = sent.pop("record")
        migration = {"run": "run-1", "record": digest}
        assert stored[sent["id"]] == {**sent, "superseded_by": None, "migration": migration}
    (hit,) = daemon.call("knowledge.search", {"query": "where are sessions kept?", "limit": 1})[
        "results"
    ]
    assert hit["id"] == record()["id"]


def test_what_was_brought_is_not_brought_again(daemon: Daemon) -> None:
    migrate(daemon, record())
    daemon.call("knowledge.update", {"id": record()["id"], "text": "Sessions live in Valkey."})
    again = migrate(daemon, record(), run="run-2")
    assert (again["stored"], again["failed"]) == (0, 0)
    assert again["results"][0]["duplicate_of"] == record()["id"]
    assert [entry["text"] for entry in listed(daemon, limit=10)] == ["Sessions live in Valkey."]


def test_equal_texts_of_different_records_are_all_kept(daemon: Daemon) -> None:
    result = migrate(daemon, record(id="a"), record(id="b"))
    assert result["stored"] == 2
    assert len(listed(daemon, limit=10)) == 2


def test_an_id_that_other_content_has_is_a_conflict_of_that_record(daemon: Daemon) -> None:
    store_all(daemon, "shop", {"id": "taken"})
    result = migrate(daemon, record(id="taken"), record(id="free"))
    assert result["results"][0]["error"]["data"]["reason"] == "conflict"
    assert (result["stored"], result["failed"]) == (1, 1)


def test_types_of_migrated_entries_are_known_from_then_on(
    daemon: Daemon, start_daemon: StartDaemon
) -> None:
    new = {"text": "The login page is done.", "type": "completion"}
    assert daemon.refusal("knowledge.store", new).reason == "invalid_params"
    migrate(daemon, record(type="completion"))
    assert daemon.call("knowledge.store", new)["stored"]
    daemon.stop()
    assert start_daemon().call("knowledge.store", {**new, "text": "So is the logout."})["stored"]


def test_a_dry_run_changes_nothing(daemon: Daemon) -> None:
    migrate(daemon, record(id="there"))
    sent = {"run": "r", "items": [record(id="there"), record(id="new")], "dry_run": True}
    told = daemon.call("knowledge.migrate", sent)
    assert [result["stored"] for result in told["results"]] == [False, True]
    assert [entry["id"] for entry in listed(daemon, limit=10)] == ["there"]


def test_undoing_removes_what_that_run_brought_and_nothing_else(daemon: Daemon) -> None:
    (own,) = store_all(daemon, "shop", {"text": "stored by hand"})
    migrate(daemon, record(id="first"), run="run-1")
    migrate(daemon, record(id="first"), record(id="second"), run="run-2")
    daemon.call("knowledge.update", {"id": "second", "text": "changed since"})
    assert daemon.call("knowledge.undo_migration", {"run": "run-2"}) == {"deleted": 1}
    assert {entry["id"] for entry in listed(daemon, limit=10)} == {own, "first"}
    assert daemon.call("knowledge.undo_migration", {"run": "run-2"}) == {"deleted": 0}
    assert migrate(daemon, record(id="second"))["stored"] == 1


def test_a_broken_record_fails_alone(daemon: Daemon) -> None:
    result = migrate(daemon, record(timestamp="soon"), {"text": "x"}, record())
    assert [("error" in one) for one in result["results"]] == [True, True, False]
    assert result["stored"] == 1
