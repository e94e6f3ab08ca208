"""A set of entries, queries and labels, and how well a ranking fits the labels."""

import json
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

Rank = Callable[[str], Sequence[str]]
"""The ids that are found for a text, best first."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over all queries that have an answer."""

    recall_at_5: float
    mrr: float
    ndcg_at_10: float


@dataclass(frozen=True, slots=True)
class LabelledSet:
    corpus: Path
    n_entries: int
    queries: dict[str, str]
    """Text by id; also those that nothing answers."""
    labels: dict[str, frozenset[str]]
    """The ids of the entries that answer a query."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        queries = {query["id"]: query["text"] for query in _json_lines(folder / "queries.jsonl")}
        pairs = [line.split("\t")[:2] for line in _lines(folder / "qrels.tsv")]
        labels = {
            query: frozenset(entry for labelled, entry in pairs if labelled == query)
            for query, _ in pairs
            if query in queries  # a header has none
        }
        corpus = folder / "corpus.jsonl"
        return cls(corpus, len(_json_lines(corpus)), queries, labels)

    def scores(self, rank: Rank) -> Scores:
        ranked = [(rank(self.queries[query]), right) for query, right in self.labels.items()]
        return Scores(
            recall_at_5=_mean([_recall(found[:5], right) for found, right in ranked]),
            mrr=_mean([_reciprocal_rank(found, right) for found, right in ranked]),
            ndcg_at_10=_mean([_ndcg(found, right, 10) for found, right in ranked]),
        )


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").removesuffix("\n").split("\n")


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _lines(path)]


def _mean(values: Collection[float]) -> float:
    return sum(values) / len(values)


def _recall(found: Sequence[str], right: Collection[str]) -> float:
    return len(set(right) & set(found)) / len(right)


def _reciprocal_rank(found: Sequence[str], right: Collection[str]) -> float:
    return next((1 / place for place, entry in enumerate(found, 1) if entry in right), 0.0)


def _ndcg(found: Sequence[str], right: Collection[str], depth: int) -> float:
    """With the same gain for every answer."""
    gains = [1 / math.log2(place + 1) for place in range(1, depth + 1)]
    reached = sum(gain for gain, entry in zip(gains, found, strict=False) if entry in right)
    return reached / sum(gains[: len(right)])
