"""BM25 over a few documents, which alone say how rare a term is. Pure.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with
the constants and the inverse document frequency of Lucene, as LanceDB has them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

K1: Final = 1.2
B: Final = 0.75


def bm25(
    query: Sequence[str], documents: Mapping[str, Sequence[str]], n_documents: int
) -> dict[str, float]:
    """The score of each document, more than 0 where it holds a term.

    `documents`: the terms of all that hold any of the query, out of `n_documents`.
    """
    if not documents:
        return {}
    mean_length = sum(map(len, documents.values())) / len(documents)
    counts = {
        document: {term: n for term in query if (n := words.count(term))}
        for document, words in documents.items()
    }
    weights = {term: rarity(sum(term in c for c in counts.values()), n_documents) for term in query}
    return {
        document: sum(
            weights[term] * n * (K1 + 1) / (n + K1 * (1 - B + B * length / mean_length))
            for term, n in counts[document].items()
        )
        for document, words in documents.items()
        for length in [len(words)]
    }


def rarity(n_holding: int, n_documents: int) -> float:
    """What one occurrence weighs: more than 0, less the more documents hold the term."""
    return math.log(1 + (max(n_documents, n_holding) - n_holding + 0.5) / (n_holding + 0.5))
