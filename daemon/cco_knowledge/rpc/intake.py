"""When a message is parsed: that holds up everybody, so callers take turns at it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cco_knowledge.rpc.precedence import Precedence
from cco_knowledge.turns import ORIGIN, FairSemaphore, Pace, Seldom

_LARGE_BYTES = 64 << 10
"""From here on it takes long; 16 MiB of brackets take 0.5 s."""
_CALLS_AT_ONCE = 4
"""Begun in one turn of the event loop, which others wait for."""


class Intake:
    """Small messages a few in each turn of the event loop, large ones at their pace.

    Each further call of a batch has its turn too.
    """

    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence
        self._small = FairSemaphore(_CALLS_AT_ONCE)
        self._large = Pace()
        self._seldom = Seldom()
        self._n_begun = 0
        """In this turn."""

    @asynccontextmanager
    async def turn(self, n_bytes: int) -> AsyncIterator[None]:
        """Around the parsing, which must not wait for anything."""
        self._large.note_origin()
        if n_bytes < _LARGE_BYTES:
            await self.small_turn()
            yield
        else:
            async with self._large.turn():
                yield

    async def small_turn(self) -> None:
        if self._seldom.is_due(ORIGIN.get().peer):
            return
        await self._small.enter()
        if not self._n_begun:
            asyncio.get_running_loop().call_soon(self._end_turn, time.thread_time())
        self._n_begun += 1

    def _end_turn(self, begun_s: float) -> None:
        n_begun, self._n_begun = self._n_begun, 0
        if self._small.n_waiting and not self._large.is_alone:
            pause_s = self._precedence.pause_s(time.thread_time() - begun_s)
            asyncio.get_running_loop().call_later(pause_s, self._leave, n_begun)
        else:
            self._leave(n_begun)

    def _leave(self, n_begun: int) -> None:
        for _ in range(n_begun):
            self._small.leave()
