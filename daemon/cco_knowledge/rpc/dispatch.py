"""From one message to its answer: parse, find the method, check params, call, answer."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cco_knowledge.errors import (
    MAX_ANSWER_BYTES,
    DeadlineExceeded,
    Overloaded,
    Unauthorized,
    Unavailable,
    answer_too_large,
)
from cco_knowledge.metrics import CallCounts
from cco_knowledge.rpc import envelope, params, reading
from cco_knowledge.rpc.answers import n_redacted
from cco_knowledge.rpc.envelope import NO_ID, Call
from cco_knowledge.rpc.errors import WireError, to_wire
from cco_knowledge.rpc.intake import Intake
from cco_knowledge.rpc.methods import METHODS, SYSTEM, Deadline, Method, Signature
from cco_knowledge.rpc.observed import Arrival, ObservedCall
from cco_knowledge.rpc.precedence import Precedence
from cco_knowledge.rpc.system import Host
from cco_knowledge.service import KnowledgeService
from cco_knowledge.shares import BUSY_MS, Shares
from cco_knowledge.turns import ORIGIN

MAX_REQUEST_BYTES = 16 << 20
_SMALL_ANSWER_BYTES = 64 << 10
"""Of which there is always room for as many as there can be calls."""


@dataclass(slots=True)
class Dispatcher:
    """Answers messages of either framing.

    Calls that come while the service is still loading wait for it, within their deadline.
    """

    host: Host
    """What the methods of `SYSTEM` are about."""
    deadlines_s: Mapping[Deadline, float]
    service: "asyncio.Future[KnowledgeService]"
    draining: bool = False
    n_calls: int = 0
    calls: CallCounts = field(default_factory=CallCounts)
    requests_share: Shares = field(default_factory=lambda: Shares(64 << 20))
    """Bytes that have come in and are not answered."""
    answers_share: Shares = field(default_factory=lambda: Shares(256 << 20))
    """Bytes that are not sent."""
    calls_share: Shares = field(default_factory=lambda: Shares(4096))
    precedence: Precedence = field(default_factory=Precedence)
    in_flight: "set[asyncio.Task[Any]]" = field(default_factory=set)
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    _intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self._intake = Intake(self.precedence)

    @contextlib.contextmanager
    def accepted(self, arrival: Arrival) -> Iterator[None]:
        """Around a request, until its answer is written: a stopping daemon waits for it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # both framings call from a task
        self.in_flight.add(task)
        ORIGIN.set(arrival.caller.origin)
        try:
            yield
        finally:
            self.in_flight.discard(task)
            self.calls_share.give_back(arrival.caller.origin.peer, arrival.held.calls)
            self.answers_share.give_back(arrival.caller.origin.peer, arrival.held.answer_bytes)

    def cut(self) -> None:
        """End all calls that are at work, as if their time were over: each is answered."""
        now_s = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now_s)

    async def answer(self, raw: bytes, arrival: Arrival) -> bytes | None:
        """The response, or None where the message asks for none."""
        try:
            arrival.caller.check_size(len(raw))
            async with self._intake.turn(len(raw)):
                message = envelope.parse(raw)
        except (Unauthorized, WireError) as error:
            return self.refuse(to_wire(error), arrival)
        first, *further = message.parts
        if not message.is_batch:  # a task of its own would cost as much as a ping
            return await self._part(first, arrival)
        answers = await asyncio.gather(
            self._part(first, arrival), *(self._in_turn(part, arrival) for part in further)
        )
        return envelope.joined([answer for answer in answers if answer is not None])

    def only_reads(self, raw: bytes) -> bool:
        """Whether nothing is missed where nobody waits for the answer."""
        try:
            calls = envelope.parse(raw).parts
        except WireError:
            return True
        return all(isinstance(call, WireError) or _only_reads(call.method) for call in calls)

    async def _in_turn(self, part: Call | WireError, arrival: Arrival) -> bytes | None:
        await self._intake.small_turn()
        return await self._part(part, arrival)

    async def _part(self, part: Call | WireError, arrival: Arrival) -> bytes | None:
        if isinstance(part, WireError):
            return self.refuse(part, arrival)
        self.n_calls += 1
        observed = ObservedCall(self.calls, arrival, part.id, part.method)
        outcome, response = "cancelled", b""
        try:
            self._admit(arrival)
            result = await self._call(part, observed)
            observed.n_redacted = n_redacted(result)
            outcome, response = "ok", self._fitting(envelope.success(part.id, result), arrival)
        except (Exception, asyncio.CancelledError) as error:  # the boundary: every call is answered
            if _is_to_end(error):
                raise
            wire = to_wire(error)
            outcome = "cancelled" if arrival.held.is_for_nobody else wire.reason
            response = envelope.failure(part.id, wire)
        finally:
            observed.end(outcome, 0 if part.id is NO_ID else len(response))
        return None if part.id is NO_ID else response

    def _admit(self, arrival: Arrival) -> None:
        peer = arrival.caller.origin.peer
        if not self.calls_share.fits(peer, 1):
            raise Overloaded("Too many calls are at work.", retry_after_ms=BUSY_MS)
        self.calls_share.take(peer, 1)
        arrival.held.calls += 1

    def _fitting(self, response: bytes, arrival: Arrival) -> bytes:
        """Counted until it is written."""
        peer, n_bytes = arrival.caller.origin.peer, len(response)
        if n_bytes > _SMALL_ANSWER_BYTES:
            if arrival.held.answer_bytes + n_bytes > MAX_ANSWER_BYTES:
                raise answer_too_large()
            if not self.answers_share.fits(peer, n_bytes):
                raise Overloaded("Read the answers that wait first.", retry_after_ms=BUSY_MS)
        self.answers_share.take(peer, n_bytes)
        arrival.held.answer_bytes += n_bytes
        return response

    async def _call(self, call: Call, observed: ObservedCall) -> object:
        caller = observed.arrival.caller
        caller.admit(call.method)
        if (of_daemon := SYSTEM.get(call.method)) is not None:
            caller.check_role(of_daemon.role)
            given = reading.read(of_daemon.params, call.params)
            observed.begin()
            return await of_daemon.handler(self.host, given, caller)
        method = METHODS.get(call.method)
        if method is None:
            raise WireError("method_not_found", "This method does not exist.")
        caller.check_role(method.role)
        if self.draining:
            raise Unavailable("The daemon is stopping. Try again in a moment.")
        given = reading.read(method.params, call.params)
        return await self._within_deadline(method, given, observed, caller.projects)

    async def _within_deadline(
        self,
        method: Method,
        given: params.Params,
        observed: ObservedCall,
        projects: Sequence[str] | None,
    ) -> object:
        deadline_s = self.deadlines_s[method.deadline]
        held = observed.arrival.held
        if method.only_reads and held.is_for_nobody:
            deadline_s = 0.0
        try:
            async with asyncio.timeout(deadline_s) as limit:
                reads = held.reads if method.only_reads else set()
                with _among(limit, self._limits), _among(limit, reads):
                    service = await asyncio.shield(self.service)
                    peer = observed.arrival.caller.origin.peer
                    async with self.precedence.turn(peer, self.calls_share.held(peer)):
                        observed.begin()
                        return await method.handler(service.limited_to(projects), given)
        except TimeoutError as error:
            what = f"The call took longer than {deadline_s:g} s."
            if self.draining:
                what = "The daemon stopped before the call was done."
            raise DeadlineExceeded(
                f"{what} What it was writing may still be stored; sending it again does no harm."
            ) from error

    def refuse(self, error: WireError, arrival: Arrival) -> bytes:
        """The answer to what is no valid request, and so is never called."""
        response = envelope.failure(error.request_id, error)
        ObservedCall(self.calls, arrival, error.request_id).end(error.reason, len(response))
        return response


def _only_reads(name: str) -> bool:
    """Authenticating changes what later calls may do."""
    method: Signature | None = METHODS.get(name) or SYSTEM.get(name)
    return method is None or (method.only_reads and name != "system.authenticate")


@contextlib.contextmanager
def _among(limit: asyncio.Timeout, limits: set[asyncio.Timeout]) -> Iterator[None]:
    limits.add(limit)
    try:
        yield
    finally:
        limits.discard(limit)


def _is_to_end(error: BaseException) -> bool:
    """Whether the call itself was cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    is_ours = task is not None and task.cancelling() > 0
    return isinstance(error, asyncio.CancelledError) and is_ours
