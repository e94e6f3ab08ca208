"""BM25 over a few documents."""

import pytest

from cco_knowledge.store.scoring import bm25


def test_a_rare_term_counts_more_and_a_long_document_less() -> None:
    documents = {
        "rare": ["tea", "is", "sold"],
        "common": ["the", "shop", "sells"],
        "long": ["the", *["shop"] * 2, *["word"] * 20],
        "both": ["tea", "the"],
    }
    scores = bm25(["tea", "the"], documents, 100)
    assert scores["both"] > scores["rare"] > scores["common"] > scores["long"] > 0


def test_known_values() -> None:
    """ln(1 + (10 - 1 + 0.5) / 1.5) for the one term, in a document of the mean length."""
    assert bm25(["a"], {"x": ["a", "b"]}, 10) == {"x": pytest.approx(1.9924, abs=1e-4)}


def test_what_has_none_of_the_terms_has_nothing() -> None:
    assert bm25(["a"], {}, 10) == {}
    assert bm25(["a"], {"x": ["b"]}, 10) == {"x": 0.0}
