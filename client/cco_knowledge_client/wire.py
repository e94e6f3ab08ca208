"""NDJSON: one JSON-RPC message a line."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .calls import Call
from .errors import InvalidParams, KnowledgeError, ProtocolError, error_from


@dataclass(frozen=True, slots=True)
class Answer:
    id: int | None
    """None: the daemon could not read the request, so it does not know whose this is."""
    result: Any
    error: KnowledgeError | None

    def result_or_raise(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result


@dataclass(frozen=True, slots=True)
class Notification:
    method: str
    params: Any


OnNotification = Callable[[str, Any], None]
"""Called with the method and the params of each notification that comes before the answer."""


def write_request(request_id: int, call: Call[Any]) -> bytes:
    request = {
        "jsonrpc": "2.0",
        "id": request_id,
        "method": call.method,
        "params": call.params,
    }
    try:
        text = json.dumps(request, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise InvalidParams("A text is not valid Unicode: it has a lone surrogate.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidParams(f"The params cannot be written as JSON: {error}.") from error


def read_message(line: bytes | bytearray) -> Answer | Notification:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The daemon sent a line that is not JSON.") from error
    if isinstance(message, dict) and "method" in message:
        return Notification(str(message["method"]), message.get("params"))
    if not isinstance(message, dict) or not isinstance(message.get("id", ""), int | None):
        raise ProtocolError("The daemon sent a line that is not an answer of JSON-RPC.")
    if "error" in message:
        return Answer(message["id"], None, error_from(message["error"]))
    if "result" in message:
        return Answer(message["id"], message["result"], None)
    raise ProtocolError("The daemon sent an answer with neither result nor error.")
