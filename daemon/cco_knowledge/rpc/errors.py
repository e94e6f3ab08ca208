"""The one place where an exception becomes a JSON-RPC error."""

import errno
import logging
import secrets
from typing import Any, Self

from cco_knowledge import errors

_RETRY_AFTER_MS = 1000

_log = logging.getLogger(__name__)

CODES: dict[str, int] = {
    "parse_error": -32700,
    "invalid_request": -32600,
    "method_not_found": -32601,
    "invalid_params": -32602,
    "internal": -32603,
    "not_found": -32010,
    "conflict": -32011,
    "unavailable": -32012,
    "deadline_exceeded": -32013,
    "embedding_failed": -32014,
    "store_failed": -32015,
    "unauthorized": -32016,
    "overloaded": -32017,
    "rate_limited": -32017,
    "storage_full": -32018,
    "too_large": -32019,
}
ADVICE: dict[str, str] = {
    "parse_error": "Send JSON in UTF-8.",
    "invalid_request": "Send a JSON-RPC 2.0 request.",
    "method_not_found": "See the methods; the daemon may be older than the call.",
    "invalid_params": "Mend the param that `data.field` names.",
    "internal": "Report it with `data.ref`, which stands in the log too.",
    "not_found": "Check the id.",
    "conflict": "The message says what is stored.",
    "unavailable": "Wait: the daemon is starting or stopping, or its disk hangs or is read-only.",
    "deadline_exceeded": "Try again, ask for less, or raise `limits.deadline_s`.",
    "embedding_failed": "The model gave no vector for this text.",
    "store_failed": "Look at the log and the disk.",
    "unauthorized": "Call as the user who runs the daemon, or with a token that may do this.",
    "overloaded": "Wait `data.retry_after_ms`.",
    "rate_limited": "Wait `data.retry_after_ms`.",
    "storage_full": "Make room on the disk.",
    "too_large": "Send less at once.",
}
"""What the caller can do, for each reason."""


class WireError(Exception):
    """An error as it goes out: code, message and data of JSON-RPC."""

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        retryable: bool = False,
        data: dict[str, Any] | None = None,
        request_id: Any = None,
    ) -> None:
        super().__init__(message)
        self.code = CODES[reason]
        self.message = message
        self.data = {"reason": reason, "retryable": retryable, **(data or {})}
        self.request_id = request_id
        """The id to answer with, where the request had a valid one."""

    @property
    def reason(self) -> str:
        return str(self.data["reason"])

    @classmethod
    def parse_error(cls) -> Self:
        return cls("parse_error", "The request is not valid JSON in UTF-8.")

    @classmethod
    def invalid_request(cls, problem: str, *, request_id: Any = None) -> Self:
        return cls("invalid_request", problem, request_id=request_id)


def is_retryable(reason: str) -> bool:
    kinds = errors.KnowledgeError.__subclasses__()
    return any(kind.retryable for kind in kinds if kind.reason == reason)


def to_wire(error: BaseException) -> WireError:
    """What the caller is told. An error that nobody meant to raise is logged, and told as such."""
    if isinstance(error, WireError):
        return error
    if isinstance(error, errors.KnowledgeError) and error.reason in CODES:
        return WireError(
            error.reason, error.message, retryable=error.retryable, data=dict(error.data)
        )
    if _is_out_of_means(error):
        _log.error("no memory or files for a call: %s at %s", type(error).__name__, _place(error))
        return WireError(
            "overloaded",
            "The daemon got no more memory or open files for this. Try again, or ask for less.",
            retryable=True,
            data={"retry_after_ms": _RETRY_AFTER_MS},
        )
    reference = secrets.token_hex(6)
    # NOTE: only the place and the type: the message of a foreign exception can hold a text.
    _log.error("internal error %s: %s at %s", reference, type(error).__name__, _place(error))
    return WireError("internal", "internal error", data={"ref": reference})


def _is_out_of_means(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
    return isinstance(error, MemoryError)


def _place(error: BaseException) -> str:
    """File and line of the innermost frame."""
    traceback = error.__traceback__
    if traceback is None:
        return "unknown"
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    code = traceback.tb_frame.f_code
    return f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}"
