"""Which entries are nearest to a vector: by the vectors' indexes, where these pay."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cco_knowledge.store import schema
from cco_knowledge.store.failures import translated
from cco_knowledge.store.filters import both, one_of
from cco_knowledge.store.native import pa
from cco_knowledge.store.reads import MATCH_COLUMNS, LanceReads, in_turn, matches_of, where
from cco_knowledge.store.vector_indexes import HAS_VECTORS, Probing
from cco_knowledge.types import Filters, Match, Vector

_SOME_MORE = 16


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
        only_near: bool = False,
    ) -> list[Match]:
        if not limit:
            return []
        with translated("search"):
            if not exact and self._asking.indexes:
                found = await self._by_indexes(vector, filters, limit, only_near=only_near)
                if found is not None and (only_near or len(found) == limit):
                    return found
            columns = dict.fromkeys(self._columns)
            return await self._nearest(vector, self._predicate(filters), limit, columns)

    async def _by_indexes(
        self, vector: Vector, filters: Filters, limit: int, *, only_near: bool
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
                self._table, column, None if only_near else condition
            )
            for column in self._columns
        }
        if asked["vector"] is None:
            return None
        some_more = limit + max(limit // 4, _SOME_MORE) if self._has_superseded else limit
        return (
            await self._nearest(vector, condition, some_more, asked, without_hidden=leaves_out)
        )[:limit]

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
            for match in await self._nearest_in("passages", vector, condition, len(found)):
                cosines[match.id] = max(match.score, cosines.get(match.id, match.score))
        return cosines

    async def _nearest(
        self,
        vector: Vector,
        condition: str | None,
        limit: int,
        asked: Mapping[str, Probing | None],
        *,
        without_hidden: bool = False,
    ) -> list[Match]:
        searches = [
            self._nearest_in(
                column, vector, condition, limit, probing, without_hidden=without_hidden
            )
            for column, probing in asked.items()
        ]
        best: dict[str, Match] = {}
        for match in (m for matches in await asyncio.gather(*searches) for m in matches):
            known = best.get(match.id)
            if known is None or known.score < match.score:
                best[match.id] = match
        return sorted(best.values(), key=lambda match: (-match.score, match.id))[:limit]

    async def _nearest_in(
        self,
        column: str,
        vector: Vector,
        condition: str | None,
        limit: int,
        probing: Probing | None = None,
        *,
        without_hidden: bool = False,
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
            query.limit(limit)
            if probing is None:
                query.bypass_vector_index()
                where(query, both(HAS_VECTORS[column], condition))
            else:
                query.nprobes(probing.lists)
                query.refine_factor(probing.refine(limit))
                where(query, condition)
            return query

        batches = await self._rows(lambda: query().execute())
        hidden = set(_hidden(batches)) if without_hidden else ()
        return [
            replace(match, score=1.0 - match.score)
            for match in matches_of(batches, "_distance")
            if match.id not in hidden
        ]


def _hidden(batches: Iterable[Any]) -> Iterator[str]:
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("id", "superseded_at"))
        yield from (entry_id for entry_id, at in zip(*columns, strict=True) if at is not None)
