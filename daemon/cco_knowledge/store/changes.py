"""What a change reads, and what it writes, within one commit of the writer."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cco_knowledge import faults
from cco_knowledge.credentials.vault import key_id_of
from cco_knowledge.errors import Conflict, NotFound
from cco_knowledge.store import duplicates, opening, schema
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.filters import both, one_of, quoted
from cco_knowledge.store.interface import Draft
from cco_knowledge.store.nearest import LanceNearest
from cco_knowledge.store.seen import SeenKeys
from cco_knowledge.store.successors import first_kept
from cco_knowledge.types import EmbeddedEntry, Entry, Filters

_KEYS_AT_ONCE = 1024
"""It has the event loop for a millisecond."""


class LanceChanges(LanceNearest):
    """Nothing else may change the table meanwhile."""

    def __init__(self, opened: opening.Opened, disk: Disk) -> None:
        super().__init__(opened.table)
        self._disk = disk
        self._disk_thread = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._schema: Any = opened.schema
        self._seen = SeenKeys()
        self._types = {one for batch in opened.marks for one in batch.column("type").to_pylist()}
        self._key_ids = {
            key_id_of(sealed)
            for batch in opened.marks
            for sealed in schema.given(batch.column("sealed"))
        }

    async def _collect_keys(self) -> None:
        """Of all that was stored before the start. Until then, what comes is looked up."""
        columns = ("id", "content_digest", "migration_record")
        stream = await self._query(columns, None).execute(_KEYS_AT_ONCE, None)
        async for batch in stream:
            for column in columns:
                self._seen.add(schema.given(batch.column(column)))
            await asyncio.sleep(0)
        self._seen.are_all_in = True

    async def _known(self, drafts: Sequence[Draft]) -> duplicates.Known:
        """The stored entries that share an id or the content with a draft, or that it replaces."""
        entries = [draft.embedded.entry for draft in drafts]
        replaced = [entry_id for draft in drafts for entry_id in draft.supersedes]
        if not replaced and not any(
            key in self._seen for e in entries for key in duplicates.keys_of(e)
        ):
            return duplicates.Known([])
        digests = ", ".join(f"X'{schema.content_digest(e).hex()}'" for e in entries)
        same = [
            one_of("id", [*(entry.id for entry in entries), *replaced]),
            f"content_digest IN ({digests})",
        ]
        if records := [e.migration_record for e in entries if e.migration_record is not None]:
            same.append(one_of("migration_record", records))
        return duplicates.Known(await self._entries(" OR ".join(same)))

    async def _superseded_rows(self, successors: Mapping[str, Entry]) -> list[Any]:
        """The stored rows of the ids, marked; not those that are so already."""
        batches = await self._select(self._schema.names, one_of("id", successors))
        rows = [batch.slice(at, 1) for batch in batches for at in range(batch.num_rows)]
        return [
            schema.superseded(row, by)
            for row in rows
            for by in [successors[row.column("id")[0].as_py()]]
            if row.column("superseded_by")[0].as_py() != by.id
        ]

    async def _delete(self, condition: str | None) -> int:
        """How many rows went. What points to them points past them before."""
        restored = await self._repoint(condition) if self._has_superseded else []
        self._disk.room.make_way()
        # What becomes current by this must not go as such.
        spared = f"NOT ({one_of('id', restored)})" if restored else None
        await faults.on_a_thread("store.delete")
        deleted = await self._table.delete(both(condition, spared) or "true")
        await faults.on_a_thread("store.deleted")
        return int(deleted.num_deleted_rows)

    async def _repoint(self, condition: str | None) -> list[str]:
        """The ids that have no successor any more."""
        pointers = await self._pointers("true")
        involved = sorted({*pointers, *pointers.values()})
        gone = set(await self._ids(both(one_of("id", involved), condition))) if involved else set()
        moved: dict[str | None, list[str]] = {}
        for entry_id, target in pointers.items():
            if target in gone and entry_id not in gone:
                moved.setdefault(first_kept(target, pointers, gone), []).append(entry_id)
        for kept, ids in moved.items():
            changes = (
                {"superseded_by": quoted(kept)}
                if kept is not None
                else {"superseded_by": "NULL", "superseded_at": "NULL"}
            )
            await self._table.update(changes, one_of("id", ids))
            await faults.on_a_thread("store.repointed")
        return moved.get(None, [])

    async def _successor(
        self, entry: Entry, stored: Entry, filters: Filters
    ) -> tuple[str | None, str | None]:
        """`superseded_by` and `superseded_at` of a changed entry; nothing takes them back."""
        by = entry.superseded_by
        if by is None or by == stored.superseded_by:  # since it was read, another may have come
            return stored.superseded_by, stored.superseded_at
        successors = await self.get([by], filters)
        if not successors:
            raise NotFound("No entry has the id in `superseded_by`.", id=by)
        pointers = await self._pointers("true")
        following: str | None = by
        while following is not None:
            if following == entry.id:
                raise Conflict(
                    "An entry is not superseded by itself or by what it replaced.", id=by
                )
            following = pointers.get(following)
        return by, stored.superseded_at or successors[0].timestamp

    def _learn(self, embedded: EmbeddedEntry) -> None:
        """What later reads and stores cannot leave out any more."""
        self._seen.add(duplicates.keys_of(embedded.entry))
        self._types.add(embedded.entry.type)
        if embedded.entry.sealed is not None:
            self._key_ids.add(key_id_of(embedded.entry.sealed))
        if len(embedded.passages) > 1:
            self._asking.n_long = (self._asking.n_long or 0) + 1
        self._has_superseded |= embedded.entry.superseded_by is not None

    async def _to_batch(self, entries: Sequence[EmbeddedEntry]) -> Any:
        """On a thread: the terms of long texts take a tenth of a second."""

        def work() -> Any:
            self._disk.room.take_ballast()
            return schema.to_batch(entries, self._schema)

        return await asyncio.get_running_loop().run_in_executor(self._disk_thread, work)
