"""When a message is parsed: that holds up everybody, so callers take turns at it."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from cco_knowledge.turns import Origin, Turns

_LARGE_BYTES = 64 << 10
_SMALL_AT_ONCE = 8
"""In one turn of the event loop, which others wait for."""
_PAUSE = 20
"""After a large message: so many times as long as it took; 16 MiB of brackets take 0.5 s."""
_ALONE_S = 1.0
"""Whoever has been alone for so long holds up nobody, and need not pause."""


class Intake:
    """Small messages a few in each turn of the event loop, large ones singly and with pauses."""

    def __init__(self) -> None:
        self._small = Turns[asyncio.Future[None]]()
        self._large = Turns[asyncio.Future[None]]()
        self._places = _SMALL_AT_ONCE
        self._is_large_free = True
        self._is_renewing = False
        self._last_origin: Origin | None = None
        self._others_came_s = -_ALONE_S
        """The last time that a message came from another connection than the one before."""

    @asynccontextmanager
    async def turn(self, origin: Origin, n_bytes: int) -> AsyncIterator[None]:
        """Around the parsing, which must not wait for anything."""
        if origin != self._last_origin:
            self._last_origin = origin
            self._others_came_s = time.monotonic()
        if n_bytes < _LARGE_BYTES:
            await self._small_turn(origin)
            yield
            return
        await self._large_turn(origin)
        begun_s = time.thread_time()
        gc.disable()  # it would look at millions of new objects again and again, for 2 s
        try:
            yield
        finally:
            gc.enable()
            is_alone = time.monotonic() - self._others_came_s > _ALONE_S
            pause_s = 0.0 if is_alone else _PAUSE * (time.thread_time() - begun_s)
            asyncio.get_running_loop().call_later(pause_s, self._next_large)

    async def _small_turn(self, origin: Origin) -> None:
        if not self._is_renewing:
            self._is_renewing = True
            asyncio.get_running_loop().call_soon(self._renew)
        if self._places and not self._small:
            self._places -= 1
        else:
            await _wait(self._small, origin, self._give_place_back)

    def _renew(self) -> None:
        """In each turn of the loop, as long as messages come."""
        was_used = self._places < _SMALL_AT_ONCE
        self._places = _SMALL_AT_ONCE
        while self._places and self._small:
            self._places -= _begin(self._small.pop())
        self._is_renewing = was_used or self._places < _SMALL_AT_ONCE
        if self._is_renewing:
            asyncio.get_running_loop().call_soon(self._renew)

    def _give_place_back(self) -> None:
        self._places += 1

    async def _large_turn(self, origin: Origin) -> None:
        if self._is_large_free:
            self._is_large_free = False
        else:
            await _wait(self._large, origin, self._next_large)

    def _next_large(self) -> None:
        while self._large:
            if _begin(self._large.pop()):
                return
        self._is_large_free = True


async def _wait(
    turns: "Turns[asyncio.Future[None]]", origin: Origin, give_back: Callable[[], None]
) -> None:
    turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    turns.add(origin, turn)
    try:
        await turn
    except asyncio.CancelledError:
        turns.remove(origin, turn)
        if turn.done() and not turn.cancelled():
            give_back()
        raise


def _begin(turn: "asyncio.Future[None]") -> bool:
    """False where nobody waits for it any more."""
    if turn.done():
        return False
    turn.set_result(None)
    return True
