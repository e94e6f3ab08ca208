"""Which passage of a long text a query is about. Pure."""

from collections.abc import Sequence

from cco_knowledge.terms import Unit
from cco_knowledge.types import EmbeddedEntry, Vector
from cco_knowledge.vectors import cosine

_WORDS = 0.4


def best_passage(embedded: EmbeddedEntry, vector: Vector, query: Sequence[Unit]) -> str:
    """The one that is nearest in meaning and words; of a text that is one passage, all of it."""
    text, passages = embedded.entry.text, embedded.passages
    if len(passages) == 1:
        return text

    def closeness(at: int) -> float:
        passage = passages[at]
        words = text[passage.start : passage.end].casefold()
        held = sum(any(term in words for term in unit.terms) for unit in query)
        return cosine(vector, passage.vector) + _WORDS * held / max(len(query), 1)

    best = passages[max(range(len(passages)), key=closeness)]
    return text[best.start : best.end]
