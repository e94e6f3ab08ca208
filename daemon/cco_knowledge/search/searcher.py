"""Finding entries: by meaning, by words, by both, and like another entry."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from cco_knowledge.embedding.interface import Embedder
from cco_knowledge.errors import KnowledgeError, NotFound
from cco_knowledge.search import fusion
from cco_knowledge.search.calibration import Calibration
from cco_knowledge.search.evidence import ENOUGH, evidence
from cco_knowledge.search.fusion import Ranked
from cco_knowledge.search.passages import best_passage
from cco_knowledge.store.interface import ANY, Store
from cco_knowledge.terms import Unit, terms, units
from cco_knowledge.types import EmbeddedEntry, Entry, Filters, Match, Vector
from cco_knowledge.vectors import mean

Mode = Literal["hybrid", "vector", "text"]

_DEPTH = 100
"""Candidates of each list."""
_MAX_WORDS = 256
"""Of a longer query only so many different terms are looked for; all of it is for the meaning."""
_LONG_QUERY = 4096
"""Characters. To find the words of 256 KiB takes 50 ms, in which others have the loop."""
_WEIGHED = 10
"""So many of the best hits are asked whether they answer, unless the caller wants more."""
_MAX_SIMILAR = 3
_COMPARED_AT_ONCE = 100
"""Vectors in one query."""
_NEARLY_THE_SAME = 0.75
"""Cosine of two entries of one project and type. Of 27 labelled decisions and their successors
four are above; of all other pairs in tests/quality none is above 0.73."""


@dataclass(frozen=True, slots=True)
class Hit:
    embedded: EmbeddedEntry
    ranked: Ranked
    passage: str
    """What of the text is nearest to the query; a short text as a whole."""
    evidence: float | None
    """None where it was not weighed."""
    supersedes: Sequence[str] = ()
    """Filled in where an explanation was asked for."""

    @property
    def entry(self) -> Entry:
        return self.embedded.entry

    @property
    def answers(self) -> bool:
        return self.evidence is not None and self.evidence >= ENOUGH


@dataclass(frozen=True, slots=True)
class Found:
    hits: Sequence[Hit]
    covered: bool
    """Whether anything stored answers the query, as opposed to being the best of what there is."""


class Searcher:
    def __init__(self, store: Store, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._calibration = Calibration(store, embedder)

    @property
    def n_calibrated(self) -> int:
        """When this changes, other hits may count as answers, in the same store."""
        return self._calibration.n_measured

    async def prepare(self) -> None:
        """Measure what chance finds, so that the first search need not wait for it."""
        with contextlib.suppress(KnowledgeError):  # the first search tries again, and is told
            await self._calibration.by_chance(ANY)

    async def follow(self) -> None:
        """After a change of the store: keep in step with its size. Waits for nothing."""
        with contextlib.suppress(KnowledgeError):  # as above
            await self._calibration.follow()

    async def close(self) -> None:
        await self._calibration.close()

    async def search(
        self,
        query: str,
        filters: Filters,
        *,
        limit: int,
        threshold: float | None = None,
        mode: Mode = "hybrid",
        weighed: int = _WEIGHED,
    ) -> Found:
        is_short = len(query) < _LONG_QUERY
        asked = units(query) if is_short else await asyncio.to_thread(units, query)
        depth = max(limit, _DEPTH)
        words = list(dict.fromkeys(term for unit in asked for term in unit.terms))[:_MAX_WORDS]
        vector = await self._embedder.embed(query, as_query=True)
        nearest, matching = await asyncio.gather(
            self._store.nearest(vector, filters, 0 if mode == "text" else depth),
            self._store.matching(() if mode == "vector" else words, filters, depth),
        )
        ranked = await self._ranked(vector, nearest, matching, mode)
        above = [one for one in ranked if threshold is None or one.similarity >= threshold]
        n_passing = len(nearest) if mode != "text" and len(nearest) < depth else None
        question = _Question(vector, asked, filters, weighed, n_passing)
        best = above[: max(limit, weighed)]
        found = await self._found(question, best, (*nearest, *matching))
        return replace(found, hits=found.hits[:limit])

    async def explained(self, found: Found) -> Found:
        """With what each hit replaced."""
        replaced = await self._store.replaced_by([hit.entry.id for hit in found.hits])
        hits = [replace(hit, supersedes=replaced.get(hit.entry.id, ())) for hit in found.hits]
        return replace(found, hits=hits)

    async def related(self, entry_id: str, filters: Filters, limit: int) -> Found:
        """What is nearest to an entry, without itself.

        Raises:
            NotFound
        """
        of = await self._store.embedded([entry_id])
        if not of:
            raise NotFound("No entry has this id.", id=entry_id)
        vector = mean(of[0].passages)
        nearest = await self._store.nearest(vector, filters, limit + 1)
        others = [match for match in nearest if match.id != entry_id]
        question = _Question(vector, (), filters)
        return await self._found(question, fusion.by_meaning(others)[:limit], others)

    async def similar(self, new: Sequence[EmbeddedEntry]) -> list[list[Match]]:
        """Of each the current entries of the same project and type that say nearly the same.

        `new`: what is being stored; none of it counts.
        """
        ids = {embedded.entry.id for embedded in new}
        similar: dict[str, list[Match]] = {}
        for some in _alike(new):
            entry = some[0].entry
            nearest = await self._store.nearest_to_each(
                [mean(embedded.passages) for embedded in some],
                Filters(project_ids=(entry.project_id,), types=(entry.type,)),
                _MAX_SIMILAR + len(ids),
                least=_NEARLY_THE_SAME,
            )
            for embedded, matches in zip(some, nearest, strict=True):
                others = [match for match in matches if match.id not in ids]
                similar[embedded.entry.id] = others[:_MAX_SIMILAR]
        return [similar[embedded.entry.id] for embedded in new]

    async def nearest(
        self, vector: Vector, filters: Filters, limit: int
    ) -> list[tuple[Entry, float]]:
        """The nearest entries with their cosines, nearest first; nothing is weighed."""
        matches = await self._store.nearest(vector, filters, limit)
        scores = {match.id: match.score for match in matches}
        found = await self._store.embedded(list(scores), filters, matches)
        return [(one.entry, scores[one.entry.id]) for one in found]

    async def _ranked(
        self, vector: Vector, nearest: Sequence[Match], matching: Sequence[Match], mode: Mode
    ) -> list[Ranked]:
        if mode == "vector":
            return fusion.by_meaning(nearest)
        near = {match.id for match in nearest}
        by_words_only = [match for match in matching if match.id not in near]
        similarities = await self._store.similarities(vector, by_words_only)
        if mode == "text":
            return fusion.by_words(matching, similarities)
        return fusion.fuse(nearest, matching, similarities)

    async def _found(
        self, question: "_Question", best: Sequence[Ranked], matches: Sequence[Match]
    ) -> Found:
        ranked = {one.id: one for one in best}
        entries, by_chance = await asyncio.gather(
            self._store.embedded(list(ranked), question.filters, matches),
            self._calibration.by_chance(question.filters, question.n_passing),
        )

        def hit(at: int, embedded: EmbeddedEntry) -> Hit:
            one = ranked[embedded.entry.id]
            passage = best_passage(embedded, question.vector, question.units)
            if at >= question.weighed:
                return Hit(embedded, one, passage, None)
            held = set(terms(passage)) if question.units else ()
            weight = evidence(one.similarity, by_chance, question.units, held)
            return Hit(embedded, one, passage, weight)

        hits = list(itertools.starmap(hit, enumerate(entries)))
        return Found(hits, any(one.answers for one in hits))


def _alike(entries: Sequence[EmbeddedEntry]) -> Iterator[Sequence[EmbeddedEntry]]:
    """Those of one project and type together, and not too many."""

    def kind(embedded: EmbeddedEntry) -> tuple[str, str]:
        return embedded.entry.project_id, embedded.entry.type

    for _, same in itertools.groupby(sorted(entries, key=kind), kind):
        while some := list(itertools.islice(same, _COMPARED_AT_ONCE)):
            yield some


@dataclass(frozen=True, slots=True)
class _Question:
    vector: Vector
    units: Sequence[Unit]
    filters: Filters
    weighed: int = _WEIGHED
    n_passing: int | None = None
    """How many entries the filters select, where that is known."""
