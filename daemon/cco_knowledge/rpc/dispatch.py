"""From one message to its answer: parse, find the method, check params, call, answer."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cco_knowledge.errors import DeadlineExceeded, Unavailable
from cco_knowledge.metrics import CallCounts
from cco_knowledge.rpc import envelope, params, reading
from cco_knowledge.rpc.answers import n_redacted
from cco_knowledge.rpc.envelope import NO_ID, Call
from cco_knowledge.rpc.errors import WireError, to_wire
from cco_knowledge.rpc.methods import METHODS, SYSTEM, Deadline, Method
from cco_knowledge.rpc.observed import Arrival, ObservedCall
from cco_knowledge.rpc.system import Host
from cco_knowledge.service import KnowledgeService

MAX_REQUEST_BYTES = 16 << 20


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
    in_flight: "set[asyncio.Task[Any]]" = field(default_factory=set)
    _limits: set[asyncio.Timeout] = field(default_factory=set)

    @contextlib.contextmanager
    def accepted(self) -> Iterator[None]:
        """Around a request, until its answer is written: a stopping daemon waits for it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # both framings call from a task
        self.in_flight.add(task)
        try:
            yield
        finally:
            self.in_flight.discard(task)

    def cut(self) -> None:
        """End all calls that are at work, as if their time were over: each is answered."""
        now_s = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now_s)

    async def answer(self, raw: bytes, arrival: Arrival) -> bytes | None:
        """The response, or None where the message asks for none."""
        try:
            message = envelope.parse(raw)
        except WireError as error:
            return self.refuse(error, arrival)
        answers = await asyncio.gather(*(self._part(part, arrival) for part in message.parts))
        return envelope.joined(
            [answer for answer in answers if answer is not None], is_batch=message.is_batch
        )

    async def _part(self, part: Call | WireError, arrival: Arrival) -> bytes | None:
        if isinstance(part, WireError):
            return self.refuse(part, arrival)
        self.n_calls += 1
        observed = ObservedCall(self.calls, arrival, part.id, part.method)
        outcome, response = "cancelled", b""
        try:
            result = await self._call(part, observed)
            observed.n_redacted = n_redacted(result)
            outcome, response = "ok", envelope.success(part.id, result)
        except Exception as error:  # noqa: BLE001  # the boundary: every call is answered
            wire = to_wire(error)
            outcome, response = wire.reason, envelope.failure(part.id, wire)
        finally:
            observed.end(outcome, 0 if part.id is NO_ID else len(response))
        return None if part.id is NO_ID else response

    async def _call(self, call: Call, observed: ObservedCall) -> object:
        if (of_daemon := SYSTEM.get(call.method)) is not None:
            given = reading.read(of_daemon.params, call.params)
            observed.begin()
            return await of_daemon.handler(self.host, given, observed.arrival.notify)
        method = METHODS.get(call.method)
        if method is None:
            raise WireError("method_not_found", "This method does not exist.")
        if self.draining:
            raise Unavailable("The daemon is stopping. Try again in a moment.")
        given = reading.read(method.params, call.params)
        return await self._within_deadline(method, given, observed)

    async def _within_deadline(
        self, method: Method, given: params.Params, observed: ObservedCall
    ) -> object:
        deadline_s = self.deadlines_s[method.deadline]
        try:
            async with asyncio.timeout(deadline_s) as limit:
                with self._limited(limit):
                    service = await asyncio.shield(self.service)
                    observed.begin()
                    return await method.handler(service, given)
        except TimeoutError as error:
            what = f"The call took longer than {deadline_s:g} s."
            if self.draining:
                what = "The daemon stopped before the call was done."
            raise DeadlineExceeded(
                f"{what} What it was writing may still be stored; sending it again does no harm."
            ) from error

    @contextlib.contextmanager
    def _limited(self, limit: asyncio.Timeout) -> Iterator[None]:
        self._limits.add(limit)
        try:
            yield
        finally:
            self._limits.discard(limit)

    def refuse(self, error: WireError, arrival: Arrival) -> bytes:
        """The answer to what is no valid request, and so is never called."""
        response = envelope.failure(error.request_id, error)
        ObservedCall(self.calls, arrival, error.request_id).end(error.reason, len(response))
        return response
