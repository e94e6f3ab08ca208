"""BM25 over a few documents, which alone say how rare a term is. Pure.

Source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond (2009), with
the constants and the inverse document frequency of Lucene, as LanceDB has them.
"""

import math
from collections.abc import Mapping, Sequence

_K1 = 1.2
_B = 0.75


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
    rarity = {term: _rarity(sum(term in c for c in counts.values()), n_documents) for term in query}
    return {
        document: sum(
            rarity[term] * n * (_K1 + 1) / (n + _K1 * (1 - _B + _B * length / mean_length))
            for term, n in counts[document].items()
        )
        for document, words in documents.items()
        for length in [len(words)]
    }


def _rarity(n_holding: int, n_documents: int) -> float:
    return math.log(1 + (max(n_documents, n_holding) - n_holding + 0.5) / (n_holding + 0.5))
