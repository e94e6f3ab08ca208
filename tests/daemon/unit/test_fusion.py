"""Two ranked lists as one."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.search.fusion import by_meaning, by_words, fuse
from cco_knowledge.types import Match

OLD, NEW = "2026-01-01T00:00:00.000Z", "2026-09-01T00:00:00.000Z"


def matches(**scores: float) -> list[Match]:
    return [Match(name, OLD, score) for name, score in scores.items()]


def order(nearest: list[Match], matching: list[Match], **cosines: float) -> list[str]:
    return [ranked.id for ranked in fuse(nearest, matching, cosines)]


def test_good_in_both_lists_is_better_than_good_in_one() -> None:
    nearest = matches(meant=0.7, both=0.6, other=0.1)
    matching = matches(said=9.0, both=8.0)
    assert order(nearest, matching, said=0.2)[0] == "both"


def test_without_words_the_order_is_that_of_meaning() -> None:
    assert order(matches(a=0.5, b=0.4, c=0.3), []) == ["a", "b", "c"]


def test_what_only_words_find_keeps_its_cosine() -> None:
    found = {one.id: one for one in fuse(matches(a=0.5, b=0.1), matches(c=3.0), {"c": 0.05})}
    assert found["c"].similarity == 0.05
    assert (found["c"].by_meaning, found["a"].by_words) == (None, None)
    place = found["c"].by_words
    assert place is not None
    assert (place.rank, place.score, place.scaled) == (1, 3.0, 1.0)


def test_what_was_deleted_meanwhile_is_left_out() -> None:
    assert order(matches(a=0.5), matches(gone=3.0, a=1.0)) == ["a"]


def test_of_equals_the_newest_comes_first() -> None:
    nearest = [Match("a", OLD, 0.5), Match("b", NEW, 0.5), Match("c", OLD, 0.1)]
    assert order(nearest, []) == ["b", "a", "c"]
    assert [one.id for one in by_meaning(nearest)] == ["b", "a", "c"]


def test_age_never_outranks_meaning() -> None:
    """The oldest of a hundred stays first when it is clearly the best."""
    others = [Match(f"{n}", NEW, 0.3 + n / 1000) for n in range(99)]
    nearest = [Match("best", OLD, 0.45), *others]
    assert order(nearest, [])[0] == "best"
    best, *_ = fuse(nearest, [], {})
    assert best.recency == 0.0


def test_words_alone_are_scaled_by_the_best() -> None:
    found = by_words(matches(gone=9.0, a=4.0, b=1.0), {"a": 0.2, "b": 0.3})
    assert [(one.id, one.score, one.similarity) for one in found] == [
        ("a", 1.0, 0.2),
        ("b", 0.25, 0.3),
    ]


def test_a_cosine_below_zero_is_a_score_of_zero() -> None:
    (only,) = by_meaning(matches(a=-0.2))
    assert (only.score, only.similarity) == (0.0, -0.2)


NAMES = st.sampled_from("abcdefghij")
LISTS = st.dictionaries(NAMES, st.floats(-1, 1), max_size=10)
WORDS = st.dictionaries(NAMES, st.floats(0.01, 50), max_size=10)


@given(LISTS, WORDS, st.lists(st.sampled_from([OLD, NEW]), min_size=10, max_size=10))
def test_scores_lie_between_0_and_1_and_are_the_order(
    cosines: dict[str, float], words: dict[str, float], moments: list[str]
) -> None:
    def dated(found: list[Match]) -> list[Match]:
        return [replace(one, timestamp=moments[ord(one.id) - ord("a")]) for one in found]

    nearest, matching = dated(matches(**cosines)), dated(matches(**words))
    rest = {name: 0.0 for name in words if name not in cosines}
    ranked = fuse(nearest, matching, rest)
    scores = [one.score for one in ranked]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert {one.id for one in ranked} == {*cosines, *words}
    for one in ranked:
        assert one.score == pytest.approx((one.fusion or 0) + (one.recency or 0))
    assert ranked == fuse(nearest[::-1], matching[::-1], rest)
