"""One piece of long work, and what became of it."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

KINDS = ("import", "migrate", "optimize", "verify", "backup", "scrub")
State = Literal["receiving", "running", "done", "failed", "cancelled", "interrupted"]
UNFINISHED: frozenset[State] = frozenset({"receiving", "running"})

Advance = Callable[[int, int | None], None]
"""Called on the event loop with what is done and how much there is, if that is known."""
Work = Callable[[Advance], Awaitable[dict[str, Any]]]
"""Gives the result, as JSON can say it. To be cancelled at any `await`."""


class Failure(msgspec.Struct, frozen=True):
    reason: str
    message: str
    retryable: bool


class Job(msgspec.Struct, frozen=True):
    id: str
    kind: str
    state: State
    created_at: str
    """RFC 3339 UTC with milliseconds, as `finished_at`."""
    done: int = 0
    total: int | None = None
    finished_at: str | None = None
    result: dict[str, Any] | None = None
    error: Failure | None = None
    token: str | None = None
    """The id of the token with which it was asked for; None: there was none."""

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED
