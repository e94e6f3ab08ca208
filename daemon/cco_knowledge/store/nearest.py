"""Which entries are nearest to a vector: by the vectors' indexes, where these pay."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cco_knowledge.store import schema
from cco_knowledge.store.failures import translated
from cco_knowledge.store.filters import both, one_of
from cco_knowledge.store.native import pa
from cco_knowledge.store.reads import MATCH_COLUMNS, LanceReads, in_turn, matches_of, where
from cco_knowledge.store.vector_indexes import HAS_VECTORS, Probing
from cco_knowledge.types import Filters, Match, Vector

_SOME_MORE = 16
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Of the entries that pass."""

    limit: int
    least: float | None = None
    """Cosine."""
    with_hidden: bool = True


class LanceNearest(LanceReads):
    """What of `store.interface.Store` is about vectors."""

    @property
    def _columns(self) -> Sequence[str]:
        return ("vector", "passages") if self._asking.n_long != 0 else ("vector",)

    @in_turn
    async def nearest(
        self,
        vector: Vector,
        filters: Filters,
        limit: int,
        *,
        exact: bool = False,
        least: float | None = None,
    ) -> list[Match]:
        if not limit:
            return []
        with translated("search"):
            if not exact and self._asking.indexes:
                found = await self._by_indexes(vector, filters, limit, least)
                if found is not None and (least is not None or len(found) == limit):
                    return found
            condition, wanted = self._predicate(filters), _Wanted(limit, least)
            return await self._nearest(vector, condition, wanted, dict.fromkeys(self._columns))

    async def _by_indexes(
        self, vector: Vector, filters: Filters, limit: int, least: float | None
    ) -> list[Match] | None:
        """None where comparing all is quicker; fewer than `limit` where too few were found.

        What is near lies in the lists that are nearest, however few entries pass.

        What is hidden is left out of some more: as a condition, which nearly all rows meet, it
        takes 0.1 s in a table of a million.
        """
        leaves_out = filters.until is None and not filters.include_superseded
        condition = self._predicate(
            replace(filters, include_superseded=True) if leaves_out else filters
        )
        asked = {
            column: await self._asking.probing(
                self._table, column, None if least is not None else condition
            )
            for column in self._columns
        }
        if asked["vector"] is None:
            return None
        some_more = limit + max(limit // 4, _SOME_MORE) if self._has_superseded else limit
        wanted = _Wanted(some_more, least, with_hidden=not leaves_out)
        return (await self._nearest(vector, condition, wanted, asked))[:limit]

    @in_turn
    async def similarities(self, vector: Vector, found: Sequence[Match]) -> dict[str, float]:
        if not found:
            return {}
        condition = one_of("id", [match.id for match in found])
        with translated("search"):
            batches = await self._batches(["id", "vector"], condition, found)
        cosines: dict[str, float] = {}
        for batch in batches:
            cosines |= schema.to_cosines(batch, vector)
        if "passages" in self._columns:
            wanted = _Wanted(len(found))
            for match in await self._nearest_in("passages", vector, condition, wanted):
                cosines[match.id] = max(match.score, cosines.get(match.id, match.score))
        return cosines

    async def _nearest(
        self,
        vector: Vector,
        condition: str | None,
        wanted: _Wanted,
        asked: Mapping[str, Probing | None],
    ) -> list[Match]:
        searches = [
            self._nearest_in(column, vector, condition, wanted, probing)
            for column, probing in asked.items()
        ]
        best: dict[str, Match] = {}
        for match in (m for matches in await asyncio.gather(*searches) for m in matches):
            known = best.get(match.id)
            if known is None or known.score < match.score:
                best[match.id] = match
        return sorted(best.values(), key=lambda match: (-match.score, match.id))[: wanted.limit]

    async def _nearest_in(
        self,
        column: str,
        vector: Vector,
        condition: str | None,
        wanted: _Wanted,
        probing: Probing | None = None,
    ) -> list[Match]:
        """Exactly, unless it is to be found by the column's index."""
        numbers = pa.Array.from_buffers(
            pa.float32(), len(vector) // 4, [None, pa.py_buffer(vector)]
        )

        def query() -> Any:
            query = self._table.query().nearest_to(numbers)
            query.column(column)
            query.distance_type("cosine")
            query.select_columns([*MATCH_COLUMNS, "superseded_at", "_distance"])
            query.with_row_id()
            query.limit(wanted.limit)
            if probing is None:
                query.bypass_vector_index()
                if wanted.least is not None:  # rows that nobody wants are not read
                    query.distance_range(None, 1.0 - wanted.least + _ROUNDING)
                where(query, both(HAS_VECTORS[column], condition))
            else:
                query.nprobes(probing.lists)
                query.refine_factor(probing.refine(wanted.limit))
                where(query, condition)
            return query

        batches = await self._rows(lambda: query().execute())
        hidden = () if wanted.with_hidden else set(_hidden(batches))
        found = [
            Match(match.id, match.timestamp, 1.0 - match.score, match.row)
            for match in matches_of(batches, "_distance")
            if match.id not in hidden
        ]
        least = wanted.least
        return found if least is None else [match for match in found if match.score >= least]


def _hidden(batches: Iterable[Any]) -> Iterator[str]:
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("id", "superseded_at"))
        yield from (entry_id for entry_id, at in zip(*columns, strict=True) if at is not None)
