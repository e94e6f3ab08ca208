"""knowledge.context and knowledge.related, and what `covered` says, on a real daemon."""

from typing import Any

import pytest

from entries import store_all
from process import Daemon

NOTES = {
    "webhook": "The payment webhook is retried eight times with a growing delay, then pages us.",
    "webhook-again": "The payment webhook is retried eight times with a growing delay; pages us.",
    "webhook-why": "Webhooks of the payment provider came twice, so the handler keeps event ids.",
    "database": "Orders live in PostgreSQL 16; the replica serves the reports at night.",
    "images": "Product images are scaled by libvips in a Celery task, not in the request.",
    "login": "Customers sign in with a password and a code from their authenticator app.",
    "search": "Product search is PostgreSQL full text with trigrams for spelling mistakes.",
    "deploy": "We deploy on Tuesdays from the release branch, after the smoke test has passed.",
}
NEVER_STORED = (
    "Which sewing pattern fits the winter coat?",
    "How do we render the caustics of the aquarium?",
    "What does the dentist charge for a crown?",
    "ERR_SPLINE_RETICULATION",
    "lib/zeppelin/ballast.ml",
)
PROJECT = "context notes"


@pytest.fixture(scope="module")
def notes(session_daemon: Daemon) -> dict[str, str]:
    ids = store_all(session_daemon, PROJECT, *({"text": text} for text in NOTES.values()))
    return dict(zip(NOTES, ids, strict=True))


def context(daemon: Daemon, task: str, **params: object) -> dict[str, Any]:
    packed: dict[str, Any] = daemon.call(
        "knowledge.context", {"task": task, "project_id": PROJECT} | params
    )
    return packed


TASK = "change how often the payment webhook is retried"


def test_the_context_holds_what_helps_with_the_task(
    shared_daemon: Daemon, notes: dict[str, str]
) -> None:
    packed = context(shared_daemon, TASK)
    ids = [entry["id"] for entry in packed["entries"]]
    assert ids[0] in (notes["webhook"], notes["webhook-again"])
    assert notes["webhook-why"] in ids
    assert notes["deploy"] not in ids
    for entry in packed["entries"]:
        assert entry["text"] in packed["text"]
        assert entry["id"] in packed["text"]
    assert context(shared_daemon, TASK) == packed


def test_no_two_of_a_context_say_the_same(shared_daemon: Daemon, notes: dict[str, str]) -> None:
    ids = {entry["id"] for entry in context(shared_daemon, TASK)["entries"]}
    assert len(ids & {notes["webhook"], notes["webhook-again"]}) == 1


@pytest.mark.parametrize("budget", [1, 60, 100, 200, 1500])
def test_a_context_keeps_its_budget(
    shared_daemon: Daemon, notes: dict[str, str], budget: int
) -> None:
    packed = context(shared_daemon, TASK, token_budget=budget)
    assert packed["tokens"] <= budget
    assert bool(packed["entries"]) == bool(packed["text"]) == (budget >= 100)


def test_a_context_may_hold_many_entries(shared_daemon: Daemon, project: str) -> None:
    kinds = ("brake", "engine", "cabin", "ladder", "hook", "cable", "mast", "counterweight")
    parts = ("oil", "bolt", "paint", "sensor")
    texts = [f"The {part} of the crane's {kind} was replaced." for kind in kinds for part in parts]
    store_all(shared_daemon, project, *({"text": text} for text in texts))
    params = {"task": "which parts of the crane were replaced?", "project_id": project}
    packed = shared_daemon.call("knowledge.context", params)
    assert len(packed["entries"]) > 10


@pytest.mark.parametrize("query", NEVER_STORED)
def test_what_was_never_stored_is_not_covered(
    shared_daemon: Daemon, notes: dict[str, str], query: str
) -> None:
    found = shared_daemon.call("knowledge.search", {"query": query, "project_id": PROJECT})
    assert found["results"]
    assert not found["covered"]
    assert context(shared_daemon, query) == {"text": "", "entries": [], "tokens": 0}


@pytest.mark.parametrize("limit", [1, 10])
@pytest.mark.parametrize("mode", ["hybrid", "vector"])
@pytest.mark.parametrize(
    "query",
    ["how do customers log in?", "which day do we release?", "libvips", "where are orders kept"],
)
def test_what_is_stored_is_covered(
    shared_daemon: Daemon, notes: dict[str, str], query: str, mode: str, limit: int
) -> None:
    params = {"query": query, "project_id": PROJECT, "mode": mode, "limit": limit}
    assert shared_daemon.call("knowledge.search", params)["covered"]


def test_nothing_found_is_not_covered(shared_daemon: Daemon) -> None:
    params = {"query": "how do customers log in?", "project_id": "empty project"}
    found = shared_daemon.call("knowledge.search", params)
    assert (found["results"], found["covered"]) == ([], False)


def test_a_short_text_has_no_passage_and_a_long_one_the_part_that_matched(
    shared_daemon: Daemon, project: str
) -> None:
    filler = "The meeting went on and people talked about the usual plans for the week. " * 60
    fact = "The submarine cable to Iceland is repaired with titanium clamps of type QX-77."
    store_all(shared_daemon, project, {"text": filler + fact + filler}, {"text": "A short note."})
    for query in ("who repairs the cable to Iceland", "QX-77"):
        for mode in ("hybrid", "text"):
            params = {"query": query, "project_id": project, "mode": mode}
            found = shared_daemon.call("knowledge.search", params)
            hit = found["results"][0]
            assert fact in hit["passage"]
            assert hit["passage"] in hit["text"]
            assert len(hit["passage"]) < len(filler) / 2
            assert found["covered"]
    params = {"query": "a short note", "project_id": project}
    assert shared_daemon.call("knowledge.search", params)["results"][0]["passage"] is None
    packed = shared_daemon.call(
        "knowledge.context",
        {"task": "repair the cable to Iceland", "project_id": project, "token_budget": 600},
    )
    assert fact in packed["text"]


# knowledge.related


def related(daemon: Daemon, entry_id: str, **params: object) -> list[str]:
    found = daemon.call("knowledge.related", {"id": entry_id} | params)
    assert found["count"] == len(found["results"])
    return [hit["id"] for hit in found["results"]]


def test_related_finds_the_neighbours_and_not_the_entry_itself(
    shared_daemon: Daemon, notes: dict[str, str]
) -> None:
    ids = related(shared_daemon, notes["webhook"], project_id=PROJECT)
    assert ids[:2] == [notes["webhook-again"], notes["webhook-why"]]
    assert set(ids) == set(notes.values()) - {notes["webhook"]}
    assert related(shared_daemon, notes["webhook"], project_id=PROJECT, limit=1) == ids[:1]


def test_related_of_nothing_is_not_found(shared_daemon: Daemon) -> None:
    assert shared_daemon.refusal("knowledge.related", {"id": "nobody"}).reason == "not_found"


def test_related_leaves_out_what_is_superseded(shared_daemon: Daemon, project: str) -> None:
    old, other = store_all(
        shared_daemon, project, {"text": "The cat sleeps."}, {"text": "The cat is asleep."}
    )
    new = shared_daemon.call(
        "knowledge.store", {"text": "The cat is awake.", "project_id": project, "supersedes": [old]}
    )["id"]
    assert related(shared_daemon, new, project_id=project) == [other]
    assert set(related(shared_daemon, old, project_id=project)) == {new, other}


def test_the_first_search_does_not_wait_for_the_whole_calibration(daemon: Daemon) -> None:
    """Whatever it goes by, it must say so right away on an empty store and on a new one."""
    assert not daemon.call("knowledge.search", {"query": "anything"})["covered"]
    store_all(daemon, PROJECT, *({"text": text} for text in NOTES.values()))
    assert daemon.call("knowledge.search", {"query": "how do customers log in?"})["covered"]
    assert not daemon.call("knowledge.search", {"query": NEVER_STORED[0]})["covered"]
