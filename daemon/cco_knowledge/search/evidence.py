"""Does a hit answer the query, or is it only the best of what there is? Pure.

A vector search finds something for everything. How near chance comes is estimated from queries
that nothing answers (`calibration.py`); a hit counts by how far its cosine lies above that, and by
how much of the query it holds word for word.
"""

from collections.abc import Collection, Sequence

from cco_knowledge.terms import Unit

ENOUGH = 0.27
"""Fitted, with the weights below, on labelled sets with queries that nothing answers."""
_HELD = 0.4
_NAME_FOUND = 0.2
_NAME_MISSING = 0.1
_NAME_WEIGHT = 2.0
_PARTS_ONLY = 0.3
"""`src/auth/saml.py` is not answered by what says `src`, `auth` and `py`."""


def evidence(
    similarity: float, by_chance: float, query: Sequence[Unit], terms: Collection[str]
) -> float:
    """Above `ENOUGH`: the hit answers. `by_chance` is the cosine that unrelated queries reach.

    `terms` are those of the passage that is nearest to the query.
    """
    lift = (similarity - by_chance) / (1.0 - by_chance)
    if not query:
        return lift
    total = sum(map(_weight, query))
    held = sum(_weight(unit) * _share(unit, terms) for unit in query) / total
    names = [unit for unit in query if unit.is_name]
    named = 0.0
    if names:
        found = sum(_share(unit, terms) == 1.0 for unit in names) / len(names)
        named = _NAME_FOUND * found - _NAME_MISSING * (1.0 - found)
    return lift + _HELD * held + named


def _weight(unit: Unit) -> float:
    return _NAME_WEIGHT if unit.is_name else 1.0


def _share(unit: Unit, terms: Collection[str]) -> float:
    """How much of it is there: 1 for the whole, or for all of its parts."""
    whole, *parts = unit.terms
    if whole in terms or (parts and all(part in terms for part in parts)):
        return 1.0
    return _PARTS_ONLY * sum(part in terms for part in parts) / max(len(parts), 1)
