"""Cutting a text that exceeds the model's window into overlapping passages. Pure."""

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

_UNIT = re.compile(r"\S{1,48}\s*|\s+")
"""A word with the white space behind it; a longer run without white space counts as several."""
_OVERLAP = 1 / 8
"""Of the window: a sentence on a border is whole in one of two passages."""


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` to `end` of a text."""

    start: int
    end: int


def split(text: str, window_tokens: int, count_tokens: Callable[[str], int]) -> list[Span]:
    """Spans that cover the text, each of at most `window_tokens`, neighbours overlapping.

    `count_tokens` tells the length of a piece without special tokens. Tokenizers count a piece
    slightly differently alone and in context, so every span is counted again as a whole and
    halved if it is too long.
    """
    units = [Span(*match.span()) for match in _UNIT.finditer(text)] or [Span(0, len(text))]
    count_unit = functools.cache(count_tokens)  # texts say the same words again and again
    lengths = [count_unit(text[unit.start : unit.end]) for unit in units]
    spans = _group(units, lengths, window_tokens)
    return [
        fitting for span in spans for fitting in _halved(span, text, window_tokens, count_tokens)
    ]


def _group(units: Sequence[Span], lengths: Sequence[int], window_tokens: int) -> list[Span]:
    ends = list(accumulate(lengths))
    spans: list[Span] = []
    first = 0
    while True:
        before = ends[first - 1] if first else 0
        last = first
        while last + 1 < len(units) and ends[last + 1] - before <= window_tokens:
            last += 1
        spans.append(Span(units[first].start, units[last].end))
        if last + 1 == len(units):
            return spans
        overlap_tokens, following = 0, last + 1
        while following - 1 > first and overlap_tokens < window_tokens * _OVERLAP:
            following -= 1
            overlap_tokens += lengths[following]
        first = following


def _halved(
    span: Span, text: str, window_tokens: int, count_tokens: Callable[[str], int]
) -> Iterator[Span]:
    length = span.end - span.start
    if length <= 1 or count_tokens(text[span.start : span.end]) <= window_tokens:
        yield span
        return
    middle = span.start + length // 2
    yield from _halved(Span(span.start, middle), text, window_tokens, count_tokens)
    yield from _halved(Span(middle, span.end), text, window_tokens, count_tokens)
