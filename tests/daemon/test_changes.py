"""Updating, deleting, cleaning up, counting."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entries import query_ids, store_all
from process import Daemon


def stored(daemon: Daemon, project: str, **fields: object) -> dict[str, Any]:
    (entry_id,) = store_all(daemon, project, fields)
    return entry(daemon, entry_id)


def entry(daemon: Daemon, entry_id: str) -> dict[str, Any]:
    (found,) = daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    assert isinstance(found, dict)
    return found


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


# Update


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("text", "another text"),
        ("type", "decision"),
        ("project_id", "another project"),
        ("session_id", "it's another session"),
        ("agent", "another agent"),
        ("timestamp", "2020-02-02T02:02:02.222Z"),
        ("metadata", {"other": [1, {"a": None}]}),
    ],
)
def test_an_update_changes_one_field_and_no_other(
    shared_daemon: Daemon, project: str, field: str, value: object
) -> None:
    before = stored(shared_daemon, project, text="before", metadata={"a": 1})
    update = {"id": before["id"], field: value}
    told = shared_daemon.call("knowledge.update", update)
    assert told == {"id": before["id"], "updated": True, "redactions": []}
    assert entry(shared_daemon, before["id"]) == before | {field: value}


def test_an_update_that_changes_nothing_says_so(shared_daemon: Daemon, project: str) -> None:
    before = stored(shared_daemon, project, metadata={"a": 1})
    for same in ({}, {"text": before["text"]}, {"metadata": {"a": 1}}, {"agent": ""}):
        update = {"id": before["id"]} | same
        assert shared_daemon.call("knowledge.update", update)["updated"] is False
    assert entry(shared_daemon, before["id"]) == before


def test_a_new_text_is_found_by_its_meaning_and_the_old_one_no_more(
    shared_daemon: Daemon, project: str
) -> None:
    before = stored(shared_daemon, project, text="The cat sleeps on the sofa.")
    new = "PostgreSQL replicates its write-ahead log."
    shared_daemon.call("knowledge.update", {"id": before["id"], "text": new})

    def similarity(query: str) -> float:
        search = {"query": query, "project_id": project}
        (hit,) = shared_daemon.call("knowledge.search", search)["results"]
        return float(hit["similarity"])

    assert similarity(new) == pytest.approx(1, abs=1e-4)
    assert similarity("The cat sleeps on the sofa.") < 0.3


def test_another_field_keeps_the_vector(shared_daemon: Daemon, project: str) -> None:
    before = stored(shared_daemon, project, text="The cat sleeps on the sofa.")
    shared_daemon.call("knowledge.update", {"id": before["id"], "agent": "other"})
    search = {"query": before["text"], "project_id": project, "agent": "other"}
    (hit,) = shared_daemon.call("knowledge.search", search)["results"]
    assert hit["similarity"] == pytest.approx(1, abs=1e-4)


def test_an_update_of_a_long_text_keeps_its_passages(shared_daemon: Daemon, project: str) -> None:
    text = "Filler words fill the page. " * 300 + "The pelican eats the lighthouse."
    before = stored(shared_daemon, project, text=text)
    shared_daemon.call("knowledge.update", {"id": before["id"], "agent": "other"})
    search = {"query": "The pelican eats the lighthouse.", "project_id": project}
    (hit,) = shared_daemon.call("knowledge.search", search)["results"]
    assert hit["similarity"] > 0.3
    shared_daemon.call("knowledge.update", {"id": before["id"], "text": "short now"})
    (hit,) = shared_daemon.call("knowledge.search", search)["results"]
    assert hit["similarity"] < 0.3


def test_updated_metadata_filters_anew(shared_daemon: Daemon, project: str) -> None:
    before = stored(shared_daemon, project, metadata={"a": 1})
    shared_daemon.call("knowledge.update", {"id": before["id"], "metadata": {"b": 2}})
    assert query_ids(shared_daemon, project_id=project, metadata={"a": 1}) == []
    assert query_ids(shared_daemon, project_id=project, metadata={"b": 2}) == [before["id"]]


def test_an_update_of_an_unknown_id_is_not_found(shared_daemon: Daemon) -> None:
    error = shared_daemon.refusal("knowledge.update", {"id": "no-such", "text": "new"})
    assert (error.code, error.reason) == (-32010, "not_found")


def test_an_updated_text_counts_for_duplicates(shared_daemon: Daemon, project: str) -> None:
    before = stored(shared_daemon, project, text="old words")
    shared_daemon.call("knowledge.update", {"id": before["id"], "text": "new words"})
    again = shared_daemon.call("knowledge.store", {"text": "new words", "project_id": project})
    assert again["duplicate_of"] == before["id"]
    old = shared_daemon.call("knowledge.store", {"text": "old words", "project_id": project})
    assert old["stored"]


# Delete


def test_deleting_ids_counts_those_that_existed(shared_daemon: Daemon, project: str) -> None:
    ids = store_all(shared_daemon, project, {}, {}, {})
    delete = {"ids": [ids[0], "no-such", ids[2], ids[0]]}
    assert shared_daemon.call("knowledge.delete", delete) == {"deleted": 2}
    assert query_ids(shared_daemon, project_id=project) == [ids[1]]
    found = shared_daemon.call("knowledge.search", {"query": "text", "project_id": project})
    assert [hit["id"] for hit in found["results"]] == [ids[1]]


def test_deleting_what_a_filter_matches(shared_daemon: Daemon, project: str) -> None:
    ids = store_all(shared_daemon, project, {"agent": "a"}, {"agent": "b"}, {"agent": "a"})
    delete = {"project_id": project, "agent": "a", "expect": 2}
    assert shared_daemon.call("knowledge.delete", delete) == {"deleted": 2}
    assert query_ids(shared_daemon, project_id=project) == [ids[1]]


@pytest.mark.parametrize("expect", [None, 0, 2, 4, 10**6])
def test_a_filter_with_another_count_or_none_deletes_nothing(
    shared_daemon: Daemon, project: str, expect: int | None
) -> None:
    store_all(shared_daemon, project, {}, {}, {})
    error = shared_daemon.refusal("knowledge.delete", {"project_id": project, "expect": expect})
    assert (error.code, error.reason) == (-32011, "conflict")
    assert len(query_ids(shared_daemon, project_id=project)) == 3


@pytest.mark.parametrize("params", [{}, {"ids": []}, {"ids": None}, {"include_superseded": True}])
def test_a_delete_of_nothing_named_is_refused(
    shared_daemon: Daemon, project: str, params: dict[str, object]
) -> None:
    store_all(shared_daemon, project, {})
    error = shared_daemon.refusal("knowledge.delete", params)
    assert error.reason in {"invalid_params", "conflict"}
    assert len(query_ids(shared_daemon, project_id=project)) == 1


def test_ids_and_filters_together_are_refused(shared_daemon: Daemon, project: str) -> None:
    ids = store_all(shared_daemon, project, {})
    for more in ({"project_id": project}, {"expect": 1}):
        error = shared_daemon.refusal("knowledge.delete", {"ids": ids} | more)
        assert error.reason == "invalid_params"
    assert query_ids(shared_daemon, project_id=project) == ids


def test_a_deleted_entry_can_be_stored_again(shared_daemon: Daemon, project: str) -> None:
    (first,) = store_all(shared_daemon, project, {"id": f"{project}-x"})
    shared_daemon.call("knowledge.delete", {"ids": [first]})
    assert store_all(shared_daemon, project, {"id": f"{project}-x"}) == [first]


# Cleanup


def test_cleanup_deletes_the_old_and_tells_which(shared_daemon: Daemon, project: str) -> None:
    ages = (0, 89, 91, 400)
    ids = store_all(shared_daemon, project, *({"timestamp": days_ago(days)} for days in ages))
    cleaned = shared_daemon.call("knowledge.cleanup", {"project_id": project})
    assert cleaned["count"] == len(cleaned["ids"]) == 2
    assert set(cleaned["ids"]) == set(ids[2:])
    assert set(query_ids(shared_daemon, project_id=project)) == set(ids[:2])


def test_a_dry_run_deletes_nothing(shared_daemon: Daemon, project: str) -> None:
    ids = store_all(shared_daemon, project, {"timestamp": days_ago(10)})
    cleanup = {"older_than_days": 5, "project_id": project, "dry_run": True}
    assert shared_daemon.call("knowledge.cleanup", cleanup) == {"count": 1, "ids": ids}
    assert query_ids(shared_daemon, project_id=project) == ids


def test_cleanup_keeps_to_its_filters(shared_daemon: Daemon, project: str) -> None:
    old = {"timestamp": days_ago(10)}
    ids = store_all(shared_daemon, project, old | {"type": "issue"}, old | {"type": "pattern"})
    others = store_all(shared_daemon, f"{project} other", old)
    cleanup = {"older_than_days": 5, "project_id": project, "type": "issue"}
    assert shared_daemon.call("knowledge.cleanup", cleanup)["ids"] == ids[:1]
    assert query_ids(shared_daemon, project_id=project) == ids[1:]
    assert query_ids(shared_daemon, project_id=f"{project} other") == others


@pytest.mark.parametrize("empty", [[], [""]])
def test_cleanup_of_no_projects_deletes_nothing(daemon: Daemon, empty: list[str]) -> None:
    ids = store_all(daemon, "precious", {"timestamp": days_ago(200)})
    with daemon.raw() as raw:
        params = {"project_id": empty}
        raw.send_line({"jsonrpc": "2.0", "id": 1, "method": "knowledge.cleanup", "params": params})
        raw.line()
    assert query_ids(daemon, project_id="precious") == ids


# Stats


def test_stats_of_an_empty_store(daemon: Daemon) -> None:
    stats = daemon.call("knowledge.stats")
    storage = stats.pop("storage")
    model = stats.pop("model")
    assert stats == {
        "total_records": 0,
        "by_type": {},
        "by_agent": {},
        "by_project": {},
        "oldest_record": None,
        "newest_record": None,
    }
    assert set(storage) == {"bytes", "fragments", "versions", "unindexed_rows"}
    assert (model["name"], model["dim"]) == ("all-MiniLM-L6-v2", 384)
    assert len(model["sha256"]) == 64


def test_an_empty_store_answers_every_reading_method(daemon: Daemon) -> None:
    assert daemon.call("knowledge.search", {"query": "anything"})["results"] == []
    assert daemon.call("knowledge.query")["total"] == 0
    assert daemon.call("knowledge.get", {"ids": ["a"]}) == {"entries": [], "missing": ["a"]}
    assert daemon.call("knowledge.delete", {"ids": ["a"]}) == {"deleted": 0}
    assert daemon.call("knowledge.delete", {"project_id": "a", "expect": 0}) == {"deleted": 0}
    assert daemon.call("knowledge.cleanup") == {"count": 0, "ids": []}


def test_stats_of_an_unknown_project(shared_daemon: Daemon, project: str) -> None:
    stats = shared_daemon.call("knowledge.stats", {"project_id": project})
    assert (stats["total_records"], stats["oldest_record"]) == (0, None)


def test_stats_name_the_most_first_and_equal_ones_by_name(
    shared_daemon: Daemon, project: str
) -> None:
    for type_ in ("pattern", "issue", "general", "decision", "issue"):
        store_all(shared_daemon, project, {"type": type_, "on_duplicate": "store"})
    by_type = shared_daemon.call("knowledge.stats", {"project_id": project})["by_type"]
    assert list(by_type.items()) == [("issue", 2), ("decision", 1), ("general", 1), ("pattern", 1)]


def test_stats_are_exact_at_2500_entries(daemon: Daemon) -> None:
    types, agents = ("issue", "decision", "pattern", "general"), ("a", "b", "c")
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    items = [
        {
            "text": f"entry {n % 50}",
            "on_duplicate": "store",
            "type": types[n % 4],
            "agent": agents[n % 3],
            "project_id": f"p{n % 2}",
            "timestamp": (begin + timedelta(minutes=n)).isoformat(),
        }
        for n in range(2500)
    ]
    for first in range(0, 2500, 500):
        batch = daemon.call("knowledge.store_batch", {"items": items[first : first + 500]})
        assert (batch["stored"], batch["failed"]) == (500, 0)
    stats = daemon.call("knowledge.stats")
    assert stats["total_records"] == 2500
    assert stats["by_type"] == dict.fromkeys(types, 625)
    assert stats["by_agent"] == {"a": 834, "b": 833, "c": 833}
    assert stats["by_project"] == {"p0": 1250, "p1": 1250}
    assert stats["oldest_record"] == "2026-01-01T00:00:00.000Z"
    assert stats["newest_record"] == "2026-01-02T17:39:00.000Z"
    assert stats["storage"]["bytes"] > 2500 * 384 * 4
    assert stats["storage"]["fragments"] >= 1
    of_one = daemon.call("knowledge.stats", {"project_id": "p1"})
    assert (of_one["total_records"], of_one["by_project"]) == (1250, {"p1": 1250})
    assert of_one["by_type"] == {"decision": 625, "general": 625}
    assert daemon.call("knowledge.query", {"agent": "a", "limit": 1})["total"] == 834
    deletion = {"agent": "a", "expect": 834}
    assert daemon.call("knowledge.delete", deletion) == {"deleted": 834}
    assert daemon.call("knowledge.stats")["total_records"] == 1666
