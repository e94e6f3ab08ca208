"""When a message is parsed: that holds up everybody, so callers take turns at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cco_knowledge.turns import FairSemaphore, Pace

_LARGE_BYTES = 64 << 10
"""From here on it takes long; 16 MiB of brackets take 0.5 s."""
_CALLS_AT_ONCE = 16
"""Begun in one turn of the event loop, which others wait for."""


class Intake:
    """Small messages a few in each turn of the event loop, large ones at their pace.

    Each further call of a batch has its turn too.
    """

    def __init__(self) -> None:
        self._small = FairSemaphore(_CALLS_AT_ONCE)
        self._large = Pace()

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
        await self._small.enter()
        asyncio.get_running_loop().call_soon(self._small.leave)
