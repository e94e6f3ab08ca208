"""One table: what its rows hold, the rows without it, and then its files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from cco_knowledge.credentials.entries import with_sealed_value
from cco_knowledge.credentials.vault import Vault
from cco_knowledge.embedding.interface import Embedder, Priority
from cco_knowledge.errors import InvalidInput
from cco_knowledge.redaction import Policy
from cco_knowledge.scrubbing.secrets_in import Secrets, without
from cco_knowledge.store.filters import PageStart
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import EmbeddedEntry, Entry

_PAGE_ENTRIES = 200
_ROUNDS = 3
"""The second one meets what was written during the first."""


@dataclass(frozen=True, slots=True)
class Cleaner:
    """What an entry needs to become another one."""

    embedder: Embedder
    vault: Vault
    policy: Policy


async def look(store: LanceStore, secrets: Secrets) -> tuple[int, list[str]]:
    """How many entries there are, and the ids of those in which the detector finds something."""
    n_entries, ids = 0, []
    async for page in _pages(store):
        n_entries += len(page)
        ids += await asyncio.to_thread(secrets.look_at, page)
    return n_entries, ids


async def holding(store: LanceStore, secrets: Secrets) -> list[str]:
    """The ids of all entries that hold one of the pieces, whatever the detector says."""
    ids: list[str] = []
    if not secrets.pieces:
        return ids
    async for page in _pages(store):
        ids += await asyncio.to_thread(secrets.holding, page)
    return ids


async def clean(
    store: LanceStore, found: Sequence[str], secrets: Secrets, cleaner: Cleaner
) -> tuple[set[str], int]:
    """The ids of the entries that were changed, and how many are left that hold secrets.

    `found`: the ids that `look` gave.

    Raises:
        KeyUnusable: a credential cannot be sealed.
    """
    changed: set[str] = set()
    if not secrets.values:
        return changed, 0
    for _ in range(_ROUNDS):
        ids = list(dict.fromkeys([*found, *await holding(store, secrets)]))
        if not ids:
            break
        for begin in range(0, len(ids), _PAGE_ENTRIES):
            part = ids[begin : begin + _PAGE_ENTRIES]
            changed.update(await _rewrite(store, part, secrets, cleaner))
        _, found = await look(store, secrets)
    return changed, len({*found, *await holding(store, secrets)})


async def _rewrite(
    store: LanceStore, ids: Sequence[str], secrets: Secrets, cleaner: Cleaner
) -> list[str]:
    changes: dict[str, tuple[Entry, EmbeddedEntry]] = {}
    for embedded in await store.embedded(ids):
        entry = await _cleaned(embedded.entry, secrets, cleaner)
        passages = embedded.passages
        if entry.text != embedded.entry.text:
            passages = await cleaner.embedder.embed_document(entry.text, Priority.BULK)
        if entry != embedded.entry:
            changes[entry.id] = (embedded.entry, EmbeddedEntry(entry, passages))
    return await store.rewrite(changes) if changes else []


async def _cleaned(entry: Entry, secrets: Secrets, cleaner: Cleaner) -> Entry:
    """A credential is sealed first: what can be kept for its owner is kept."""
    if entry.sealed is None:
        with contextlib.suppress(InvalidInput):  # it holds too many: the detector takes them
            entry = await with_sealed_value(entry, cleaner.vault)
    return await asyncio.to_thread(without, entry, secrets.pieces)


async def _pages(store: LanceStore) -> AsyncIterator[Sequence[Entry]]:
    """By id: what is stored meanwhile neither hides nor repeats others."""
    start: PageStart | None = None
    while True:
        page = await store.query(
            ANY, order_by="id", descending=False, limit=_PAGE_ENTRIES, start=start
        )
        yield page.entries
        start = page.next_start
        if start is None:
            return
