"""What callers are shown of a chain of successors: its end."""

from collections.abc import Sequence
from dataclasses import replace

from cco_knowledge.search.searcher import Found
from cco_knowledge.store.interface import Store
from cco_knowledge.types import Entry


async def with_newest(store: Store, found: Found) -> Found:
    entries = await newest(store, [hit.entry for hit in found.hits])
    hits = [
        replace(hit, embedded=replace(hit.embedded, entry=entry))
        for hit, entry in zip(found.hits, entries, strict=True)
    ]
    return replace(found, hits=hits)


async def newest(store: Store, entries: Sequence[Entry]) -> list[Entry]:
    """With `superseded_by` at the end of each chain of successors."""
    following: dict[str, str | None] = {}
    unknown = {entry.superseded_by for entry in entries if entry.superseded_by}
    while unknown:
        known = {e.id: e.superseded_by for e in await store.get(sorted(unknown))}
        following.update({entry_id: known.get(entry_id) for entry_id in unknown})
        unknown = {one for one in known.values() if one and one not in following}

    def end(entry_id: str | None) -> str | None:
        while entry_id and following.get(entry_id):
            entry_id = following[entry_id]
        return entry_id

    return [replace(entry, superseded_by=end(entry.superseded_by)) for entry in entries]
