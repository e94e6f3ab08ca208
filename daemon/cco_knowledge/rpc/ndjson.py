"""One JSON value a line, both ways. Responses may come in any order."""

import asyncio
from collections import deque

from cco_knowledge.rpc.caller import Caller
from cco_knowledge.rpc.dispatch import MAX_REQUEST_BYTES, Dispatcher
from cco_knowledge.rpc.errors import WireError
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.stall import Stall

_MAX_CALLS_AT_ONCE = 16
"""On one connection; further lines wait, and nothing more is read until an answer is out."""


class NdjsonConnection:
    """Bytes of one connection in, answers out."""

    def __init__(
        self,
        transport: asyncio.Transport,
        dispatcher: Dispatcher,
        stall: Stall,
        caller: Caller,
    ) -> None:
        """What is notified to the caller goes this way."""
        self._transport = transport
        self._dispatcher = dispatcher
        self._stall = stall
        self._caller = caller
        caller.notify = self._notify
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_skipping = False
        self._lines: deque[tuple[bytes, Arrival]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._is_ended = False

    def data_received(self, data: bytes) -> None:
        if self._is_ended:
            return
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._add(end)
            self._end_line()
            self._stall.stop()
        if rest:
            self._add(rest)
        self._go_on()

    def eof_received(self) -> bool:
        """The peer sends no more; what it asked is still answered."""
        self._is_ended = True
        return bool(self._calls or self._lines)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Nobody reads the answers any more. Calls go on: a store that was sent is stored."""
        self._is_ended = True
        self._is_writable.set()

    def pause_writing(self) -> None:
        """The peer does not read its answers: then neither do we read its requests."""
        self._is_writable.clear()
        self._go_on()

    def resume_writing(self) -> None:
        self._is_writable.set()
        self._go_on()

    def _add(self, piece: bytes) -> None:
        if self._is_skipping:
            return
        self._pieces.append(piece)
        self._size_bytes += len(piece)
        if self._size_bytes > MAX_REQUEST_BYTES:
            self._pieces.clear()
            self._is_skipping = True
            arrival = Arrival(self._caller, self._size_bytes)
            self._transport.write(self._dispatcher.refuse(too_large(), arrival) + b"\n")

    def _end_line(self) -> None:
        line = b"".join(self._pieces)
        was_skipping = self._is_skipping
        self._pieces.clear()
        self._size_bytes = 0
        self._is_skipping = False
        if was_skipping or not line.strip():
            return
        self._lines.append((line, Arrival(self._caller, len(line))))

    def _go_on(self) -> None:
        """Begin what waits, then read on, or stop reading: a peer is not late meanwhile."""
        while self._lines and self._may_begin():
            call = asyncio.create_task(self._answer(*self._lines.popleft()))
            self._calls.add(call)
            call.add_done_callback(self._answered)
        if self._transport.is_closing():
            return
        if self._lines or not self._may_begin():
            self._transport.pause_reading()
            self._stall.stop()
            return
        self._transport.resume_reading()
        if self._pieces or self._is_skipping:
            self._stall.start()

    def _may_begin(self) -> bool:
        return len(self._calls) < _MAX_CALLS_AT_ONCE and self._is_writable.is_set()

    async def _answer(self, line: bytes, arrival: Arrival) -> None:
        with self._dispatcher.accepted():
            response = await self._dispatcher.answer(line, arrival)
            await self._is_writable.wait()
            if response is not None and not self._transport.is_closing():
                self._transport.write(response + b"\n")
            self._is_ended |= self._caller.is_refused  # what has come is still answered

    def _notify(self, message: bytes) -> bool:
        """A peer that does not read misses what can be missed."""
        if self._transport.is_closing():
            return False
        if self._is_writable.is_set():
            self._transport.write(message + b"\n")
        return True

    def _answered(self, call: "asyncio.Task[None]") -> None:
        self._calls.discard(call)
        self._go_on()
        if self._is_ended and not self._calls:
            self._transport.close()


def too_large() -> WireError:
    return WireError("too_large", f"A request has at most {MAX_REQUEST_BYTES} bytes.")
