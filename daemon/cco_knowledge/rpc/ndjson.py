"""One JSON value a line, both ways. Responses may come in any order."""

import asyncio
import time

from cco_knowledge.errors import Overloaded
from cco_knowledge.rpc.caller import Caller
from cco_knowledge.rpc.dispatch import MAX_REQUEST_BYTES, Dispatcher
from cco_knowledge.rpc.errors import WireError, to_wire
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import has_hung_up
from cco_knowledge.rpc.receiving import Reading
from cco_knowledge.rpc.stall import Stall
from cco_knowledge.shares import BUSY_MS

_MAX_CALLS_AT_ONCE = 16
"""On one connection; further lines wait, and nothing more is read until an answer is out."""
_BLANK = b" \t\r\n"
_DROPPED_AT_ONCE = 64
"""Lines of a peer that is gone, in one turn of the loop: a millisecond."""


class NdjsonConnection:
    """Bytes of one connection in, answers out."""

    def __init__(
        self,
        transport: asyncio.Transport,
        reading: Reading,
        dispatcher: Dispatcher,
        stall: Stall,
        caller: Caller,
    ) -> None:
        """What is notified to the caller goes this way."""
        self._transport = transport
        self._reading = reading
        self._dispatcher = dispatcher
        self._stall = stall
        self._caller = caller
        caller.notify = self._notify
        self._unread = bytearray()
        """What has come and is in no call yet: the next lines, or a part of one."""
        self._line_end = -1
        """In `_unread`; -1 while it holds no whole line."""
        self._came_s = 0.0
        self._is_skipping = False
        self._calls: dict[asyncio.Task[None], Arrival] = {}
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._is_ended = False
        self._is_for_nobody = False

    @property
    def is_idle(self) -> bool:
        return not (self._calls or self._unread or self._is_skipping)

    def data_received(self, data: bytes) -> None:
        if self._is_ended:
            return
        self._take(len(data))
        self._came_s = time.perf_counter()
        searched = len(self._unread)
        self._unread += data
        if self._line_end < 0:
            self._find_line(searched)
        self._go_on()

    def eof_received(self) -> bool:
        """The peer sends no more; what it asked is still answered."""
        self._is_ended = True
        return bool(self._calls or self._line_end >= 0)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Nobody reads the answers any more. A store that was sent is stored all the same."""
        self._is_ended = True
        self.abandon()
        self._is_writable.set()
        self._go_on()

    def abandon(self) -> None:
        """What would only be read for this peer need not be read."""
        self._is_for_nobody = True
        for arrival in self._calls.values():
            arrival.held.abandon()

    def pause_writing(self) -> None:
        """The peer does not read its answers: then neither do we read its requests."""
        self._is_writable.clear()
        self._go_on()

    def resume_writing(self) -> None:
        self._is_writable.set()
        self._go_on()

    def _take(self, n_bytes: int) -> None:
        self._dispatcher.requests_share.take(self._caller.origin.peer, n_bytes)

    def _give_back(self, n_bytes: int) -> None:
        self._dispatcher.requests_share.give_back(self._caller.origin.peer, n_bytes)

    def _drop_unread(self) -> None:
        self._give_back(len(self._unread))
        self._unread.clear()

    def _find_line(self, searched: int) -> None:
        """Looks only at what is new. Empty lines are nothing."""
        self._line_end = self._unread.find(b"\n", searched)
        if self._line_end >= 0 and not self._is_skipping and (n_blank := _blank(self._unread)):
            del self._unread[:n_blank]
            self._give_back(n_blank)
            self._line_end = self._unread.find(b"\n")
        if self._line_end >= 0 or self._is_skipping:
            return
        if len(self._unread) > MAX_REQUEST_BYTES:
            self._skip(too_large())
        elif not self._dispatcher.requests_share.fits(self._caller.origin.peer, 0):
            self._skip(too_much_unanswered())

    def _skip(self, error: WireError) -> None:
        """The rest of a line that is refused before it is whole."""
        self._is_skipping = True
        arrival = Arrival(self._caller, len(self._unread))
        self._send(self._dispatcher.refuse(error, arrival))

    def _next_line(self) -> bytes | None:
        """None: it is not to be answered, or not any more."""
        line = bytes(self._unread[: self._line_end])
        del self._unread[: self._line_end + 1]
        self._give_back(1)
        was_skipped, self._is_skipping = self._is_skipping, False
        self._find_line(0)
        if not was_skipped and len(line) <= MAX_REQUEST_BYTES:
            return line
        self._give_back(len(line))
        if not was_skipped:
            arrival = Arrival(self._caller, len(line))
            self._send(self._dispatcher.refuse(too_large(), arrival))
        return None

    def _go_on(self) -> None:
        """Begin what waits, then read on, or stop reading: a peer is not late meanwhile."""
        n_dropped = 0
        while self._line_end >= 0 and self._may_begin():
            if n_dropped == _DROPPED_AT_ONCE:
                asyncio.get_running_loop().call_soon(self._go_on)
                break
            self._stall.stop()
            if (line := self._next_line()) is None:
                continue
            if self._is_for_nobody and self._dispatcher.only_reads(line):
                n_dropped += 1
                self._give_back(len(line))
            else:
                self._begin(line)
        is_closing = self._transport.is_closing()
        if self._line_end < 0 and (self._is_skipping or is_closing):
            self._drop_unread()
        if is_closing:
            return
        if self._line_end >= 0 or not self._may_begin():
            self._reading.pause()
            self._stall.stop()
            return
        self._reading.resume()
        if self._unread or self._is_skipping:
            self._stall.start()

    def _may_begin(self) -> bool:
        return len(self._calls) < _MAX_CALLS_AT_ONCE and self._is_writable.is_set()

    def _begin(self, line: bytes) -> None:
        arrival = Arrival(self._caller, len(line), self._came_s)
        if self._is_for_nobody:
            arrival.held.abandon()
        call = asyncio.create_task(self._answer(line, arrival))
        self._calls[call] = arrival
        call.add_done_callback(self._answered)

    async def _answer(self, line: bytes, arrival: Arrival) -> None:
        try:
            with self._dispatcher.accepted(arrival):
                response = await self._dispatcher.answer(line, arrival)
                while not self._is_writable.is_set():  # another answer may have been first
                    await self._is_writable.wait()
                if response is not None:
                    self._send(response)
                self._is_ended |= self._caller.is_refused  # what has come is still answered
        finally:
            self._give_back(arrival.n_bytes)

    def _send(self, message: bytes) -> None:
        """Not to a peer that has gone: that would end the connection before all is read of it."""
        if self._transport.is_closing():
            return
        if has_hung_up(self._transport.get_extra_info("socket").fileno()):
            self.abandon()
        if not self._is_for_nobody:
            self._transport.write(message + b"\n")

    def _notify(self, message: bytes) -> bool:
        """A peer that does not read misses what can be missed."""
        if self._is_for_nobody or self._transport.is_closing():
            return False
        if self._is_writable.is_set():
            self._send(message)
        return True

    def _answered(self, call: "asyncio.Task[None]") -> None:
        del self._calls[call]
        self._go_on()
        if self._is_ended and not self._calls and self._line_end < 0:
            self._transport.close()


def _blank(data: bytearray) -> int:
    """How many bytes of empty lines it begins with."""
    if data[0] not in _BLANK:
        return 0
    return data.rfind(b"\n", 0, len(data) - len(data.lstrip(_BLANK))) + 1


def too_large() -> WireError:
    return WireError("too_large", f"A request has at most {MAX_REQUEST_BYTES} bytes.")


def too_much_unanswered() -> WireError:
    waiting = Overloaded("Too much waits to be answered.", retry_after_ms=BUSY_MS)
    return to_wire(waiting)
