"""What is told of a call, and no word of what it said: one line in the log, and counts."""

import logging
import re
import time
from dataclasses import dataclass, field

from cco_knowledge.metrics import CallCounts
from cco_knowledge.rpc.envelope import NO_ID, RequestId
from cco_knowledge.rpc.methods import METHODS, SYSTEM
from cco_knowledge.rpc.system import Notify

UNKNOWN_METHOD = "unknown"

_PLAIN_ID = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_MAX_INTEGER_BITS = 63

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that has come in whole."""

    peer_pid: int | None
    n_bytes: int
    notify: Notify | None = None
    """None where the framing has no way back but the answer."""
    at_s: float = field(default_factory=time.perf_counter)


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
        _log.info(
            "call",
            extra={
                "id": plain_id(self.id),
                "method": method,
                "peer": self.arrival.peer_pid,
                "outcome": outcome,
                "queue_ms": round(waited_s * 1000, 1),
                "ms": round(worked_s * 1000, 1),
                "bytes_in": self.arrival.n_bytes,
                "bytes_out": n_bytes,
                "redacted": self.n_redacted,
            },
        )


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
