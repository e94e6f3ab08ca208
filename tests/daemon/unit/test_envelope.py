"""JSON-RPC envelopes: any bytes in, at most a WireError out."""

import json
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from cco_knowledge.rpc import envelope
from cco_knowledge.rpc.envelope import NO_ID, Call
from cco_knowledge.rpc.errors import WireError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda parts: (
        st.lists(parts, max_size=5)
        | st.dictionaries(
            st.sampled_from(["jsonrpc", "method", "params", "id", "other"]), parts, max_size=5
        )
    ),
    max_leaves=20,
)
REQUESTS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | JSON, "method": st.just("system.ping") | JSON},
    optional={"params": JSON, "id": JSON},
)


def parsed(raw: bytes) -> envelope.Message | WireError:
    try:
        return envelope.parse(raw)
    except WireError as error:
        return error


@given(st.binary())
@example(b"")
@example(b"\xff")
@example(b"[" * 5000)
@example(b'{"jsonrpc":"2.0","method":"a","id":' + b"9" * 5000 + b"}")
@example(b'"\\ud800"')
def test_any_bytes_are_a_message_or_a_wire_error(raw: bytes) -> None:
    parsed(raw)


@given(JSON | REQUESTS | st.lists(REQUESTS | JSON, max_size=5))
def test_any_json_gives_one_part_for_each_value_of_a_batch(document: Any) -> None:
    message = parsed(json.dumps(document).encode())
    if isinstance(message, WireError):
        assert message.reason == "invalid_request"
        assert document == []
        return
    assert message.is_batch == isinstance(document, list)
    values = document if message.is_batch else [document]
    assert len(message.parts) == len(values)
    for part, value in zip(message.parts, values, strict=True):
        assert_says_the_same(part, value)


def assert_says_the_same(part: Call | WireError, value: Any) -> None:
    if isinstance(part, WireError):
        assert part.reason == "invalid_request"
        return
    assert value["jsonrpc"] == "2.0"
    assert part.method == value["method"]
    assert part.params == (value.get("params") or {})
    if "id" in value:
        assert part.id == value["id"]
        assert type(part.id) is type(value["id"])
        assert isinstance(part.id, str | int | None)
    else:
        assert part.id is NO_ID


@given(st.none() | st.text(st.characters(exclude_categories=["Cs"])) | st.integers(), JSON)
def test_a_success_is_well_formed(request_id: str | int | None, result: Any) -> None:
    try:
        encoded = envelope.success(request_id, result)
    except orjson.JSONEncodeError:  # results of ours hold no integer over 64 bits
        return
    response = json.loads(encoded)
    assert response == {"jsonrpc": "2.0", "result": result, "id": request_id}


def test_a_failure_of_a_request_without_a_usable_id_has_the_id_null() -> None:
    for request_id in (NO_ID, None):
        response = json.loads(envelope.failure(request_id, WireError.parse_error()))
        assert response["id"] is None


def test_nothing_is_joined_to_nothing() -> None:
    assert envelope.joined([]) is None
    assert envelope.joined([b"1", b"2"]) == b"[1,2]"
    assert envelope.joined([b"1"]) == b"[1]"
