"""Two ranked lists, by meaning and by words, as one. Pure.

Each list is scaled to 0..1 over the candidates and the two are added with equal weight. Ranks
alone, as in reciprocal-rank fusion, throw away how far apart the candidates are, and fall below
the better list wherever the other one is poor (docs/retrieval.md has the figures). Cosines of
unrelated texts crowd in the middle of their range, so that scale is bent towards its upper end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cco_knowledge.types import Match

_MEANING_EXPONENT = 1.6
_MEANING_WEIGHT = 0.5
_RECENCY = 0.01
"""What the newest candidate gains over the oldest: it parts what is as good as equal."""


@dataclass(frozen=True, slots=True)
class Place:
    """A rank in one list, from 1, its score there, and that score scaled to 0..1."""

    rank: int
    score: float
    scaled: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in the order of `score`."""

    id: str
    score: float
    similarity: float
    by_meaning: Place | None = None
    by_words: Place | None = None
    fusion: float | None = None
    """What both lists gave it together; the rest of the score is for its age."""
    recency: float | None = None


def by_meaning(nearest: Sequence[Match]) -> list[Ranked]:
    """One list in its own order, the cosine as score; of equals the newest first."""
    return [
        Ranked(match.id, place.scaled, match.score, by_meaning=place)
        for rank, match in enumerate(_in_order(nearest), 1)
        for place in [Place(rank, match.score, min(max(match.score, 0.0), 1.0))]
    ]


def by_words(matching: Sequence[Match], similarities: Mapping[str, float]) -> list[Ranked]:
    """The same with BM25, divided by the best; without what was deleted and has no cosine."""
    found = [match for match in _in_order(matching) if match.id in similarities]
    return [
        Ranked(match.id, place.scaled, similarities[match.id], by_words=place)
        for rank, match in enumerate(found, 1)
        for place in [Place(rank, match.score, match.score / found[0].score)]
    ]


def fuse(
    nearest: Sequence[Match], matching: Sequence[Match], similarities: Mapping[str, float]
) -> list[Ranked]:
    """`similarities` has the cosines of those that only `matching` holds."""
    timestamps = {match.id: match.timestamp for match in (*matching, *nearest)}
    cosines = {**similarities, **{match.id: match.score for match in nearest}}
    # What was deleted between the two searches has no cosine.
    bm25 = {match.id: match.score for match in matching if match.id in cosines}
    meaning_ranks = {match.id: rank for rank, match in enumerate(_in_order(nearest), 1)}
    word_ranks = {match.id: rank for rank, match in enumerate(_in_order(matching), 1)}
    meaning = _by_meaning(cosines)
    best_bm25 = max(bm25.values(), default=1.0)
    recency = _recency({entry_id: timestamps[entry_id] for entry_id in cosines})

    def ranked(entry_id: str) -> Ranked:
        words = bm25.get(entry_id, 0.0) / best_bm25
        fused = _MEANING_WEIGHT * meaning[entry_id] + (1 - _MEANING_WEIGHT) * words
        in_meaning = in_words = None
        if entry_id in meaning_ranks:
            in_meaning = Place(meaning_ranks[entry_id], cosines[entry_id], meaning[entry_id])
        if entry_id in bm25:
            in_words = Place(word_ranks[entry_id], bm25[entry_id], words)
        parts = (1 - _RECENCY) * fused, _RECENCY * recency[entry_id]
        return Ranked(entry_id, sum(parts), cosines[entry_id], in_meaning, in_words, *parts)

    order = sorted(map(ranked, cosines), key=lambda one: one.id)
    order.sort(key=lambda one: timestamps[one.id], reverse=True)
    return sorted(order, key=lambda one: -one.score)


def _by_meaning(cosines: Mapping[str, float]) -> dict[str, float]:
    lowest, highest = min(cosines.values(), default=0.0), max(cosines.values(), default=0.0)
    if lowest == highest:
        return dict.fromkeys(cosines, 1.0)
    return {
        entry_id: ((cosine - lowest) / (highest - lowest)) ** _MEANING_EXPONENT
        for entry_id, cosine in cosines.items()
    }


def _recency(timestamps: Mapping[str, str]) -> dict[str, float]:
    """0 for the oldest, 1 for the newest, by order: the clock has no say."""
    moments = {moment: at for at, moment in enumerate(sorted(set(timestamps.values())))}
    last = max(len(moments) - 1, 1)
    return {entry_id: moments[moment] / last for entry_id, moment in timestamps.items()}


def _in_order(matches: Sequence[Match]) -> list[Match]:
    newest_first = sorted(
        sorted(matches, key=lambda m: m.id), key=lambda m: m.timestamp, reverse=True
    )
    return sorted(newest_first, key=lambda match: -match.score)
