"""Who goes next."""

from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.turns import Origin, Turns

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
