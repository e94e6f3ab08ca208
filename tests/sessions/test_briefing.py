"""What `session.start` and `session.post_compaction` tell of a project."""

from typing import Any

import pytest

from entries import store_all
from process import Daemon

TOKENS = "Access tokens expire after 15 minutes and are signed with EdDSA by the auth service."


@pytest.fixture
def ids(shared_daemon: Daemon, project: str) -> list[str]:
    items: list[dict[str, Any]] = [
        {"text": TOKENS, "type": "decision", "agent": "architect"},
        {"text": "The importer reads CSV files of up to 2 GB in chunks.", "type": "implementation"},
        {"text": "Invoices are numbered without gaps, per country.", "type": "decision"},
        {"text": "The dashboard is cached for one minute. " + "It is slow. " * 20, "type": "issue"},
    ]
    timed = [
        item | {"timestamp": f"2026-01-0{day}T00:00:00.000Z"} for day, item in enumerate(items, 1)
    ]
    return store_all(shared_daemon, project, *timed)


def start(daemon: Daemon, project: str, **params: object) -> dict[str, Any]:
    named = {"session_id": "s-1", "project_id": project} | params
    answer: dict[str, Any] = daemon.call("session.start", named)
    return answer


def test_a_start_gives_the_newest_first(
    shared_daemon: Daemon, project: str, ids: list[str]
) -> None:
    found = start(shared_daemon, project, limit=3)["recent_knowledge"]
    assert [entry["id"] for entry in found] == ids[:0:-1]


def test_what_answers_the_context_comes_first_and_once(
    shared_daemon: Daemon, project: str, ids: list[str]
) -> None:
    found = start(shared_daemon, project, context="how long do access tokens live?", limit=3)
    assert [entry["id"] for entry in found["recent_knowledge"]] == [ids[0], ids[3], ids[2]]


def test_after_a_compaction_only_what_answers_is_a_result(
    shared_daemon: Daemon, project: str, ids: list[str]
) -> None:
    asked = {"current_task": "how long do access tokens live?", "project_id": project}
    found = shared_daemon.call("session.post_compaction", asked)
    assert [hit["id"] for hit in found["search_results"]] == [ids[0]]
    assert [entry["id"] for entry in found["recent_knowledge"]] == ids[::-1]
    other = {"current_task": "paint the garden fence", "project_id": project}
    assert shared_daemon.call("session.post_compaction", other)["search_results"] == []


def test_the_summary_counts_and_cuts(shared_daemon: Daemon, project: str, ids: list[str]) -> None:
    summary = start(shared_daemon, project)["summary"]
    assert summary["total_items"] == 4
    assert summary["by_type"] == {"decision": 2, "implementation": 1, "issue": 1}
    assert summary["by_agent"] == {"architect": 1, "unknown": 3}
    assert summary["top_decisions"] == ["Invoices are numbered without gaps, per country.", TOKENS]
    assert [len(text) for text in summary["recent_activity"]] == [80, 48, 53]
    assert summary["recent_activity"][0].endswith("…")


def test_nothing_superseded_is_shown(shared_daemon: Daemon, project: str, ids: list[str]) -> None:
    new = {"text": "Access tokens expire after 5 minutes.", "type": "decision"}
    (new_id,) = store_all(shared_daemon, project, new | {"supersedes": [ids[0]]})
    asked = {"current_task": "how long do access tokens live?", "project_id": project}
    found = shared_daemon.call("session.post_compaction", asked)
    shown = [*found["search_results"], *found["recent_knowledge"]]
    assert ids[0] not in {entry["id"] for entry in shown}
    assert new_id in {hit["id"] for hit in found["search_results"]}
    assert TOKENS not in found["summary"]["top_decisions"]
    assert found["summary"]["total_items"] == 4


def test_without_a_project_nothing_of_another_one_is_shown(
    shared_daemon: Daemon, project: str, ids: list[str]
) -> None:
    found = shared_daemon.call("session.start", {"session_id": "s", "context": TOKENS})
    assert {entry["project_id"] for entry in found["recent_knowledge"]} <= {"default"}


def test_an_empty_project_is_no_error(shared_daemon: Daemon) -> None:
    found = start(shared_daemon, "nobody-wrote-here")
    assert found["recent_knowledge"] == []
    assert found["summary"]["total_items"] == 0
