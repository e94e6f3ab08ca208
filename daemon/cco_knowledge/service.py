"""The use cases: what a caller asks for, in terms of an embedder and a store."""

import asyncio
import difflib
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar
from weakref import WeakValueDictionary

from cco_knowledge.credentials.entries import has_sealed, value_of
from cco_knowledge.drafting import Drafting, NewEntry
from cco_knowledge.embedding.interface import Embedder, Priority
from cco_knowledge.errors import Conflict, InvalidInput, KnowledgeError, NotFound
from cco_knowledge.redaction import Fields, Redaction
from cco_knowledge.remembered import Remembered, bytes_of_entries
from cco_knowledge.search.context import Context, pack
from cco_knowledge.search.newest import newest, with_newest
from cco_knowledge.search.searcher import Found, Hit, Mode, Searcher
from cco_knowledge.store.filters import PageStart
from cco_knowledge.store.interface import Draft, Page, Store, Stored
from cco_knowledge.store.limited import LimitedStore
from cco_knowledge.timestamps import (
    CLOCK_TOLERANCE_S,
    clock_ahead_s,
    format_timestamp,
)
from cco_knowledge.turns import each
from cco_knowledge.types import (
    ENTRY_TYPES,
    EmbeddedEntry,
    Entry,
    Filters,
    Match,
    ModelIdentity,
    StoreFacts,
    Totals,
    Vector,
)
from cco_knowledge.vectors import mean

_EMBEDDED_AT_ONCE = 8
_COMPARED_AT_ONCE = 2
_CONTEXT_HITS = 50
_FOUND_BYTES = 2 << 20
"""Some 60 searches: an agent that asks again waits for neither the model nor the table."""
_READ_BYTES = 1 << 19

_T = TypeVar("_T")
_U = TypeVar("_U")


@dataclass(frozen=True, slots=True)
class StoreOutcome:
    stored: Stored
    similar: Sequence[Match] = ()
    """Older entries that a new one nearly repeats, the nearest first."""
    redactions: Sequence[Redaction] = ()
    """What was replaced before anything else was done."""
    sealed: bool | None = None
    """Of a credential: whether a value was found in it and sealed."""


Outcome = StoreOutcome | Exception


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    updated: bool
    """Whether anything differs now."""
    redactions: Sequence[Redaction]


class KnowledgeService:
    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        searcher: Searcher,
        drafting: Drafting,
        extra_types: Sequence[str],
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._searcher = searcher
        self.drafting = drafting
        self.extra_types = extra_types
        self._updating = WeakValueDictionary[str, asyncio.Lock]()
        self._found = Remembered[Found](_FOUND_BYTES, _size_bytes)
        self._read = Remembered[list[Entry]](_READ_BYTES, bytes_of_entries)
        self._limited: dict[frozenset[str], KnowledgeService] = {}

    def limited_to(self, projects: Sequence[str] | None) -> "KnowledgeService":
        """The same where nothing but these projects exists; None: all."""
        if projects is None:
            return self
        key = frozenset(projects)
        if key not in self._limited:
            store = LimitedStore(self._store, key)
            searcher = Searcher(store, self._embedder)
            limited = KnowledgeService(store, self._embedder, searcher, self.drafting, ())
            limited._updating = self._updating  # an entry has one lock
            self._limited[key] = limited
        self._limited[key].extra_types = self.extra_types
        return self._limited[key]

    async def close(self) -> None:
        """End what runs in the background."""
        await asyncio.gather(*(limited.close() for limited in self._limited.values()))
        await self._searcher.close()

    @property
    def model(self) -> ModelIdentity:
        return self._embedder.identity

    async def store(self, new: NewEntry) -> StoreOutcome:
        self._store.check_takes_entries()
        draft, redactions = await self._draft(new, Priority.STORE)
        (outcome,) = await self._insert([draft])
        if isinstance(outcome, Exception):
            raise outcome
        return replace(outcome, redactions=redactions)

    async def store_batch(
        self, items: Sequence[NewEntry | KnowledgeError], *, compare: bool = True
    ) -> list[Outcome]:
        """One outcome an item, in order; items that are errors already stay what they are.

        `compare`: look also for what each one nearly repeats.
        """
        self._store.check_takes_entries()
        prepared = await _each(items, lambda new: self._draft(new, Priority.BULK))
        drafts = [part[0] for part in prepared if not isinstance(part, Exception)]
        outcomes = iter(await self._insert(drafts, compare=compare) if drafts else [])

        def outcome_of(part: tuple[Draft, list[Redaction]] | KnowledgeError) -> Outcome:
            if isinstance(part, KnowledgeError):
                return part
            outcome = next(outcomes)
            if isinstance(outcome, Exception):
                return outcome
            return replace(outcome, redactions=part[1])

        return list(map(outcome_of, prepared))

    async def migrate(
        self, records: Sequence[Entry | KnowledgeError], *, dry_run: bool
    ) -> list[Stored | Exception]:
        """Old records, each with its `migration_run` and `migration_record`; outcomes in order.

        What any run has brought is not brought again, even if it was changed since. Neither types
        nor the length of texts are checked: nothing old is refused for today's rules.
        """
        if not dry_run:
            self._store.check_takes_entries()
        keys = [r.migration_record for r in records if isinstance(r, Entry)]
        there = await self._store.migrated([key for key in keys if key is not None])

        async def outcome_or_draft(entry: Entry) -> Stored | Draft:
            known = there.get(entry.migration_record or "")
            if known is not None:
                return known
            if dry_run:
                return Stored(entry.id, entry.timestamp, duplicate_of=None)
            passages = await self._embedder.embed_document(entry.text, Priority.BULK)
            return Draft(EmbeddedEntry(entry, passages), "store", has_given_timestamp=True)

        prepared = await _each(records, outcome_or_draft)
        drafts = [part for part in prepared if isinstance(part, Draft)]
        outcomes = iter(await self._store.insert(drafts) if drafts else [])
        await self._searcher.follow()
        return [next(outcomes) if isinstance(part, Draft) else part for part in prepared]

    async def undo_migration(self, run: str) -> int:
        return await self._store.undo_migration(run)

    async def search(
        self,
        query: str,
        filters: Filters,
        *,
        limit: int,
        threshold: float | None,
        mode: Mode,
        explain: bool,
    ) -> Found:
        async def find() -> Found:
            found = await self._searcher.search(
                query, filters, limit=limit, threshold=threshold, mode=mode
            )
            explained = await self._searcher.explained(found) if explain else found
            return await with_newest(self._store, explained)

        asked = (query, filters, limit, threshold, mode, explain, self._searcher.n_calibrated)
        return await self._found.answer(asked, self._store.version, find)

    async def related(self, entry_id: str, filters: Filters, limit: int) -> Found:
        return await with_newest(
            self._store, await self._searcher.related(entry_id, filters, limit)
        )

    async def context(self, task: str, filters: Filters, token_budget: int) -> Context:
        """Only what answers the task; nothing, where nothing does."""
        found = await self._searcher.search(
            task, filters, limit=_CONTEXT_HITS, weighed=_CONTEXT_HITS
        )
        useful = [hit for hit in found.hits if hit.answers]
        return pack(useful, token_budget, self._embedder.count_tokens)

    async def answering(self, query: str, filters: Filters, limit: int) -> list[Hit]:
        """The hits that answer, best first; none, where nothing does."""
        found = await self._searcher.search(query, filters, limit=limit, weighed=limit)
        return [hit for hit in found.hits if hit.answers]

    async def neighbours(
        self, texts: Sequence[str], filters: Filters, limit: int
    ) -> list[tuple[Vector, list[tuple[Entry, float]]]]:
        """Of each text to be stored: its direction, and the nearest entries with cosines."""
        looking = asyncio.Semaphore(_COMPARED_AT_ONCE)

        async def near(text: str) -> tuple[Vector, list[tuple[Entry, float]]]:
            direction = mean(await self._embedder.embed_document(text, Priority.BULK))
            async with looking:
                return direction, await self._searcher.nearest(direction, filters, limit)

        return await each(texts, near, at_once=_EMBEDDED_AT_ONCE)

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
            filters, order_by=order_by, descending=descending, limit=limit, start=start
        )
        return replace(page, entries=await newest(self._store, page.entries))

    async def get(self, ids: Sequence[str]) -> tuple[list[Entry], list[str]]:
        """The entries that exist, and the ids that do not, both in the order asked."""

        async def read() -> list[Entry]:
            return await newest(self._store, await self._store.get(ids))

        entries = await self._read.answer(tuple(ids), self._store.version, read)
        found = {entry.id for entry in entries}
        return entries, [entry_id for entry_id in dict.fromkeys(ids) if entry_id not in found]

    async def update(self, entry_id: str, changes: Fields) -> UpdateOutcome:
        """`changes` holds entry fields without the id.

        Raises:
            NotFound: this entry, or the one that shall supersede it.
            Conflict: the one that shall supersede it is superseded by it.
        """
        if "type" in changes:
            self._check_type(str(changes["type"]))
        self._store.check_takes_entries()
        # NOTE: read, embed, write: two updates of one entry must not interleave.
        async with self._updating.setdefault(entry_id, asyncio.Lock()):
            current = await self._store.get([entry_id])
            if not current:
                raise NotFound("No entry has this id.", id=entry_id)
            changed, redactions = await self.drafting.changed(current[0], changes)
            if changed == current[0]:
                return UpdateOutcome(updated=False, redactions=redactions)
            passages = None
            if changed.text != current[0].text:
                passages = await self._embedder.embed_document(changed.text, Priority.STORE)
            if "superseded_by" not in changes:  # the store knows better, if it changed meanwhile
                changed = replace(changed, superseded_by=None, superseded_at=None)
            await self._store.replace(changed, passages)
            return UpdateOutcome(updated=True, redactions=redactions)

    async def reveal(self, entry_id: str) -> str:
        """The value that was sealed with this entry.

        Raises:
            NotFound: there is no such entry, or it holds none.
            KeyUnusable: the key that sealed it is not there.
        """
        entries = await self._store.get([entry_id])
        if not entries:
            raise NotFound("No entry has this id.", id=entry_id)
        return await value_of(entries[0], self.drafting.vault)

    async def delete(self, ids: Sequence[str]) -> int:
        return await self._store.delete(ids)

    async def delete_matching(self, filters: Filters, expect: int) -> int:
        return await self._store.delete_matching(filters, expect)

    async def cleanup(
        self, older_than_days: float, filters: Filters, *, dry_run: bool
    ) -> list[str]:
        """The ids that were deleted, or would be.

        Raises:
            Conflict: the clock has jumped ahead, so that more would look old than is.
        """
        if not dry_run and clock_ahead_s() > CLOCK_TOLERANCE_S:
            raise Conflict(
                "The system's clock has jumped ahead since the daemon was started, so nothing was "
                "deleted. If it is right now, restart the daemon: kmctl restart"
            )
        oldest_kept = self.drafting.clock() - timedelta(days=older_than_days, milliseconds=1)
        old = replace(filters, until=format_timestamp(oldest_kept), include_superseded=True)
        return await (self._store.find_ids(old) if dry_run else self._store.cleanup(old))

    async def totals(self, project_id: str | None, *, include_superseded: bool = True) -> Totals:
        projects = (project_id,) if project_id else ()
        filters = Filters(project_ids=projects, include_superseded=include_superseded)
        return await self._store.totals(filters)

    async def store_facts(self) -> StoreFacts | None:
        """None where the service is limited: they are those of all projects."""
        return await self._store.facts()

    async def embed(self, texts: Sequence[str], *, as_query: bool) -> list[Vector]:
        async def embed_one(text: str) -> Vector:
            return await self._embedder.embed(text, as_query=as_query)

        return await each(texts, embed_one, at_once=_EMBEDDED_AT_ONCE)

    async def _insert(self, drafts: Sequence[Draft], *, compare: bool = True) -> list[Outcome]:
        """The writer commits while the neighbours are looked for: neither waits for the other."""
        outcomes, similar = await asyncio.gather(
            self._store.insert(drafts), self._similar(drafts if compare else [])
        )
        await self._searcher.follow()

        def told(
            outcome: Stored | Exception, near: Sequence[Match], draft: Draft
        ) -> StoreOutcome | Exception:
            if isinstance(outcome, Exception):
                return outcome
            new = outcome.duplicate_of is None
            sealed = has_sealed(draft.embedded.entry)
            return StoreOutcome(outcome, near if new else (), sealed=sealed)

        return list(map(told, outcomes, similar or itertools.repeat(()), drafts))

    async def _similar(self, drafts: Sequence[Draft]) -> list[list[Match]]:
        """Of each draft."""
        similar = await self._searcher.similar([draft.embedded for draft in drafts])
        return [
            [match for match in near if match.id not in draft.supersedes]
            for draft, near in zip(drafts, similar, strict=True)
        ]

    async def _draft(self, new: NewEntry, priority: Priority) -> tuple[Draft, list[Redaction]]:
        self._check_type(new.type)
        return await self.drafting.draft(new, priority)

    def _check_type(self, name: str) -> None:
        listed = (*ENTRY_TYPES, *self.extra_types)
        if name in listed or name in self._store.types:
            return
        nearest = difflib.get_close_matches(name.lower(), listed, n=1, cutoff=0.0)
        raise InvalidInput(
            f"This type does not exist; the nearest is `{nearest[0]}`. Known types: "
            f"{', '.join(listed)}, and those of migrated entries.",
            field="type",
        )


def _size_bytes(found: Found) -> int:
    n_vectors = sum(len(hit.embedded.passages) for hit in found.hits)
    return bytes_of_entries([hit.entry for hit in found.hits]) + 2_000 * n_vectors


async def _each(
    items: Sequence[_T | KnowledgeError], prepare: Callable[[_T], Awaitable[_U]]
) -> list[_U | KnowledgeError]:
    """A few at a time, in order; what is or raises a KnowledgeError is that error."""

    async def one(item: _T | KnowledgeError) -> _U | KnowledgeError:
        if isinstance(item, KnowledgeError):
            return item
        try:
            return await prepare(item)
        except KnowledgeError as error:
            return error

    return await each(items, one, at_once=_EMBEDDED_AT_ONCE)
