"""JSON-RPC 2.0 messages: bytes in, calls out; outcomes in, bytes out. Pure.

Source: https://www.jsonrpc.org/specification
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from cco_knowledge.rpc.errors import WireError

MAX_BATCH_CALLS = 100

_LONG_INTEGER = re.compile(rb"[0-9]{19}")
"""Only such digits can exceed 64 bits, where orjson gives a float without a word."""


class _NoId:
    """The id of a notification, which is not the id null."""


NO_ID = _NoId()
RequestId = str | int | None | _NoId


@dataclass(frozen=True, slots=True)
class Call:
    id: RequestId
    method: str
    params: dict[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One request, or a batch of them; a part that is no valid request is its error."""

    parts: Sequence[Call | WireError]
    is_batch: bool


def parse(raw: bytes) -> Message:
    """Raises WireError for what has to be answered as a whole, with the id null."""
    document = _decode(raw)
    if not isinstance(document, list):
        return Message([_call(document)], is_batch=False)
    if not document:
        raise WireError.invalid_request("A batch holds at least one call.")
    if len(document) > MAX_BATCH_CALLS:
        raise WireError.invalid_request(
            f"A batch holds at most {MAX_BATCH_CALLS} calls; this one has {len(document)}."
        )
    return Message([_call(part) for part in document], is_batch=True)


def success(request_id: RequestId, result: object) -> bytes:
    return _dumps({"jsonrpc": "2.0", "result": result, "id": _id(request_id)})


def failure(request_id: RequestId, error: WireError) -> bytes:
    body = {"code": error.code, "message": error.message, "data": error.data}
    return _dumps({"jsonrpc": "2.0", "error": body, "id": _id(request_id)})


def notification(method: str, params: object) -> bytes:
    return _dumps({"jsonrpc": "2.0", "method": method, "params": params})


def joined(responses: Sequence[bytes]) -> bytes | None:
    """What goes back for a batch; None where nothing does."""
    return b"[" + b",".join(responses) + b"]" if responses else None


def _decode(raw: bytes) -> Any:
    try:
        document = orjson.loads(raw)
        return msgspec.json.decode(raw) if _LONG_INTEGER.search(raw) else document
    except (orjson.JSONDecodeError, msgspec.DecodeError, RecursionError) as error:
        raise WireError.parse_error() from error


def _call(part: object) -> Call | WireError:
    if not isinstance(part, dict):
        return WireError.invalid_request("A request is a JSON object.")
    request_id = part.get("id", NO_ID)
    if not _is_id(request_id):
        return WireError.invalid_request("An id is a string, an integer or null.")
    for problem in _problems(part):
        return WireError.invalid_request(problem, request_id=request_id)
    return Call(request_id, part["method"], part.get("params") or {})


def _problems(part: dict[str, Any]) -> list[str]:
    checks = {
        '`jsonrpc` must be "2.0".': part.get("jsonrpc") == "2.0",
        "`method` must be a string.": isinstance(part.get("method"), str),
        "`params` must be an object or an array.": isinstance(
            part.get("params", {}), dict | list | None
        ),
    }
    return [problem for problem, holds in checks.items() if not holds]


def _is_id(value: object) -> bool:
    return (
        value is NO_ID
        or value is None
        or (isinstance(value, str | int) and not isinstance(value, bool))
    )


def _id(request_id: RequestId) -> object:
    if isinstance(request_id, int):
        return orjson.Fragment(str(request_id))  # of any size
    return None if request_id is NO_ID else request_id


def _dumps(document: object) -> bytes:
    return orjson.dumps(document)
