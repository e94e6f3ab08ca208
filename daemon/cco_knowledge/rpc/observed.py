"""What is told of a call, and no word of what it said: one line in the log, and counts."""

import asyncio
import logging
import re
import time
from dataclasses import dataclass, field

from cco_knowledge.metrics import CallCounts
from cco_knowledge.rpc.caller import Caller
from cco_knowledge.rpc.envelope import NO_ID, RequestId
from cco_knowledge.rpc.methods import METHODS, SYSTEM

UNKNOWN_METHOD = "unknown"

_PLAIN_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_MAX_INTEGER_BITS = 63

_MAX_LINES = 200
"""A second: a flood would fill the disk, and push all older lines out of the log."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that has come in whole."""

    caller: Caller
    n_bytes: int
    at_s: float = field(default_factory=time.perf_counter)
    held: "Held" = field(default_factory=lambda: Held())  # noqa: PLW0108  # it comes later


@dataclass(slots=True)
class Held:
    """What a message takes of the shares, until its answer is written."""

    calls: int = 0
    answer_bytes: int = 0
    reads: "set[asyncio.Timeout]" = field(default_factory=set)
    """Of the calls that change nothing."""
    is_for_nobody: bool = False

    def abandon(self) -> None:
        """The peer is gone: what would only have been read need not be read any more."""
        self.is_for_nobody = True
        now_s = asyncio.get_running_loop().time()
        for limit in self.reads:
            if not limit.expired():
                limit.reschedule(now_s)


@dataclass(slots=True)
class ObservedCall:
    """One call, or one part of a batch that is none, from its arrival to its answer."""

    counts: CallCounts
    arrival: Arrival
    id: RequestId = None
    method: str = UNKNOWN_METHOD
    """As it was sent."""
    begun_s: float | None = None
    n_redacted: int = 0
    """Secrets that were replaced in what it stored."""

    def begin(self) -> None:
        """The work begins; all before was waiting."""
        self.begun_s = time.perf_counter()

    def end(self, outcome: str, n_bytes: int) -> None:
        now_s = time.perf_counter()
        begun_s = now_s if self.begun_s is None else self.begun_s
        method = known_method(self.method)
        waited_s, worked_s = begun_s - self.arrival.at_s, now_s - begun_s
        was_refused = self.begun_s is None
        self.counts.count(method, outcome, waited_s, None if was_refused else worked_s)
        if not _pace.allows_line(now_s):
            return
        _log.info(
            "call",
            extra={
                "id": plain_id(self.id),
                "method": method,
                "peer": self.arrival.caller.origin.peer,
                "token": self.arrival.caller.token_name,
                "outcome": outcome,
                "queue_ms": round(waited_s * 1000, 1),
                "ms": round(worked_s * 1000, 1),
                "bytes_in": self.arrival.n_bytes,
                "bytes_out": n_bytes,
                "redacted": self.n_redacted,
            },
        )


@dataclass(slots=True)
class _Pace:
    """How many lines the log gets."""

    second: int = 0
    n_written: int = 0
    n_left_out: int = 0

    def allows_line(self, now_s: float) -> bool:
        if int(now_s) != self.second:
            if self.n_left_out:
                _log.warning("%d calls have no line, there were too many", self.n_left_out)
            self.second, self.n_written, self.n_left_out = int(now_s), 0, 0
        if self.n_written >= _MAX_LINES:
            self.n_left_out += 1
            return False
        self.n_written += 1
        return True


_pace = _Pace()


def known_method(method: str) -> str:
    return method if method in METHODS or method in SYSTEM else UNKNOWN_METHOD


def plain_id(request_id: RequestId) -> str | int:
    """The id, where it cannot hold a text, else its type in parentheses."""
    if request_id is NO_ID:
        return "(none)"
    if request_id is None:
        return "(null)"
    if isinstance(request_id, int):
        return request_id if request_id.bit_length() <= _MAX_INTEGER_BITS else "(integer)"
    is_plain = isinstance(request_id, str) and _PLAIN_ID.fullmatch(request_id)
    return str(request_id) if is_plain else "(string)"
