"""A store in which there are only some projects."""

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace

from cco_knowledge.errors import Unauthorized
from cco_knowledge.store.filters import PageStart
from cco_knowledge.store.interface import ANY, Draft, Page, Store, Stored
from cco_knowledge.store.scoring import bm25
from cco_knowledge.types import (
    EmbeddedEntry,
    Entry,
    Filters,
    Match,
    Passage,
    StoreFacts,
    Totals,
    Vector,
)


class LimitedStore:
    """Implements `store.interface.Store`: whoever asks here learns nothing of other projects.

    What does not pass is not there: answers are those of a store that never held it. To name
    another project is Unauthorized, whether there is such a project or not.
    """

    def __init__(self, store: Store, projects: Collection[str]) -> None:
        self._store = store
        self._projects = tuple(sorted(projects))
        self._all = replace(ANY, project_ids=self._projects)

    @property
    def version(self) -> Hashable:
        return self._store.version

    def check_takes_entries(self) -> None:
        self._store.check_takes_entries()

    async def insert(self, drafts: Sequence[Draft]) -> list[Stored | Exception]:
        """A chosen id is refused: if it is taken, then perhaps by another project."""
        outcomes = [self._refusal(draft) for draft in drafts]
        allowed = [
            replace(draft, projects=self._projects)
            for draft, refusal in zip(drafts, outcomes, strict=True)
            if refusal is None
        ]
        stored = iter(await self._store.insert(allowed) if allowed else [])
        return [refusal or next(stored) for refusal in outcomes]

    async def nearest(
        self,
        vector: Vector,
        filters: Filters,
        limit: int,
        *,
        exact: bool = True,  # noqa: ARG002
        least: float | None = None,
    ) -> list[Match]:
        """Always exactly: what an index misses depends on what other projects hold."""
        own = self._own(filters)
        return await self._store.nearest(vector, own, limit, exact=True, least=least)

    async def nearest_to_each(
        self,
        vectors: Sequence[Vector],
        filters: Filters,
        limit: int,
        *,
        exact: bool = True,  # noqa: ARG002
        least: float | None = None,
    ) -> list[list[Match]]:
        own = self._own(filters)
        return await self._store.nearest_to_each(vectors, own, limit, exact=True, least=least)

    async def matching(self, terms: Sequence[str], filters: Filters, limit: int) -> list[Match]:
        """Scored anew: the full-text index counts how rare a word is over all projects."""
        own = self._own(filters)
        n_entries = await self._store.count(own) if terms else 0
        found = await self._store.matching(terms, own, n_entries) if n_entries else []
        texts = await self._store.terms_of(found)
        scores = await asyncio.to_thread(_scores, terms, texts, n_entries)
        scored = [replace(m, score=scores[m.id]) for m in found if scores.get(m.id)]
        newest_first = sorted(sorted(scored, key=_id), key=_timestamp, reverse=True)
        return sorted(newest_first, key=lambda match: -match.score)[:limit]

    async def terms_of(self, found: Sequence[Match]) -> dict[str, str]:
        return await self._store.terms_of(found)

    async def similarities(self, vector: Vector, found: Sequence[Match]) -> dict[str, float]:
        return await self._store.similarities(vector, found)

    async def embedded(
        self, ids: Sequence[str], filters: Filters = ANY, found: Sequence[Match] = ()
    ) -> list[EmbeddedEntry]:
        entries = await self._store.embedded(ids, self._own(filters), found)
        shown = await self._shown([one.entry for one in entries])
        return [replace(one, entry=entry) for one, entry in zip(entries, shown, strict=True)]

    async def count(self, filters: Filters) -> int:
        return await self._store.count(self._own(filters))

    async def query(
        self,
        filters: Filters,
        *,
        order_by: str,
        descending: bool,
        limit: int,
        start: PageStart | None,
    ) -> Page:
        page = await self._store.query(
            self._own(filters), order_by=order_by, descending=descending, limit=limit, start=start
        )
        return replace(page, entries=await self._shown(page.entries))

    async def get(self, ids: Sequence[str], filters: Filters = ANY) -> list[Entry]:
        return await self._shown(await self._store.get(ids, self._own(filters)))

    async def replaced_by(self, ids: Sequence[str], filters: Filters = ANY) -> dict[str, list[str]]:
        return await self._store.replaced_by(ids, self._own(filters))

    async def replace(
        self, entry: Entry, passages: Sequence[Passage] | None, filters: Filters = ANY
    ) -> None:
        self._check(entry.project_id)
        await self._store.replace(entry, passages, self._own(filters))

    async def delete(self, ids: Sequence[str], filters: Filters = ANY) -> int:
        return await self._store.delete(ids, self._own(filters))

    async def delete_matching(self, filters: Filters, expect: int) -> int:
        return await self._store.delete_matching(self._own(filters), expect)

    async def find_ids(self, filters: Filters) -> list[str]:
        return await self._store.find_ids(self._own(filters))

    @property
    def types(self) -> Collection[str]:
        """None beyond those that the configuration lists: others may be another project's."""
        return ()

    @property
    def key_ids(self) -> Collection[bytes]:
        return self._store.key_ids

    async def migrated(self, records: Sequence[str]) -> dict[str, Stored]:  # noqa: ARG002
        """A migration keeps the ids of old records, so it is refused as a chosen id is."""
        raise _no_chosen_id()

    async def undo_migration(self, run: str, filters: Filters = ANY) -> int:
        return await self._store.undo_migration(run, self._own(filters))

    async def cleanup(self, filters: Filters) -> list[str]:
        return await self._store.cleanup(self._own(filters))

    async def totals(self, filters: Filters) -> Totals:
        return await self._store.totals(self._own(filters))

    async def facts(self) -> StoreFacts | None:
        """They are those of all projects together."""
        return None

    def _own(self, filters: Filters) -> Filters:
        for project in filters.project_ids:
            self._check(project)
        return replace(filters, project_ids=filters.project_ids or self._projects)

    def _check(self, project: str) -> None:
        if project not in self._projects:
            raise Unauthorized(
                f"The token is limited to these projects: {', '.join(self._projects)}."
            )

    def _refusal(self, draft: Draft) -> Unauthorized | None:
        if draft.has_chosen_id:
            return _no_chosen_id()
        try:
            self._check(draft.embedded.entry.project_id)
        except Unauthorized as error:
            return error
        return None

    async def _shown(self, entries: Sequence[Entry]) -> list[Entry]:
        """Without the ids of successors in other projects."""
        successors = {entry.superseded_by for entry in entries if entry.superseded_by}
        own = await self._store.get(sorted(successors), self._all) if successors else ()
        shown = {entry.id for entry in own}
        return [
            entry if entry.superseded_by in shown else replace(entry, superseded_by=None)
            for entry in entries
        ]


def _scores(terms: Sequence[str], texts: Mapping[str, str], n_entries: int) -> dict[str, float]:
    """On a thread: 10 µs an entry of twenty words."""
    documents = {entry_id: text.split(" ") for entry_id, text in texts.items()}
    return bm25(terms, documents, n_entries)


def _no_chosen_id() -> Unauthorized:
    return Unauthorized(
        "A token that is limited to projects cannot choose ids, nor migrate. Leave `id` out: the "
        "same text, type and project is stored only once anyway."
    )


def _id(match: Match) -> str:
    return match.id


def _timestamp(match: Match) -> str:
    return match.timestamp
