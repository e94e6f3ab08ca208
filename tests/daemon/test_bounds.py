"""Every bound of the contract, exactly met and crossed by one; and params of the wrong kind."""

import json
from typing import Any

import pytest

from entries import store_all
from process import Daemon
from wire import FRAMINGS, answer, request

TEXT_MAX_BYTES = 256 * 1024
METADATA_MAX_BYTES = 64 * 1024
EMOJI = "\U0001f600"
"""4 bytes, and unknown to the model: a text full of them is embedded at once."""


def metadata_of(length_bytes: int) -> dict[str, str]:
    return {"k": "x" * (length_bytes - len('{"k":""}'))}


MET: list[tuple[str, dict[str, Any]]] = [
    ("knowledge.store", {"text": "x" + " " * (TEXT_MAX_BYTES - 1)}),
    ("knowledge.store", {"text": EMOJI * (TEXT_MAX_BYTES // 4)}),
    ("knowledge.store", {"text": "a", "metadata": metadata_of(METADATA_MAX_BYTES)}),
    ("knowledge.store", {"text": "a", "project_id": "p" * 256}),
    ("knowledge.store", {"text": "a", "session_id": EMOJI * 256}),
    ("knowledge.store", {"text": "a", "agent": "\u00e9" * 256}),
    ("knowledge.store", {"text": "bounded id", "id": "i" * 256}),
    ("knowledge.search", {"query": "a", "limit": 1}),
    ("knowledge.search", {"query": "a", "limit": 100}),
    ("knowledge.search", {"query": "a", "threshold": 0}),
    ("knowledge.search", {"query": "a", "threshold": 1}),
    ("knowledge.search", {"query": "a" + " " * (TEXT_MAX_BYTES - 1)}),
    ("knowledge.query", {"limit": 1}),
    ("knowledge.query", {"limit": 1000}),
    ("knowledge.get", {"ids": ["x"] * 1000}),
    ("knowledge.delete", {"ids": ["no-such"] * 1000}),
    ("knowledge.cleanup", {"older_than_days": 0, "project_id": "none"}),
    ("embedding.embed", {"texts": ["a"]}),
    ("embedding.embed", {"texts": ["a"] * 256}),
]

CROSSED: list[tuple[str, dict[str, Any], str]] = [
    ("knowledge.store", {"text": ""}, "text"),
    ("knowledge.store", {"text": "x" * (TEXT_MAX_BYTES + 1)}, "text"),
    ("knowledge.store", {"text": EMOJI * (TEXT_MAX_BYTES // 4) + "x"}, "text"),
    ("knowledge.store", {"text": "a\0b"}, "text"),
    ("knowledge.store", {"text": "a", "metadata": metadata_of(METADATA_MAX_BYTES + 1)}, "metadata"),
    ("knowledge.store", {"text": "a", "session_id": "s" * 257}, "session_id"),
    ("knowledge.store", {"text": "a", "agent": EMOJI * 257}, "agent"),
    ("knowledge.store", {"text": "a", "id": "i" * 257}, "id"),
    ("knowledge.store", {"text": "a", "type": "t" * 257}, "type"),
    ("knowledge.store", {"text": "a", "session_id": "a\0b"}, "session_id"),
    ("knowledge.store", {"text": "a", "agent": "a\0b"}, "agent"),
    ("knowledge.store", {"text": "a", "id": "a\0b"}, "id"),
    ("knowledge.store", {"text": "a", "type": "a\0b"}, "type"),
    ("knowledge.store", {"text": 1}, "text"),
    ("knowledge.store", {"text": ["a"]}, "text"),
    ("knowledge.store", {"text": "a", "agent": 1}, "agent"),
    ("knowledge.store", {"text": "a", "metadata": []}, "metadata"),
    ("knowledge.store", {"text": "a", "metadata": "{}"}, "metadata"),
    ("knowledge.store", {"text": "a", "on_duplicate": "ignore"}, "on_duplicate"),
    ("knowledge.store", {"text": "a", "timestamp": "now"}, "timestamp"),
]

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("knowledge.store", {"text": "a", "project_id": "p" * 257}, "project_id"),
    ("knowledge.store", {"text": "a", "project_id": "a\0b"}, "project_id"),
    ("knowledge.store_batch", {"items": []}, "items"),
    ("knowledge.store_batch", {"items": [{"text": "a"}] * 1001}, "items"),
    ("knowledge.store_batch", {"items": {"text": "a"}}, "items"),
    ("knowledge.store_batch", {}, "items"),
    ("knowledge.search", {}, "query"),
    ("knowledge.search", {"query": ""}, "query"),
    ("knowledge.search", {"query": "a\0b"}, "query"),
    ("knowledge.search", {"query": "a" * (TEXT_MAX_BYTES + 1)}, "query"),
    ("knowledge.search", {"query": "a", "limit": 0}, "limit"),
    ("knowledge.search", {"query": "a", "limit": -1}, "limit"),
    ("knowledge.search", {"query": "a", "limit": 101}, "limit"),
    ("knowledge.search", {"query": "a", "limit": 2**70}, "limit"),
    ("knowledge.search", {"query": "a", "limit": 1.5}, "limit"),
    ("knowledge.search", {"query": "a", "limit": "10"}, "limit"),
    ("knowledge.search", {"query": "a", "limit": True}, "limit"),
    ("knowledge.search", {"query": "a", "threshold": -0.01}, "threshold"),
    ("knowledge.search", {"query": "a", "threshold": 1.01}, "threshold"),
    ("knowledge.search", {"query": "a", "threshold": "0.5"}, "threshold"),
    ("knowledge.search", {"query": "a", "mode": "magic"}, "mode"),
    ("knowledge.search", {"query": "a", "project_id": 1}, "project_id"),
    ("knowledge.search", {"query": "a", "agent": ["a", 1]}, "agent"),
    ("knowledge.search", {"query": "a", "type": {"a": 1}}, "type"),
    ("knowledge.search", {"query": "a", "session_id": "s" * 257}, "session_id"),
    ("knowledge.search", {"query": "a", "session_id": ["s" * 257]}, "session_id"),
    ("knowledge.search", {"query": "a", "since": "yesterday"}, "since"),
    ("knowledge.search", {"query": "a", "until": 5}, "until"),
    ("knowledge.search", {"query": "a", "metadata": ["k"]}, "metadata"),
    ("knowledge.search", {"query": "a", "include_superseded": "yes"}, "include_superseded"),
    ("knowledge.query", {"limit": 0}, "limit"),
    ("knowledge.query", {"limit": 1001}, "limit"),
    ("knowledge.query", {"order_by": "metadata"}, "order_by"),
    ("knowledge.query", {"order_by": "id; DROP"}, "order_by"),
    ("knowledge.query", {"order_by": "x - at `$.wrong`"}, "order_by"),
    ("knowledge.query", {"descending": 1}, "descending"),
    ("knowledge.query", {"cursor": 5}, "cursor"),
    ("knowledge.get", {}, "ids"),
    ("knowledge.get", {"ids": []}, "ids"),
    ("knowledge.get", {"ids": "x"}, "ids"),
    ("knowledge.get", {"ids": [1]}, "ids"),
    ("knowledge.get", {"ids": ["x"] * 1001}, "ids"),
    ("knowledge.get", {"ids": ["x" * 257]}, "ids"),
    ("knowledge.update", {}, "id"),
    ("knowledge.update", {"id": "a", "text": "x" * (TEXT_MAX_BYTES + 1)}, "text"),
    ("knowledge.update", {"id": "a", "text": "a\0b"}, "text"),
    ("knowledge.update", {"id": "a", "agent": "a" * 257}, "agent"),
    ("knowledge.update", {"id": "a", "agent": "a\0b"}, "agent"),
    ("knowledge.update", {"id": "a", "metadata": metadata_of(METADATA_MAX_BYTES + 1)}, "metadata"),
    ("knowledge.update", {"id": "a", "type": "nonsense"}, "type"),
    ("knowledge.update", {"id": "a", "on_duplicate": "store"}, "on_duplicate"),
    ("knowledge.delete", {"ids": ["x"] * 1001}, "ids"),
    ("knowledge.delete", {"project_id": "a", "expect": -1}, "expect"),
    ("knowledge.delete", {"project_id": "a", "expect": "1"}, "expect"),
    ("knowledge.stats", {"project_id": ["a"]}, "project_id"),
    ("knowledge.cleanup", {"older_than_days": -1}, "older_than_days"),
    ("knowledge.cleanup", {"older_than_days": "90"}, "older_than_days"),
    ("knowledge.cleanup", {"older_than_days": 10**300}, "older_than_days"),
    ("knowledge.cleanup", {"dry_run": "true"}, "dry_run"),
    ("embedding.embed", {"texts": []}, "texts"),
    ("embedding.embed", {"texts": ["a"] * 257}, "texts"),
    ("embedding.embed", {"texts": "a"}, "texts"),
    ("embedding.embed", {"texts": [""]}, "texts"),
    ("embedding.embed", {"texts": ["a\0b"]}, "texts"),
    ("embedding.embed", {"texts": ["x" * (TEXT_MAX_BYTES + 1)]}, "texts"),
    ("embedding.embed", {"texts": ["a"], "kind": "other"}, "kind"),
]


def case_name(value: object) -> str | None:
    return json.dumps(value)[:50] if isinstance(value, dict) else None


def assert_refused(response: dict[str, Any], field: str) -> None:
    assert "error" in response, str(response)[:200]
    error = response["error"]
    assert error["code"] == -32602
    assert error["data"] == {"reason": "invalid_params", "retryable": False, "field": field}
    assert len(error["message"]) < 500


@pytest.mark.parametrize(("method", "params"), MET, ids=case_name)
def test_a_bound_that_is_met_is_accepted(
    shared_daemon: Daemon, project: str, method: str, params: dict[str, Any]
) -> None:
    if method == "knowledge.store":
        params = {"project_id": project} | params
        stored = shared_daemon.call(method, params)
        (entry,) = shared_daemon.call("knowledge.get", {"ids": [stored["id"]]})["entries"]
        assert {name: entry[name] for name in params} == params
    else:
        shared_daemon.call(method, params)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("method", "params", "field"), CROSSED, ids=case_name)
def test_a_refused_entry_is_not_stored(
    shared_daemon: Daemon,
    project: str,
    framing: str,
    method: str,
    params: dict[str, Any],
    field: str,
) -> None:
    message = request(method, {"project_id": project} | params)
    assert_refused(answer(shared_daemon.socket_path, framing, message), field)
    assert shared_daemon.call("knowledge.query", {"project_id": project})["total"] == 0


@pytest.mark.parametrize(("method", "params", "field"), REFUSED, ids=case_name)
def test_a_bound_that_is_crossed_is_refused_by_name(
    shared_daemon: Daemon, method: str, params: dict[str, Any], field: str
) -> None:
    before = shared_daemon.call("knowledge.stats")["total_records"]
    assert_refused(answer(shared_daemon.socket_path, "ndjson", request(method, params)), field)
    assert shared_daemon.call("knowledge.stats")["total_records"] == before


def test_a_batch_of_1000_items_is_stored(shared_daemon: Daemon, project: str) -> None:
    items = [{"text": f"item {n % 40}", "on_duplicate": "store"} for n in range(1000)]
    assert len(set(store_all(shared_daemon, project, *items))) == 1000


@pytest.mark.parametrize("name", ["project_id", "agent", "session_id", "type", "ids", "metadata"])
def test_a_nul_in_a_filter_or_id_finds_nothing_or_is_refused(
    shared_daemon: Daemon, project: str, name: str
) -> None:
    store_all(shared_daemon, project, {"agent": "a", "metadata": {"a": "b"}})
    value = {"ids": ["a\0"], "metadata": {"a\0": "\0"}}.get(name, "a\0")
    method = "knowledge.get" if name == "ids" else "knowledge.query"
    response = answer(shared_daemon.socket_path, "ndjson", request(method, {name: value}))
    if "error" in response:
        assert response["error"]["data"]["reason"] == "invalid_params"
    else:
        found = response["result"]
        assert found.get("results", found.get("entries")) == []


MARKER = "zanzibar-marker"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("knowledge.store", {"text": MARKER + "\0"}),
        ("knowledge.store", {"text": MARKER, "type": MARKER}),
        ("knowledge.store", {"text": MARKER, "on_duplicate": MARKER}),
        ("knowledge.store", {"text": MARKER, "timestamp": MARKER}),
        ("knowledge.store", {"text": MARKER, "agent": MARKER + "\0"}),
        ("knowledge.store", {"text": MARKER, "metadata": MARKER}),
        ("knowledge.search", {"query": MARKER, "mode": MARKER}),
        ("knowledge.search", {"query": MARKER, "since": MARKER}),
        ("knowledge.query", {"cursor": MARKER}),
        ("knowledge.query", {"order_by": f"it's {MARKER}"}),
        ("embedding.embed", {"texts": [MARKER], "kind": MARKER}),
        (f"no.such.{MARKER}", {}),
    ],
)
def test_an_error_never_repeats_the_callers_text(
    shared_daemon: Daemon, method: str, params: dict[str, Any]
) -> None:
    response = answer(shared_daemon.socket_path, "ndjson", request(method, params))
    assert "error" in response
    assert MARKER not in json.dumps(response)
    assert MARKER not in shared_daemon.stderr
