"""The use cases: what a caller asks for, in terms of an embedder and a store."""

import asyncio
import difflib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cco_knowledge.embedding.interface import Embedder, Priority
from cco_knowledge.errors import InvalidInput, KnowledgeError, NotFound
from cco_knowledge.store.filters import PageStart
from cco_knowledge.store.interface import Draft, OnDuplicate, Page, Store, Stored
from cco_knowledge.types import (
    ENTRY_TYPES,
    EmbeddedEntry,
    Entry,
    Filters,
    Hit,
    ModelIdentity,
    StoreFacts,
    Totals,
    Vector,
)

_EMBEDDED_AT_ONCE = 8
_RANDOM_BYTES = 6

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 UTC with milliseconds, cut, not rounded."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What a caller gives to be stored."""

    text: str
    type: str
    project_id: str
    session_id: str
    agent: str
    metadata: bytes
    id: str | None
    timestamp: str | None
    on_duplicate: OnDuplicate


class KnowledgeService:
    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        extra_types: Sequence[str],
        clock: Clock = utc_now,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._types = (*ENTRY_TYPES, *extra_types)
        self._clock = clock
        self._update_lock = asyncio.Lock()

    @property
    def model(self) -> ModelIdentity:
        return self._embedder.identity

    async def store(self, new: NewEntry) -> Stored:
        draft = await self._draft(new, Priority.STORE)
        (outcome,) = await self._store.insert([draft])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def store_batch(
        self, items: Sequence[NewEntry | KnowledgeError]
    ) -> list[Stored | Exception]:
        """One outcome an item, in order; items that are errors already stay what they are."""
        slots = asyncio.Semaphore(_EMBEDDED_AT_ONCE)

        async def prepare(item: NewEntry | KnowledgeError) -> Draft | KnowledgeError:
            if isinstance(item, KnowledgeError):
                return item
            async with slots:
                try:
                    return await self._draft(item, Priority.BULK)
                except KnowledgeError as error:
                    return error

        prepared = await asyncio.gather(*map(prepare, items))
        drafts = [draft for draft in prepared if isinstance(draft, Draft)]
        outcomes = iter(await self._store.insert(drafts) if drafts else [])
        return [part if isinstance(part, Exception) else next(outcomes) for part in prepared]

    async def search(
        self, query: str, filters: Filters, *, limit: int, threshold: float | None
    ) -> list[Hit]:
        vector = await self._embedder.embed(query, as_query=True)
        hits = await self._store.search(vector, filters, limit)
        return [hit for hit in hits if threshold is None or hit.similarity >= threshold]

    async def query(
        self,
        filters: Filters,
        *,
        order_by: str,
        descending: bool,
        limit: int,
        start: PageStart | None,
    ) -> Page:
        return await self._store.query(
            filters, order_by=order_by, descending=descending, limit=limit, start=start
        )

    async def get(self, ids: Sequence[str]) -> tuple[list[Entry], list[str]]:
        """The entries that exist, and the ids that do not, both in the order asked."""
        entries = await self._store.get(ids)
        found = {entry.id for entry in entries}
        return entries, [entry_id for entry_id in dict.fromkeys(ids) if entry_id not in found]

    async def update(self, entry_id: str, changes: dict[str, str | bytes]) -> bool:
        """Whether anything differs. `changes` holds entry fields without the id.

        Raises:
            NotFound
        """
        if "type" in changes:
            self._check_type(str(changes["type"]))
        # NOTE: read, embed, write: two updates of one entry must not interleave.
        async with self._update_lock:
            current = await self._store.get([entry_id])
            if not current:
                raise NotFound("No entry has this id.", id=entry_id)
            changed = replace(current[0], **changes)  # type: ignore[arg-type]
            if changed == current[0]:
                return False
            embedded = None
            if changed.text != current[0].text:
                passages = await self._embedder.embed_document(changed.text, Priority.STORE)
                embedded = EmbeddedEntry(changed, passages)
            await self._store.replace(changed, embedded)
            return True

    async def delete(self, ids: Sequence[str]) -> int:
        return await self._store.delete(ids)

    async def delete_matching(self, filters: Filters, expect: int) -> int:
        return await self._store.delete_matching(filters, expect)

    async def cleanup(
        self, older_than_days: float, filters: Filters, *, dry_run: bool
    ) -> list[str]:
        """The ids that were deleted, or would be."""
        oldest_kept = self._clock() - timedelta(days=older_than_days, milliseconds=1)
        old = replace(filters, until=format_timestamp(oldest_kept))
        return await (self._store.find_ids(old) if dry_run else self._store.cleanup(old))

    async def totals(self, project_id: str | None) -> Totals:
        return await self._store.totals(Filters(project_ids=(project_id,) if project_id else ()))

    async def store_facts(self) -> StoreFacts:
        return await self._store.facts()

    async def embed(self, texts: Sequence[str], *, as_query: bool) -> list[Vector]:
        slots = asyncio.Semaphore(_EMBEDDED_AT_ONCE)

        async def embed_one(text: str) -> Vector:
            async with slots:
                return await self._embedder.embed(text, as_query=as_query)

        return list(await asyncio.gather(*map(embed_one, texts)))

    async def _draft(self, new: NewEntry, priority: Priority) -> Draft:
        self._check_type(new.type)
        passages = await self._embedder.embed_document(new.text, priority)
        now = self._clock()
        entry = Entry(
            id=new.id or new_id(new.type, now),
            text=new.text,
            type=new.type,
            project_id=new.project_id,
            session_id=new.session_id,
            agent=new.agent,
            timestamp=new.timestamp or format_timestamp(now),
            metadata=new.metadata,
        )
        return Draft(EmbeddedEntry(entry, passages), new.on_duplicate, new.timestamp is not None)

    def _check_type(self, name: str) -> None:
        if name not in self._types:
            nearest = difflib.get_close_matches(name.lower(), self._types, n=1, cutoff=0.0)
            raise InvalidInput(
                f"This type does not exist; the nearest is `{nearest[0]}`. Known types: "
                f"{', '.join(self._types)}.",
                field="type",
            )


def new_id(entry_type: str, now: datetime) -> str:
    return f"{entry_type}-{int(now.timestamp() * 1000)}-{secrets.token_hex(_RANDOM_BYTES)}"
