"""Who goes first: peers with few calls at work, or those with many?"""

import asyncio
import contextlib

import pytest

from cco_knowledge import turns
from cco_knowledge.rpc import precedence
from cco_knowledge.rpc.precedence import Precedence

FEW, MANY = (1, 1), (2, 100)
"""A peer, and how many calls it has."""


class Calls:
    """Each stays until all are told to end."""

    def __init__(self, of: Precedence) -> None:
        self._of = of
        self.n_begun = 0
        self._may_end = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, peer: tuple[int, int], *, times: int = 1) -> None:
        """As far as they get at once."""
        self._tasks |= {asyncio.create_task(self._call(peer)) for _ in range(times)}
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def end(self) -> None:
        self._may_end.set()
        await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _call(self, peer: tuple[int, int]) -> None:
        async with self._of.turn(*peer):
            self.n_begun += 1
            await self._may_end.wait()


async def test_a_peer_alone_has_as_many_calls_at_work_as_use_all_cores() -> None:
    calls = Calls(Precedence())
    await calls.begin(MANY, times=100)
    assert calls.n_begun == 32
    await calls.end()
    assert calls.n_begun == 100


async def test_beside_others_it_has_one_and_they_wait_for_none() -> None:
    calls = Calls(Precedence())
    await calls.begin(FEW)
    await calls.begin(MANY, times=100)
    assert calls.n_begun == 2
    await calls.begin(FEW, times=50)
    assert calls.n_begun == 52
    await calls.end()
    assert calls.n_begun == 151


async def test_it_has_all_again_when_the_others_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    of = Precedence()
    async with of.turn(*FEW):
        pass
    monkeypatch.setattr(turns, "_LATELY_S", 0)
    assert not of.is_asked_for
    calls = Calls(of)
    await calls.begin(MANY, times=100)
    assert calls.n_begun == 32
    await calls.end()


async def test_nobody_goes_before_himself() -> None:
    of = Precedence()
    peer, n_calls = MANY
    async with of.turn(peer, 1):
        pass
    calls = Calls(of)
    await calls.begin((peer, n_calls), times=100)
    assert calls.n_begun == 32
    await calls.end()


async def test_what_takes_long_lets_the_next_one_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedence, "_LONG_S", 0)
    calls = Calls(Precedence())
    await calls.begin(FEW)
    await calls.begin(MANY, times=3)
    async with asyncio.timeout(10):
        while calls.n_begun < 4:  # noqa: ASYNC110  # turn by turn
            await asyncio.sleep(0)
    await calls.end()


async def test_whoever_fails_or_stops_waiting_leaves_the_place_to_the_next() -> None:
    of = Precedence()
    async with of.turn(*FEW):
        pass
    with contextlib.suppress(ZeroDivisionError):
        async with of.turn(*MANY):
            raise ZeroDivisionError
    calls, given_up = Calls(of), Calls(of)
    await calls.begin(MANY)
    await given_up.begin(MANY)
    given_up.cancel()
    await calls.begin(MANY)
    await calls.end()
    assert (calls.n_begun, given_up.n_begun) == (2, 0)
