"""Cutting long texts."""

import itertools
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cco_knowledge.embedding.passages import Span, split

WORDY = st.text(st.sampled_from("ab \n.,\t\u00e9\u2003"), max_size=400)
TEXTS = (st.text(max_size=300) | WORDY).filter(bool)


def words(piece: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", piece))


@given(TEXTS, st.integers(4, 50))
@pytest.mark.parametrize("count", [len, words])
def test_spans_cover_the_text_fit_and_leave_no_gap(
    count: Callable[[str], int], text: str, window: int
) -> None:
    spans = split(text, window, count)
    assert spans[0].start == 0
    assert max(span.end for span in spans) == len(text)
    for span in spans:
        assert span.start < span.end
        assert count(text[span.start : span.end]) <= window
    for one, following in itertools.pairwise(spans):
        assert one.start < following.start <= one.end


def test_neighbours_overlap_by_about_an_eighth() -> None:
    text = " ".join(f"w{number}" for number in range(400))
    spans = split(text, 80, words)
    assert len(spans) > 4
    for one, following in itertools.pairwise(spans):
        overlap = words(text[following.start : one.end])
        assert 80 / 8 <= overlap <= 80 / 4


def test_a_text_that_fits_is_one_span() -> None:
    assert split("three short words", 3, words) == [Span(0, 17)]


def test_a_word_without_end_is_cut() -> None:
    spans = split("x" * 1000, 100, len)
    assert all(span.end - span.start <= 100 for span in spans)


def test_a_counter_that_sees_more_in_context_is_obeyed() -> None:
    """Tokenizers may need more tokens for a piece than for the sum of its words."""

    def superadditive(piece: str) -> int:
        return words(piece) ** 2 // 10 + 1

    text = " ".join("word" for _ in range(200))
    assert all(
        superadditive(text[span.start : span.end]) <= 30 for span in split(text, 30, superadditive)
    )


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", [" " * 60_000, "\n" * 60_000, "a" + " " * 60_000 + "b"])
def test_white_space_alone_takes_linear_time(text: str) -> None:
    """Tokenizers of other models than BERT count it, so it reaches the splitter."""
    assert split(text, 10_000, len)[0].start == 0
