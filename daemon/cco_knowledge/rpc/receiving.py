"""How much is read in one turn of the event loop, and from whom: peers in turn.

The loop reads from every connection that has something to read, before anybody's call goes on. Of a
hundred that flood it that is 30 ms, and a call takes a dozen turns.
"""

import asyncio
import time

from cco_knowledge.rpc.precedence import Precedence
from cco_knowledge.turns import Origin, Seldom, Turns

_BYTES = 64 << 10
"""At once from one connection, and all in all in one turn, but for `_LEAST_BYTES` of each: a
request of usual size comes at once."""
_LEAST_BYTES = 4 << 10
_READS_AT_ONCE = 4
"""Whoever comes later in a turn is read from again when all others were."""


class Receiving:
    """What all connections share."""

    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence
        self._buffer = memoryview(bytearray(_BYTES))
        self._n_bytes = 0
        self._n_reads = 0
        self._waiting = Turns[Reading]()
        self._seldom = Seldom()
        self._is_going_on = False

    def room(self) -> memoryview:
        """Used by one connection at a time, and only as long as it reads."""
        return self._buffer[: max(_LEAST_BYTES, _BYTES - self._n_bytes)]

    def taken(self, n_bytes: int) -> bytes:
        if not self._n_reads:
            asyncio.get_running_loop().call_soon(self._count_anew)
        self._n_reads += 1
        self._n_bytes += n_bytes
        return bytes(self._buffer[:n_bytes])

    def has_read(self, reading: "Reading", origin: Origin) -> None:
        if self._n_reads > _READS_AT_ONCE and not self._seldom.is_due(origin.peer):
            reading.end_turn()
            self._waiting.add(origin, reading)
            if not self._is_going_on:
                self._is_going_on = True
                asyncio.get_running_loop().call_soon(self._go_on)

    def forget(self, reading: "Reading", origin: Origin) -> None:
        self._waiting.remove(origin, reading)

    def _count_anew(self) -> None:
        self._n_bytes = self._n_reads = 0

    def _go_on(self) -> None:
        for _ in range(min(_READS_AT_ONCE, len(self._waiting))):
            self._waiting.pop().begin_turn()
        self._is_going_on = bool(self._waiting)
        if self._is_going_on:
            loop, begun_s = asyncio.get_running_loop(), time.thread_time()
            # They are read from in the next turn, behind what is called then.
            loop.call_soon(loop.call_soon, self._pause, begun_s)

    def _pause(self, begun_s: float) -> None:
        took_s = time.thread_time() - begun_s
        asyncio.get_running_loop().call_later(self._precedence.pause_s(took_s), self._go_on)


class Reading:
    """A connection is read from if its framing wants more, and it is its turn."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._is_wanted = True
        self._is_its_turn = True

    def pause(self) -> None:
        self._is_wanted = False
        self._transport.pause_reading()

    def resume(self) -> None:
        self._is_wanted = True
        if self._is_its_turn:
            self._transport.resume_reading()

    def end_turn(self) -> None:
        self._is_its_turn = False
        self._transport.pause_reading()

    def begin_turn(self) -> None:
        self._is_its_turn = True
        if self._is_wanted:
            self._transport.resume_reading()
