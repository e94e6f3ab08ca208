"""Who goes next."""

import asyncio
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.rpc.precedence import Precedence
from cco_knowledge.rpc.receiving import Reading, Receiving
from cco_knowledge.turns import ORIGIN, FairSemaphore, Origin, Seldom, Turns

ORIGINS = st.builds(Origin, st.sampled_from([None, 1, 2]), st.sampled_from([1, 2, 3]))


def emptied(turns: Turns[str]) -> list[str]:
    return [turns.pop() for _ in range(len(turns))]


def test_peers_take_turns_however_much_one_has_brought() -> None:
    turns = Turns[str]()
    for number in range(5):
        turns.add(Origin(1, 1), f"flood {number}")
    turns.add(Origin(2, 2), "good 0")
    turns.add(Origin(2, 2), "good 1")
    assert emptied(turns)[:4] == ["flood 0", "good 0", "flood 1", "good 1"]


def test_connections_of_a_peer_take_turns_too() -> None:
    turns = Turns[str]()
    for number in range(5):
        turns.add(Origin(1, 1), f"flood {number}")
    turns.add(Origin(1, 2), "good")
    assert emptied(turns)[1] == "good"


def test_many_connections_are_still_one_peer() -> None:
    turns = Turns[str]()
    for number in range(50):
        turns.add(Origin(1, number), "flood")
    turns.add(Origin(2, 99), "good")
    assert emptied(turns)[1] == "good"


@given(st.lists(st.tuples(ORIGINS, st.integers(0, 3))), st.data())
def test_each_connection_gets_its_own_in_order_and_nothing_is_lost(
    brought: list[tuple[Origin, int]], data: st.DataObject
) -> None:
    turns = Turns[tuple[Origin, int]]()
    items = [(origin, number) for number, (origin, _) in enumerate(brought)]
    for item in items:
        turns.add(item[0], item)
    withdrawn = data.draw(st.sets(st.sampled_from(items))) if items else set()
    for item in withdrawn:
        turns.remove(item[0], item)
        turns.remove(item[0], item)  # without effect
    taken = [turns.pop() for _ in range(len(turns))]
    assert sorted(taken, key=lambda item: item[1]) == [i for i in items if i not in withdrawn]
    for origin in {item[0] for item in taken}:
        own = [number for one, number in taken if one == origin]
        assert own == sorted(own)
        assert not turns.has(origin)


async def entering(semaphore: FairSemaphore, origin: Origin, name: str, entered: list[str]) -> None:
    ORIGIN.set(origin)
    await semaphore.enter()
    entered.append(name)


async def test_a_semaphore_lets_in_by_turns() -> None:
    semaphore, entered = FairSemaphore(1), list[str]()
    await semaphore.enter()
    flood = [
        asyncio.create_task(entering(semaphore, Origin(1, 1), f"flood {n}", entered)) for n in "ab"
    ]
    good = asyncio.create_task(entering(semaphore, Origin(2, 2), "good", entered))
    await asyncio.sleep(0)
    assert entered == []
    for task in (flood[0], good, flood[1]):
        semaphore.leave()
        await task
    assert entered == ["flood a", "good", "flood b"]


async def test_whoever_stops_waiting_leaves_a_semaphore_as_it_was() -> None:
    semaphore, entered = FairSemaphore(1), list[str]()
    await semaphore.enter()
    waiting = [
        asyncio.create_task(entering(semaphore, Origin(1, n), str(n), entered)) for n in range(3)
    ]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait([waiting[0]])
    semaphore.leave()  # lets in the second one
    waiting[1].cancel()  # at the same moment
    await waiting[2]
    assert entered == ["2"]
    semaphore.leave()
    async with asyncio.timeout(10), semaphore.place():
        pass


def test_who_comes_seldom_is_due_and_who_comes_again_at_once_is_not() -> None:
    seldom = Seldom()
    assert seldom.is_due(1)
    assert not seldom.is_due(1)
    assert seldom.is_due(2)


async def test_a_few_are_read_from_in_a_turn_and_nobody_is_forgotten() -> None:
    """Of connections of one process; the first one comes seldom."""
    receiving, transports = Receiving(Precedence()), [Transport() for _ in range(20)]
    readings = [
        (Reading(cast("asyncio.Transport", one)), Origin(1, n)) for n, one in enumerate(transports)
    ]
    for reading, origin in readings:
        receiving.taken(10)
        receiving.has_read(reading, origin)
    paused = [one for one in transports if not one.is_read]
    assert len(paused) == 15
    async with asyncio.timeout(10):
        while not all(one.is_read for one in transports):  # noqa: ASYNC110  # turn by turn
            await asyncio.sleep(0)


async def test_what_its_framing_does_not_want_is_not_read_when_its_turn_comes() -> None:
    transport = Transport()
    reading = Reading(cast("asyncio.Transport", transport))
    reading.end_turn()
    reading.resume()
    assert not transport.is_read
    reading.pause()
    reading.begin_turn()
    assert not transport.is_read
    reading.resume()
    assert transport.is_read


class Transport:
    is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True
