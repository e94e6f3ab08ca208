from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.store.seen import SeenKeys

KEYS = st.text(max_size=8) | st.binary(min_size=16, max_size=16)


@given(st.lists(KEYS), st.lists(KEYS))
def test_a_key_that_was_there_or_came_is_never_denied(old: list[str], new: list[str]) -> None:
    seen = SeenKeys()
    seen.add(old)
    assert all(key in seen for key in [*old, *new])
    seen.are_all_in = True
    seen.add(new)
    assert all(key in seen for key in [*old, *new])


def test_a_key_that_never_came_is_denied_once_all_are_in() -> None:
    seen = SeenKeys()
    seen.add(["id", b"digest"])
    assert "other" in seen
    seen.are_all_in = True
    assert "other" not in seen
