"""What can go wrong, named after what the caller can do about it.

Every error carries `code`, `reason`, `retryable` and `data`. Those that a daemon sent have its
values; `Unreachable`, `ConnectionLost`, `ProtocolError` and a client's own `DeadlineExceeded`
are made here.
"""

from collections.abc import Mapping
from typing import Any


class KnowledgeError(Exception):
    """The base of all; also an error that this version of the client does not know."""

    code: int | None = None
    reason: str = "unknown"
    retryable: bool = False

    def __init__(self, message: str, **data: object) -> None:
        super().__init__(message)
        self.message = message
        self.data: dict[str, Any] = data


class InvalidParams(KnowledgeError):
    code = -32602
    reason = "invalid_params"

    @property
    def field(self) -> str | None:
        """The param that is wrong."""
        return self.data.get("field")


class TooLarge(KnowledgeError):
    code = -32019
    reason = "too_large"


class NotFound(KnowledgeError):
    code = -32010
    reason = "not_found"


class Conflict(KnowledgeError):
    code = -32011
    reason = "conflict"


class Unavailable(KnowledgeError):
    code = -32012
    reason = "unavailable"
    retryable = True


class DeadlineExceeded(KnowledgeError):
    """The call took longer than it may; a store may have taken effect nevertheless."""

    code = -32013
    reason = "deadline_exceeded"
    retryable = True


class EmbeddingFailed(KnowledgeError):
    code = -32014
    reason = "embedding_failed"


class StoreFailed(KnowledgeError):
    code = -32015
    reason = "store_failed"


class Unauthorized(KnowledgeError):
    code = -32016
    reason = "unauthorized"


class Overloaded(KnowledgeError):
    code = -32017
    reason = "overloaded"
    retryable = True

    @property
    def retry_after_ms(self) -> int | None:
        return self.data.get("retry_after_ms")


class RateLimited(Overloaded):
    reason = "rate_limited"


class StorageFull(KnowledgeError):
    code = -32018
    reason = "storage_full"
    retryable = True


class MethodNotFound(KnowledgeError):
    """The daemon is older than this call, or the name is misspelt."""

    code = -32601
    reason = "method_not_found"


class InternalError(KnowledgeError):
    code = -32603
    reason = "internal"

    @property
    def ref(self) -> str | None:
        """Finds the details in the daemon's log."""
        return self.data.get("ref")


class ProtocolError(KnowledgeError):
    """One side did not understand what the other one sent."""

    reason = "protocol_error"


class ParseError(ProtocolError):
    code = -32700
    reason = "parse_error"


class InvalidRequest(ProtocolError):
    code = -32600
    reason = "invalid_request"


class Unreachable(KnowledgeError):
    """No daemon answers at the socket."""

    reason = "unreachable"
    retryable = True


class ConnectionLost(Unreachable):
    """The connection ended before the answer; whether the call took effect is unknown."""

    reason = "connection_lost"
    retryable = False


_SENT_BY_THE_DAEMON: tuple[type[KnowledgeError], ...] = (
    ParseError,
    InvalidRequest,
    MethodNotFound,
    InvalidParams,
    InternalError,
    NotFound,
    Conflict,
    Unavailable,
    DeadlineExceeded,
    EmbeddingFailed,
    StoreFailed,
    Unauthorized,
    Overloaded,
    RateLimited,
    StorageFull,
    TooLarge,
)
CODES: Mapping[str, int | None] = {error.reason: error.code for error in _SENT_BY_THE_DAEMON}
"""Section 5 of the contract: each reason with its JSON-RPC code."""

_BY_REASON = {error.reason: error for error in _SENT_BY_THE_DAEMON}
_BY_CODE = {error.code: error for error in reversed(_SENT_BY_THE_DAEMON)}


def error_from(sent: Any) -> KnowledgeError:
    """The exception for the `error` object of an answer."""
    if not isinstance(sent, dict) or not isinstance(sent.get("code"), int):
        return ProtocolError("The daemon sent an error that is not one of JSON-RPC.")
    data = sent.get("data")
    facts: dict[str, Any] = data if isinstance(data, dict) else {}
    reason = str(facts.get("reason", ""))
    kind = _BY_REASON.get(reason) or _BY_CODE.get(sent["code"]) or KnowledgeError
    error = kind(str(sent.get("message", "")))
    error.code = sent["code"]
    error.reason = reason or kind.reason
    error.retryable = bool(facts.get("retryable", kind.retryable))
    error.data = facts
    return error
