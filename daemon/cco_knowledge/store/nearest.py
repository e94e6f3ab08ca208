"""Which entries are nearest to a vector: by the vectors' indexes, where these pay."""

import asyncio
import itertools
import math
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
        (found,) = await self.nearest_to_each([vector], filters, limit, exact=exact, least=least)
        return found

    @in_turn
    async def nearest_to_each(
        self,
        vectors: Sequence[Vector],
        filters: Filters,
        limit: int,
        *,
        exact: bool = False,
        least: float | None = None,
    ) -> list[list[Match]]:
        with translated("search"):
            index = await self._index()
            if index is not None:
                may = index.passing(filters)
                return await asyncio.to_thread(index.nearest, vectors, may, limit, least)
            if not exact and self._asking.indexes:
                found = await self._by_indexes(vectors, filters, limit, least)
                if found is not None and (least is not None or all(len(f) == limit for f in found)):
                    return found
            condition, wanted = self._predicate(filters), _Wanted(limit, least)
            return await self._nearest(vectors, condition, wanted, dict.fromkeys(self._columns))

    async def _by_indexes(
        self, vectors: Sequence[Vector], filters: Filters, limit: int, least: float | None
    ) -> list[list[Match]] | None:
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
        found = await self._nearest(vectors, condition, wanted, asked)
        return [matches[:limit] for matches in found]

    @in_turn
    async def similarities(self, vector: Vector, found: Sequence[Match]) -> dict[str, float]:
        if not found:
            return {}
        condition = one_of("id", [match.id for match in found])
        with translated("search"):
            index = await self._index()
            if index is not None:
                return index.cosines(vector, [match.id for match in found])
            batches = await self._batches(["id", "vector"], condition, found)
        cosines: dict[str, float] = {}
        for batch in batches:
            cosines |= schema.to_cosines(batch, vector)
        if "passages" in self._columns:
            wanted = _Wanted(len(found))
            (matches,) = await self._nearest_in("passages", [vector], condition, wanted)
            for match in matches:
                cosines[match.id] = max(match.score, cosines.get(match.id, match.score))
        return cosines

    async def _nearest(
        self,
        vectors: Sequence[Vector],
        condition: str | None,
        wanted: _Wanted,
        asked: Mapping[str, Probing | None],
    ) -> list[list[Match]]:
        searches = [
            self._nearest_in(column, vectors, condition, wanted, probing)
            for column, probing in asked.items()
        ]
        of_each = zip(*await asyncio.gather(*searches), strict=True)
        return [_best(itertools.chain(*found), wanted.limit) for found in of_each]

    async def _nearest_in(
        self,
        column: str,
        vectors: Sequence[Vector],
        condition: str | None,
        wanted: _Wanted,
        probing: Probing | None = None,
    ) -> list[list[Match]]:
        """Exactly, unless it is to be found by the column's index.

        A hundred vectors in one query take a tenth of the time of a hundred queries. Those of
        passages would count as one vector in several parts, and are asked for one after the other.
        """
        if column == "passages" and len(vectors) > 1:
            if not await self._counted(both(HAS_VECTORS[column], condition)):
                return [[] for _ in vectors]
            singly = [
                await self._nearest_in(column, [vector], condition, wanted, probing)
                for vector in vectors
            ]
            return list(itertools.chain(*singly))

        def query() -> Any:
            first, *further = map(_numbers, vectors)
            query = self._table.query().nearest_to(first)
            for numbers in further:
                query.add_query_vector(numbers)
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
        least = -math.inf if wanted.least is None else wanted.least
        found: list[list[Match]] = [[] for _ in vectors]
        rows = zip(_queries_of(batches), matches_of(batches, "_distance"), strict=True)
        for number, near in rows:
            match = replace(near, score=1.0 - near.score)
            if match.score >= least and match.id not in hidden:
                found[number].append(match)
        return found


def _numbers(vector: Vector) -> Any:
    return pa.Array.from_buffers(pa.float32(), len(vector) // 4, [None, pa.py_buffer(vector)])


def _queries_of(batches: Iterable[Any]) -> Iterator[int]:
    """Of each row: which of the vectors it is near to."""
    for batch in batches:
        if "query_index" in batch.schema.names:
            yield from batch.column("query_index").to_pylist()
        else:
            yield from itertools.repeat(0, batch.num_rows)


def _best(found: Iterable[Match], limit: int) -> list[Match]:
    best: dict[str, Match] = {}
    for match in found:
        known = best.get(match.id)
        if known is None or known.score < match.score:
            best[match.id] = match
    return sorted(best.values(), key=lambda match: (-match.score, match.id))[:limit]


def _hidden(batches: Iterable[Any]) -> Iterator[str]:
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("id", "superseded_at"))
        yield from (entry_id for entry_id, at in zip(*columns, strict=True) if at is not None)
