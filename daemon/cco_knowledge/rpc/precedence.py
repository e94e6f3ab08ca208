"""Whoever has few calls at work goes before those who have many."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cco_knowledge.turns import FairSemaphore, Lately

_FEW = 4
"""Calls of one peer: an agent has one or two."""
_AT_ONCE = 32
"""Of peers with many: enough for all cores, and for commits that many share."""
_BESIDE_OTHERS = 1
"""The same while somebody else is being served."""
_PAUSE = 2
"""So many times as long as the work took; what is not called yet may be anybody's."""
_LONG_PAUSE = 8
"""The same while somebody with few calls is being served."""
_LONGEST_PAUSE_S = 0.05
_LONG_S = 1.0
"""What takes longer waits for the model most of the time, where callers take turns anyway."""


class Precedence:
    """Calls of peers with few at once; those of peers with many in turns, and not on all cores.

    Otherwise one program that calls without end has both cores, and each step of anybody else's
    call waits for one.
    """

    def __init__(self) -> None:
        self._many = FairSemaphore(_AT_ONCE)
        self._served = Lately()
        """Peers with few calls."""

    @asynccontextmanager
    async def turn(self, peer: int | None, n_calls: int) -> AsyncIterator[None]:
        """Around a call of a peer that has so many at work."""
        if n_calls <= _FEW:
            self._served.note(peer)  # for a while it counts as being served: more may follow
            yield
            self._served.note(peer)
            return
        self._served.forget(peer)  # it does not go before itself
        self._look()
        await self._many.enter()
        place = _Place(self)
        try:
            yield
        finally:
            place.leave()

    def leave(self) -> None:
        self._look()
        self._many.leave()

    @property
    def is_asked_for(self) -> bool:
        """Whether a peer with few calls has been served lately."""
        return self._served.is_anybody

    def pause_s(self, took_s: float) -> float:
        """For so long nobody who waits goes on, after work for others that took so long."""
        longer = _LONG_PAUSE if self.is_asked_for else _PAUSE
        return min(longer * took_s, _LONGEST_PAUSE_S)

    def _look(self) -> None:
        self._many.n_at_once = _BESIDE_OTHERS if self.is_asked_for else _AT_ONCE


class _Place:
    """Of one call, until its end, or until it turns out to be long."""

    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence
        self._is_left = False
        self._leaving = asyncio.get_running_loop().call_later(_LONG_S, self.leave)

    def leave(self) -> None:
        self._leaving.cancel()
        if not self._is_left:
            self._is_left = True
            self._precedence.leave()
