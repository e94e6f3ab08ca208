"""Storing, reading back, duplicates, ids, timestamps, types, batches."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import StartDaemon
from process import Daemon
from wire import answer

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), parts, max_size=4)
    ),
    max_leaves=12,
)
METADATA = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])), JSON_VALUES, max_size=4
)


def stored_entry(daemon: Daemon, **params: object) -> dict[str, Any]:
    stored = daemon.call("knowledge.store", params)
    return entry(daemon, stored["id"])


def entry(daemon: Daemon, entry_id: str) -> dict[str, Any]:
    (found,) = daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    assert isinstance(found, dict)
    return found


def total(daemon: Daemon, project: str) -> int:
    return int(daemon.call("knowledge.query", {"project_id": project, "limit": 1})["total"])


# Round trips


def test_an_entry_comes_back_with_every_field(shared_daemon: Daemon, project: str) -> None:
    fields = {
        "text": "We chose LanceDB for the vectors.",
        "type": "decision",
        "project_id": project,
        "session_id": "session 1",
        "agent": "claude",
        "metadata": {"files": ["a.py"], "line": 7, "nested": {"deep": [None, True, 1.5]}},
        "id": f"{project}-given",
        "timestamp": "2026-01-02T03:04:05.678Z",
    }
    stored = shared_daemon.call("knowledge.store", fields)
    assert stored == {
        "id": fields["id"],
        "stored": True,
        "duplicate_of": None,
        "timestamp": fields["timestamp"],
        "similar": [],
        "redactions": [],
    }
    assert entry(shared_daemon, str(fields["id"])) == fields | {"superseded_by": None}


def test_defaults_of_an_entry(shared_daemon: Daemon) -> None:
    before = datetime.now(UTC)
    found = stored_entry(shared_daemon, text="defaults of an entry", on_duplicate="store")
    after = datetime.now(UTC)
    assert found["type"] == "general"
    assert found["project_id"] == "default"
    assert found["session_id"] == found["agent"] == "unknown"
    assert found["metadata"] == {}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["timestamp"])
    moment_ms = datetime.fromisoformat(found["timestamp"]).timestamp() * 1000
    assert before.timestamp() * 1000 - 1 <= moment_ms <= after.timestamp() * 1000


def test_an_id_is_made_of_type_milliseconds_and_chance(shared_daemon: Daemon, project: str) -> None:
    stored = shared_daemon.call(
        "knowledge.store", {"text": "an id", "type": "issue", "project_id": project}
    )
    moment_ms = round(datetime.fromisoformat(stored["timestamp"]).timestamp() * 1000)
    kind, made_ms, chance = stored["id"].split("-")
    assert (kind, int(made_ms)) == ("issue", moment_ms)
    assert len(chance) >= 8


@settings(max_examples=60)
@given(text=TEXTS, metadata=METADATA)
def test_any_text_and_metadata_come_back_equal(
    shared_daemon: Daemon, text: str, metadata: dict[str, Any]
) -> None:
    found = stored_entry(shared_daemon, text=text, metadata=metadata, on_duplicate="store")
    assert found["text"] == text
    assert found["metadata"] == metadata
    assert json.dumps(found["metadata"], sort_keys=True) == json.dumps(metadata, sort_keys=True)


@pytest.mark.parametrize(
    "metadata",
    [
        {"big": 2**63, "bigger": 2**64, "least": -(2**63) - 1, "huge": 10**100},
        {"float": 0.1, "tiny": 5e-324, "large": 1.7976931348623157e308, "zero": -0.0, "one": 1.0},
        {"": "", "\0": "\0", "\u00e9": "\U0001f600", "null": None, "empty": [{}, []]},
        {"b": 1, "a": 2},
    ],
)
def test_unusual_metadata_comes_back_to_the_letter(
    shared_daemon: Daemon, metadata: dict[str, Any]
) -> None:
    found = stored_entry(
        shared_daemon, text="unusual metadata", metadata=metadata, on_duplicate="store"
    )
    assert json.dumps(found["metadata"]) == json.dumps(metadata)


@pytest.mark.parametrize("text", [" ", "\n", "\u200b", "\U0001f600", "'", "\\", "\x01\x7f", "a"])
def test_one_character_is_a_text(shared_daemon: Daemon, project: str, text: str) -> None:
    found = stored_entry(shared_daemon, text=text, project_id=project)
    assert found["text"] == text


@pytest.mark.parametrize("depth", [10, 100, 250, 400, 600, 1000])
def test_deep_metadata_is_stored_or_refused_by_name(shared_daemon: Daemon, depth: int) -> None:
    metadata = '{"deep":' + "[" * depth + "]" * depth + "}"
    params = f'{{"text": "depth {depth}", "metadata": {metadata}, "on_duplicate": "store"}}'
    message = f'{{"jsonrpc":"2.0","id":1,"method":"knowledge.store","params":{params}}}'
    response = answer(shared_daemon.socket_path, "ndjson", message.encode())
    if "result" in response:
        found = entry(shared_daemon, response["result"]["id"])["metadata"]
        assert json.dumps(found, separators=(",", ":")) == metadata
    else:
        assert depth > 100
        assert response["error"]["data"]["reason"] in {"invalid_params", "parse_error"}, response


def test_get_tells_what_is_missing_in_the_order_asked(shared_daemon: Daemon, project: str) -> None:
    ids = [
        shared_daemon.call("knowledge.store", {"text": text, "project_id": project})["id"]
        for text in ("one", "two")
    ]
    found = shared_daemon.call("knowledge.get", {"ids": ["x", ids[1], "y", ids[0], "x"]})
    assert [entry["id"] for entry in found["entries"]] == [ids[1], ids[0]]
    assert found["missing"] == ["x", "y"]


# Duplicates


def test_the_same_content_returns_the_first_id(shared_daemon: Daemon, project: str) -> None:
    first = shared_daemon.call("knowledge.store", {"text": "again", "project_id": project})
    second = shared_daemon.call(
        "knowledge.store", {"text": "again", "project_id": project, "agent": "someone else"}
    )
    assert second == first | {"stored": False, "duplicate_of": first["id"]}
    assert total(shared_daemon, project) == 1


@pytest.mark.parametrize("other", [{"text": "Again"}, {"type": "issue"}, {"project_id": "another"}])
def test_another_text_type_or_project_is_no_duplicate(
    shared_daemon: Daemon, project: str, other: dict[str, str]
) -> None:
    content = {"text": f"again in {project}", "project_id": project}
    shared_daemon.call("knowledge.store", content)
    assert shared_daemon.call("knowledge.store", content | other)["stored"]


def test_on_duplicate_store_keeps_both(shared_daemon: Daemon, project: str) -> None:
    content = {"text": "both", "project_id": project}
    first = shared_daemon.call("knowledge.store", content)
    second = shared_daemon.call("knowledge.store", content | {"on_duplicate": "store"})
    assert second["stored"]
    assert second["duplicate_of"] is None
    assert second["id"] != first["id"]
    assert total(shared_daemon, project) == 2


def test_on_duplicate_reject_is_a_conflict(shared_daemon: Daemon, project: str) -> None:
    content = {"text": "only one", "project_id": project, "on_duplicate": "reject"}
    first = shared_daemon.call("knowledge.store", content)
    error = shared_daemon.refusal("knowledge.store", content)
    assert (error.code, error.reason) == (-32011, "conflict")
    assert error.data["duplicate_of"] == first["id"]
    assert total(shared_daemon, project) == 1


def test_duplicates_within_one_batch(shared_daemon: Daemon, project: str) -> None:
    item = {"text": "twice in a batch", "project_id": project}
    batch = shared_daemon.call(
        "knowledge.store_batch",
        {
            "items": [
                item,
                item,
                item | {"on_duplicate": "store"},
                item | {"on_duplicate": "reject"},
            ]
        },
    )
    first, second, third, fourth = batch["results"]
    assert (batch["stored"], batch["failed"]) == (2, 1)
    assert (first["stored"], second["stored"], third["stored"]) == (True, False, True)
    assert second["duplicate_of"] == second["id"] == first["id"]
    assert fourth["error"]["data"]["reason"] == "conflict"
    assert total(shared_daemon, project) == 2


def test_concurrent_stores_of_one_content_store_it_once(
    shared_daemon: Daemon, project: str
) -> None:
    content = {"text": "everyone learns this at once", "project_id": project}
    with ThreadPoolExecutor(16) as pool:
        results = list(
            pool.map(lambda _: shared_daemon.call("knowledge.store", content), range(48))
        )
    assert sum(result["stored"] for result in results) == 1
    assert len({result["id"] for result in results}) == 1
    assert total(shared_daemon, project) == 1


# Given ids


def test_the_same_id_and_content_again_is_a_no_op(shared_daemon: Daemon, project: str) -> None:
    content = {
        "id": f"{project}-a",
        "text": "idempotent",
        "project_id": project,
        "metadata": {"a": 1, "b": [2]},
    }
    first = shared_daemon.call("knowledge.store", content)
    again = shared_daemon.call("knowledge.store", content | {"metadata": {"b": [2], "a": 1}})
    assert again["id"] == first["id"]
    assert again["timestamp"] == first["timestamp"]
    assert (first["stored"], again["stored"]) == (True, False)
    assert total(shared_daemon, project) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"text": "other"},
        {"type": "issue"},
        {"project_id": "another"},
        {"session_id": "other"},
        {"agent": "other"},
        {"metadata": {"a": 2}},
        {"metadata": {"a": True}},
        {"metadata": {}},
        {"timestamp": "2020-01-01T00:00:00.001Z"},
    ],
)
@pytest.mark.parametrize("on_duplicate", ["return", "store", "reject"])
def test_the_same_id_with_other_content_is_a_conflict(
    shared_daemon: Daemon, project: str, other: dict[str, object], on_duplicate: str
) -> None:
    content = {
        "id": f"{project}-a",
        "text": "first",
        "project_id": project,
        "metadata": {"a": 1},
        "timestamp": "2020-01-01T00:00:00.000Z",
    }
    shared_daemon.call("knowledge.store", content)
    before = entry(shared_daemon, f"{project}-a")
    error = shared_daemon.refusal(
        "knowledge.store", content | other | {"on_duplicate": on_duplicate}
    )
    assert (error.code, error.reason) == (-32011, "conflict")
    assert entry(shared_daemon, f"{project}-a") == before


def test_ids_of_any_spelling_are_kept(shared_daemon: Daemon, project: str) -> None:
    ids = [f"{project} {end}" for end in ("'", '"', "--", "a/b", "\u00e9\U0001f600", "%", "\\")]
    items = [{"id": i, "text": f"text of {i}", "project_id": project} for i in ids]
    batch = shared_daemon.call("knowledge.store_batch", {"items": items})
    assert [result["id"] for result in batch["results"]] == ids
    found = shared_daemon.call("knowledge.get", {"ids": ids})
    assert [entry["text"] for entry in found["entries"]] == [item["text"] for item in items]
    assert shared_daemon.call("knowledge.delete", {"ids": ids}) == {"deleted": len(ids)}


# Timestamps


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("2026-11-22T10:30:00.123Z", "2026-11-22T10:30:00.123Z"),
        ("2026-11-22T10:30:00Z", "2026-11-22T10:30:00.000Z"),
        ("2026-11-22T10:30:00+02:00", "2026-11-22T08:30:00.000Z"),
        ("2026-01-01T00:30:00.5+05:30", "2025-12-31T19:00:00.500Z"),
        ("2026-11-22T10:30:00.123456789Z", "2026-11-22T10:30:00.123Z"),
        ("2026-11-22T10:30:00.9999Z", "2026-11-22T10:30:00.999Z"),
        ("2026-11-22T10:30:00.999999999Z", "2026-11-22T10:30:00.999Z"),
        ("2026-11-22t10:30:00z", "2026-11-22T10:30:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ],
)
def test_timestamps_become_utc_milliseconds(
    shared_daemon: Daemon, project: str, given_text: str, kept: str
) -> None:
    found = stored_entry(shared_daemon, text="when", project_id=project, timestamp=given_text)
    assert found["timestamp"] == kept


@pytest.mark.parametrize(
    "wrong",
    [
        "yesterday",
        "2026-11-22",
        "2026-11-22T10:30:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        1_700_000_000,
        1.5,
        True,
    ],
)
def test_other_timestamps_are_refused(shared_daemon: Daemon, project: str, wrong: object) -> None:
    params = {"text": "when", "project_id": project, "timestamp": wrong}
    error = shared_daemon.refusal("knowledge.store", params)
    assert (error.code, error.field) == (-32602, "timestamp")
    assert total(shared_daemon, project) == 0


# Types


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("decison", "decision"), ("Architecture", "architecture"), ("bug", "general"), ("'", "")],
)
def test_an_unknown_type_names_the_nearest(
    shared_daemon: Daemon, project: str, wrong: str, nearest: str
) -> None:
    params = {"text": "typed", "project_id": project, "type": wrong}
    error = shared_daemon.refusal("knowledge.store", params)
    assert (error.code, error.field) == (-32602, "type")
    assert nearest in error.message
    assert total(shared_daemon, project) == 0


def test_extra_types_of_the_configuration(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "knowledge.extra_types=runbook, incident")
    assert stored_entry(daemon, text="how to", type="runbook")["type"] == "runbook"
    error = daemon.refusal("knowledge.store", {"text": "what", "type": "incidents"})
    assert "incident" in error.message


# Batches


def test_a_batch_answers_in_order_and_one_bad_item_fails_alone(
    shared_daemon: Daemon, project: str
) -> None:
    items: list[object] = [{"text": f"item {number}", "project_id": project} for number in range(6)]
    items[1] = {"text": "", "project_id": project}
    items[2] = "no object"
    items[3] = {"text": "x", "project_id": project, "type": "nonsense"}
    items[4] = {"text": "x", "project_id": project, "wrong": 1}
    batch = shared_daemon.call("knowledge.store_batch", {"items": items})
    assert (batch["stored"], batch["failed"]) == (2, 4)
    fields = [
        result["error"]["data"]["field"] if "error" in result else result["stored"]
        for result in batch["results"]
    ]
    assert fields == [True, "text", "items", "type", "wrong", True]
    last = entry(shared_daemon, batch["results"][5]["id"])
    assert last["text"] == "item 5"
    assert total(shared_daemon, project) == 2


def test_a_failing_item_of_a_commit_leaves_the_others_alone(
    shared_daemon: Daemon, project: str
) -> None:
    """Stores that meet in one commit do not share each other's fate."""
    nested: object = 1
    for _ in range(600):
        nested = [nested]
    items: list[dict[str, object]] = [
        {"text": f"meets {n}", "project_id": project} for n in range(4)
    ]
    items[1]["metadata"] = {"deep": nested}
    batch = shared_daemon.call("knowledge.store_batch", {"items": items})
    assert [batch["results"][n]["stored"] for n in (0, 2, 3)] == [True] * 3
