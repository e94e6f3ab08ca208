"""JSON-RPC 2.0 over both framings. Source: https://www.jsonrpc.org/specification, section 7."""

import json
from typing import Any

import pytest

from process import Daemon
from wire import FRAMINGS, RpcError, answer, answers, encoded, request

pytestmark = pytest.mark.parametrize("framing", FRAMINGS)

PING = {"jsonrpc": "2.0", "method": "system.ping"}


def error_of(response: Any) -> RpcError:
    """A well-formed error response's error."""
    assert set(response) == {"jsonrpc", "error", "id"}
    assert response["jsonrpc"] == "2.0"
    assert set(response["error"]) == {"code", "message", "data"}
    return RpcError(response["error"])


def assert_invalid(response: Any, request_id: object = None) -> None:
    error = error_of(response)
    assert (error.code, error.reason, response["id"]) == (-32600, "invalid_request", request_id)


# The specification's examples; `subtract` is system.ping or knowledge.get here.


def test_a_call_with_positional_params(shared_daemon: Daemon, framing: str) -> None:
    message = b'{"jsonrpc": "2.0", "method": "knowledge.get", "params": [["no-such"]], "id": 1}'
    assert answers(shared_daemon.socket_path, framing, message) == [
        {"jsonrpc": "2.0", "result": {"entries": [], "missing": ["no-such"]}, "id": 1}
    ]


def test_a_call_with_named_params_in_any_order(shared_daemon: Daemon, framing: str) -> None:
    one = {"jsonrpc": "2.0", "method": "knowledge.query", "id": 3}
    ordered = one | {"params": {"project_id": "none", "limit": 3}}
    swapped = one | {"params": {"limit": 3, "project_id": "none"}, "id": 4}
    first = answer(shared_daemon.socket_path, framing, ordered)
    second = answer(shared_daemon.socket_path, framing, swapped)
    assert first["result"] == second["result"] == {"results": [], "total": 0, "next_cursor": None}
    assert (first["id"], second["id"]) == (3, 4)


@pytest.mark.parametrize(
    "notification",
    [
        b'{"jsonrpc": "2.0", "method": "system.ping", "params": [1,2,3,4,5]}',
        b'{"jsonrpc": "2.0", "method": "system.ping"}',
        b'{"jsonrpc": "2.0", "method": "foobar"}',
    ],
)
def test_a_notification_is_never_answered(
    shared_daemon: Daemon, framing: str, notification: bytes
) -> None:
    assert answers(shared_daemon.socket_path, framing, notification) == []


def test_a_call_of_an_unknown_method(shared_daemon: Daemon, framing: str) -> None:
    message = b'{"jsonrpc": "2.0", "method": "foobar", "id": "1"}'
    response = answer(shared_daemon.socket_path, framing, message)
    error = error_of(response)
    assert (error.code, error.reason, response["id"]) == (-32601, "method_not_found", "1")


@pytest.mark.parametrize(
    "message",
    [
        b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        b'[ {"jsonrpc": "2.0", "method": "sum", "params": [1], "id": "1"}, {"jsonrpc": "2.0", "me]',
    ],
)
def test_invalid_json_is_one_parse_error(
    shared_daemon: Daemon, framing: str, message: bytes
) -> None:
    response = answer(shared_daemon.socket_path, framing, message)
    error = error_of(response)
    assert (error.code, error.reason, response["id"]) == (-32700, "parse_error", None)


def test_an_invalid_request_object(shared_daemon: Daemon, framing: str) -> None:
    message = b'{"jsonrpc": "2.0", "method": 1, "params": "bar"}'
    assert_invalid(answer(shared_daemon.socket_path, framing, message))


def test_an_empty_batch_is_one_invalid_request(shared_daemon: Daemon, framing: str) -> None:
    assert_invalid(answer(shared_daemon.socket_path, framing, b"[]"))


@pytest.mark.parametrize("message", [b"[1]", b"[1,2,3]"])
def test_each_invalid_part_of_a_batch_is_answered(
    shared_daemon: Daemon, framing: str, message: bytes
) -> None:
    responses = answer(shared_daemon.socket_path, framing, message)
    assert len(responses) == len(json.loads(message))
    for response in responses:
        assert_invalid(response)


def test_a_mixed_batch(shared_daemon: Daemon, framing: str) -> None:
    message = b"""[
        {"jsonrpc": "2.0", "method": "system.ping", "id": "1"},
        {"jsonrpc": "2.0", "method": "system.ping", "params": [7]},
        {"jsonrpc": "2.0", "method": "knowledge.get", "params": [["no-such"]], "id": "2"},
        {"foo": "boo"},
        {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
        {"jsonrpc": "2.0", "method": "system.ping", "id": "9"}
    ]""".replace(b"\n", b" ")
    responses = answer(shared_daemon.socket_path, framing, message)
    by_id = {response["id"]: response for response in responses}
    assert len(responses) == len(by_id) == 5
    assert by_id["1"]["result"] == by_id["9"]["result"] == "pong"
    assert by_id["2"]["result"] == {"entries": [], "missing": ["no-such"]}
    assert by_id["5"]["error"]["code"] == -32601
    assert_invalid(by_id[None])


def test_a_batch_of_notifications_is_not_answered(shared_daemon: Daemon, framing: str) -> None:
    message = [PING, {"jsonrpc": "2.0", "method": "foobar", "params": [7]}]
    assert answers(shared_daemon.socket_path, framing, message) == []


# Ids


@pytest.mark.parametrize(
    "request_id",
    ["", "a", "\u00e9\U0001f600", "\0", "x" * 5000, 0, -1, 2**53 + 1, 2**64, -(10**40), 10**300],
)
def test_an_id_comes_back_as_it_was(
    shared_daemon: Daemon, framing: str, request_id: object
) -> None:
    response = answer(shared_daemon.socket_path, framing, PING | {"id": request_id})
    assert response == {"jsonrpc": "2.0", "result": "pong", "id": request_id}
    assert type(response["id"]) is type(request_id)


def test_the_id_null_is_answered(shared_daemon: Daemon, framing: str) -> None:
    response = answer(shared_daemon.socket_path, framing, PING | {"id": None})
    assert response == {"jsonrpc": "2.0", "result": "pong", "id": None}


@pytest.mark.parametrize("request_id", [1.0, 1.5, 1e300, True, False, [], [1], {}, {"a": 1}])
def test_other_ids_are_invalid(shared_daemon: Daemon, framing: str, request_id: object) -> None:
    assert_invalid(answer(shared_daemon.socket_path, framing, PING | {"id": request_id}))


@pytest.mark.parametrize("n_digits", [309, 5000])
def test_an_absurdly_long_id_is_answered(
    shared_daemon: Daemon, framing: str, n_digits: int
) -> None:
    message = b'{"jsonrpc": "2.0", "method": "system.ping", "id": ' + b"9" * n_digits + b"}"
    response = answer(shared_daemon.socket_path, framing, message)
    assert response.get("result") == "pong" or error_of(response).reason == "parse_error"


def test_equal_ids_are_each_answered(shared_daemon: Daemon, framing: str) -> None:
    responses = answer(shared_daemon.socket_path, framing, [PING | {"id": 7}] * 5)
    assert responses == [{"jsonrpc": "2.0", "result": "pong", "id": 7}] * 5


# Batches


def test_a_batch_of_100_is_answered_in_full(shared_daemon: Daemon, framing: str) -> None:
    batch = [PING | {"id": number} for number in range(100)]
    responses = answer(shared_daemon.socket_path, framing, batch)
    assert sorted(response["id"] for response in responses) == list(range(100))


def test_a_batch_of_101_is_refused_as_a_whole(
    shared_daemon: Daemon, framing: str, project: str
) -> None:
    store = request("knowledge.store", {"text": "a", "project_id": project})
    assert_invalid(answer(shared_daemon.socket_path, framing, [store] * 101))
    assert shared_daemon.call("knowledge.query", {"project_id": project})["total"] == 0


def test_a_nested_batch_is_invalid(shared_daemon: Daemon, framing: str) -> None:
    (response,) = answer(shared_daemon.socket_path, framing, [[PING | {"id": 1}]])
    assert_invalid(response)


# The other members


@pytest.mark.parametrize("version", [None, 2.0, 2, "1.0", "2", ""])
def test_another_jsonrpc_version_is_invalid(
    shared_daemon: Daemon, framing: str, version: object
) -> None:
    message = PING | {"id": 1, "jsonrpc": version}
    assert_invalid(answer(shared_daemon.socket_path, framing, message), 1)


def test_a_missing_jsonrpc_version_is_invalid(shared_daemon: Daemon, framing: str) -> None:
    message = {"method": "system.ping", "id": "x"}
    assert_invalid(answer(shared_daemon.socket_path, framing, message), "x")


@pytest.mark.parametrize("method", [None, 1, [], {}, True])
def test_a_method_that_is_no_string_is_invalid(
    shared_daemon: Daemon, framing: str, method: object
) -> None:
    message = PING | {"id": 1, "method": method}
    assert_invalid(answer(shared_daemon.socket_path, framing, message), 1)


@pytest.mark.parametrize("params", ["bar", "", 0, 1, True, False])
def test_params_that_are_no_container_are_invalid(
    shared_daemon: Daemon, framing: str, params: object
) -> None:
    message = PING | {"id": 1, "params": params}
    assert_invalid(answer(shared_daemon.socket_path, framing, message), 1)


@pytest.mark.parametrize("message", [b"{}", b'{"id": null}', b'{"jsonrpc": "2.0"}'])
def test_an_object_that_is_no_request_is_invalid(
    shared_daemon: Daemon, framing: str, message: bytes
) -> None:
    assert_invalid(answer(shared_daemon.socket_path, framing, message))


def test_further_members_are_ignored(shared_daemon: Daemon, framing: str) -> None:
    response = answer(shared_daemon.socket_path, framing, PING | {"id": 1, "trace": "abc"})
    assert response["result"] == "pong"


# Params


@pytest.mark.parametrize("params", [None, [], {}])
def test_no_params_in_any_form(shared_daemon: Daemon, framing: str, params: object) -> None:
    message = request("system.ping", request_id=1) | {"params": params}
    assert answer(shared_daemon.socket_path, framing, message)["result"] == "pong"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("system.ping", {"wrong": 1}),
        ("knowledge.store", {"text": "a", "wrong": 1}),
        ("knowledge.search", {"query": "a", "wrong": []}),
        ("knowledge.query", {"wrong": "x"}),
        ("knowledge.update", {"id": "a", "wrong": {}}),
    ],
)
def test_an_unknown_param_is_refused_by_name(
    shared_daemon: Daemon, framing: str, method: str, params: dict[str, Any]
) -> None:
    error = shared_daemon.refusal(method, params, framing)
    assert (error.code, error.reason, error.field) == (-32602, "invalid_params", "wrong")


@pytest.mark.parametrize("nothing", ["", None])
def test_empty_and_null_mean_not_given(
    shared_daemon: Daemon, framing: str, nothing: object, project: str
) -> None:
    names = ["type", "session_id", "agent", "metadata", "id", "timestamp", "on_duplicate"]
    given = {"text": f"not given {nothing!r} {framing}", "project_id": project}
    stored = shared_daemon.call(
        "knowledge.store", given | dict.fromkeys(names, nothing), framing=framing
    )
    (entry,) = shared_daemon.call("knowledge.get", {"ids": [stored["id"]]})["entries"]
    assert (entry["type"], entry["agent"], entry["metadata"]) == ("general", "unknown", {})


@pytest.mark.parametrize("nothing", ["", None])
def test_a_required_param_that_is_not_given_is_named(
    shared_daemon: Daemon, framing: str, nothing: object
) -> None:
    assert shared_daemon.refusal("knowledge.store", {"text": nothing}, framing).field == "text"


def test_positional_params_follow_the_contract(
    shared_daemon: Daemon, framing: str, project: str
) -> None:
    values = [f"by position {framing}", "decision", project, "s1", "alice", {"k": 1}]
    stored = shared_daemon.call("knowledge.store", values, framing=framing)
    (entry,) = shared_daemon.call("knowledge.get", [[stored["id"]]])["entries"]
    names = ["text", "type", "project_id", "session_id", "agent", "metadata"]
    assert [entry[name] for name in names] == values
    assert shared_daemon.call("knowledge.search", [values[0], 1], framing=framing)["count"] == 1


def test_too_many_positional_params_are_refused(shared_daemon: Daemon, framing: str) -> None:
    error = shared_daemon.refusal("knowledge.get", [["a"], "more"], framing)
    assert (error.code, error.reason) == (-32602, "invalid_params")
    assert "field" in error.data


def test_pipelined_calls_are_each_answered_once(shared_daemon: Daemon, framing: str) -> None:
    if framing == "http":
        pytest.skip("HTTP answers in order; test_http has its keep-alive")
    with shared_daemon.raw() as raw:
        lines = [encoded(PING | {"id": number}) for number in range(500)]
        raw.send(b"\n".join(lines) + b"\n")
        assert sorted(raw.line()["id"] for _ in lines) == list(range(500))
