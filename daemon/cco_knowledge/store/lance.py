"""The store on LanceDB: one table, one row an entry, one writer.

Reads are in `reads.py`; here is what changes the table.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

from cco_knowledge import faults
from cco_knowledge.errors import Conflict, NotFound
from cco_knowledge.jobs import Advance
from cco_knowledge.metrics import StoreWork
from cco_knowledge.store import duplicates, opening, vector_indexes
from cco_knowledge.store.changes import LanceChanges
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.failures import translated
from cco_knowledge.store.filters import both, one_of
from cco_knowledge.store.forcing import Durability, Forcing
from cco_knowledge.store.interface import ANY, Draft, Optimized, Stored, Verified
from cco_knowledge.store.maintenance import Maintenance
from cco_knowledge.store.mending import Mending
from cco_knowledge.store.native import Scannable
from cco_knowledge.store.renewal import renew
from cco_knowledge.store.successors import marked
from cco_knowledge.store.upsert import upsert
from cco_knowledge.store.vector_indexes import VectorIndexes
from cco_knowledge.store.verification import Verification
from cco_knowledge.store.writer import Outcome, Writer
from cco_knowledge.types import EmbeddedEntry, Entry, Filters, ModelIdentity, Passage, StoreFacts

_T = TypeVar("_T")


class LanceStore(LanceChanges):
    """Implements `store.interface.Store`. Made by `open`, ended by `close`."""

    def __init__(
        self, folder: opening.Folder, opened: opening.Opened, disk: Disk, durability: Durability
    ) -> None:
        super().__init__(opened, disk)
        self._folder = folder
        self._connection = opened.connection
        self._measuring_thread = ThreadPoolExecutor(1, thread_name_prefix="measuring")
        self._writer = Writer(self._commit)
        self.work = StoreWork(indexes_rebuilt=opened.n_rebuilt)
        self._forcing = Forcing(disk, self._disk_thread, durability)
        self._maintenance = Maintenance(self, disk, self._forcing, self.work)
        self._mending = Mending(self, disk, self._forcing, self.work)
        self._writing: asyncio.Task[None] | None = None
        self._collecting: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        folder: Path,
        model: ModelIdentity,
        cache_bytes: int,
        *,
        durability: Durability = "full",
        in_doubt: bool = False,
        is_copy: bool = False,
    ) -> Self:
        """Open the table, or make it, and prove by a scan that it can be read.

        `in_doubt`: who had it last did not end cleanly, so every row is read. A damaged table is
        set back to its newest version that is whole. `is_copy`: one that is upgraded without a
        backup, because it is one.

        Raises:
            StartRefused: another model's store, another schema, or one that cannot be read.
        """
        opening.make_folder(folder)
        disk = Disk(folder)
        place = opening.Folder(folder, cache_bytes)
        if not is_copy:
            disk.room.keep_ballast()
        opened = await place.open(model, disk, in_doubt=in_doubt, is_copy=is_copy)
        store = cls(place, opened, disk, durability)
        await store._begin()
        return store

    async def _begin(self) -> None:
        with translated("start"):
            await self._forcing.force(self._table)
            await self.prepare()
            if self.vector_indexes:
                await self.reopen()
            await self._maintenance.take_over()
        self._writing = asyncio.create_task(self._writer.run(), name="writer")
        self._collecting = asyncio.create_task(self._learn_what_is_there(), name="keys")
        # Its failure is logged; without the keys each store takes longer.
        self._collecting.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _learn_what_is_there(self) -> None:
        async with self._maintenance.files_kept():
            with translated("look at the keys"):
                await self.count_long()
                await self._maintenance.look()
                await self._collect_keys()

    @property
    def types(self) -> Collection[str]:
        return self._types

    @property
    def key_ids(self) -> Collection[bytes]:
        return self._key_ids

    @property
    def is_alive(self) -> bool:
        """Whether the writer still takes work, and comes back from the disk."""
        is_writing = self._writing is not None and not self._writing.done()
        return is_writing and not self._disk.is_stuck

    @property
    def is_full(self) -> bool:
        return self._disk.room.is_full

    def check_takes_entries(self) -> None:
        self._disk.check_moving()
        with translated("write"):
            self._disk.room.check()

    @property
    def is_in_upkeep(self) -> bool:
        """Whether files are folded, or indexes made, just now."""
        return self._maintenance.is_running

    async def prove(self) -> None:
        """Returns when the writer has come to it, behind all that waited before."""
        await self._writer.prove()

    async def close(self) -> None:
        """Finish what was begun, then let go of the files. Raises where it is not on the disk."""
        if self._collecting is not None:
            self._collecting.cancel()
            await asyncio.wait({self._collecting})
        await self._maintenance.close()
        self._writer.close()
        if self._writing is not None:
            await self._writing
        await self._mending.close()
        self._table.close()
        self._connection.close()
        try:
            with translated("close"):
                await self._forcing.end()
        finally:
            self._disk_thread.shutdown()
            self._measuring_thread.shutdown()
            self._disk.close()

    async def insert(self, drafts: Sequence[Draft]) -> list[Outcome]:
        self._disk.check_moving()
        return await self._writer.insert(drafts)

    async def replace(
        self, entry: Entry, passages: Sequence[Passage] | None, filters: Filters = ANY
    ) -> None:
        async def apply() -> None:
            current = await self.embedded([entry.id], filters)
            if not current:
                raise NotFound("No entry has this id.", id=entry.id)
            stored = current[0]
            successor = await self._successor(entry, stored.entry, filters)
            marks = replace(entry, superseded_by=successor[0], superseded_at=successor[1])
            changed = EmbeddedEntry(marks, passages or stored.passages)
            written.append(await self._to_batch([changed]))
            await upsert(self._table, self._schema, written)
            self._learn(changed)

        written: list[Any] = []
        await self._change(apply, written)

    async def rewrite(self, changes: Mapping[str, tuple[Entry, EmbeddedEntry]]) -> list[str]:
        """Those that are still what they were, in one commit; their ids. By id: before, after."""

        async def apply() -> list[str]:
            same = duplicates.unchanged(changes, await self.get(list(changes)))
            if same:
                written.append(await self._to_batch(same))
                await upsert(self._table, self._schema, written)
            for embedded in same:
                self._learn(embedded)
            return [embedded.entry.id for embedded in same]

        written: list[Any] = []
        return await self._change(apply, written)

    async def renew(self) -> None:
        """Write every file anew and remove all others: nothing is left of what rows once held.

        Raises:
            StorageFull, StoreFailed: the table is whole; old files may still be there.
        """
        await self._maintenance.renew(lambda: renew(self._folder))

    async def delete(self, ids: Sequence[str], filters: Filters = ANY) -> int:
        condition = both(one_of("id", ids), self._predicate(filters))
        return await self._change(lambda: self._delete(condition))

    async def delete_matching(self, filters: Filters, expect: int) -> int:
        async def apply() -> int:
            condition = self._predicate(filters)
            found = await self._table.count_rows(condition)
            if found != expect:
                raise Conflict(
                    f"{found} entries match, {expect} were expected. Nothing was deleted.",
                    matching=found,
                )
            return await self._delete(condition)

        return await self._change(apply)

    async def migrated(self, records: Sequence[str]) -> dict[str, Stored]:
        maybe = [record for record in records if record in self._seen]
        if not maybe:
            return {}
        with translated("get"):
            entries = await self._entries(one_of("migration_record", maybe))
        return {
            entry.migration_record: Stored(entry.id, entry.timestamp, duplicate_of=entry.id)
            for entry in entries
            if entry.migration_record is not None
        }

    async def undo_migration(self, run: str, filters: Filters = ANY) -> int:
        condition = both(one_of("migration_run", [run]), self._predicate(filters))
        return await self._change(lambda: self._delete(condition))

    async def cleanup(self, filters: Filters) -> list[str]:
        async def apply() -> list[str]:
            condition = self._predicate(filters)
            ids = await self._ids(condition)
            if ids:
                await self._delete(condition)
            return ids

        return await self._change(apply)

    async def optimize(self, advance: Advance) -> Optimized:
        """Fold small files, index all rows and drop old versions now; what there was, and is.

        Cancelling lets the step that runs come to its end in the background.

        Raises:
            StorageFull, StoreFailed: the table is as it was, or a step better.
        """
        before = await self.facts()
        await self._maintenance.optimize(advance)
        return Optimized(before, await self.facts())

    async def verify(self, advance: Advance) -> Verified:
        """Look at every row, index and file as they are now. Cancelling ends it cleanly.

        Raises:
            StoreFailed: the table cannot be opened at all.
        """
        async with self._maintenance.files_kept():
            with translated("verification"):
                table = await opening.reopen_table(self._connection)
                verification = Verification(table, self._schema.names, self._disk.table, advance)
                found = await verification.run()
        if verification.damaged_indexes:
            await self.alone(lambda: self._mending.rebuild(verification.damaged_indexes))
            await self._maintenance.look()
        return found

    async def facts(self) -> StoreFacts:
        loop = asyncio.get_running_loop()
        with translated("stats"):
            stats = await self._table.stats()
            indices = await self._table.list_indices()
            size_bytes, versions = await loop.run_in_executor(
                self._measuring_thread, self._disk.measure
            )
        return StoreFacts(
            bytes=size_bytes,
            fragments=int(stats["fragment_stats"]["num_fragments"]),
            versions=versions,
            live_bytes=int(stats["total_bytes"]),
            unindexed_rows=max((index.num_unindexed_rows or 0 for index in indices), default=0),
        )

    async def _commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        with translated("write"):
            known = await self._known(drafts)
        decided = duplicates.decide(drafts, known)
        if decided.new or decided.successors:
            await self._write(decided)
        return decided.outcomes

    async def _write(self, decided: duplicates.Decided) -> None:
        """The new rows, and the marks on those that they replace: one commit."""
        new = [marked(draft.embedded, decided.successors) for draft in decided.new]
        batch = await self._to_batch(new)
        for embedded in new:
            self._learn(embedded)
        written = [batch]
        with translated("write"), self.work.commit(batch.num_rows), self._changing(written):
            self._disk.check_present()
            self._forcing.check()
            if decided.successors:
                # NOTE: an append and a compaction get along; an update would make it fail.
                async with self._maintenance.no_folding():
                    self._has_superseded = True
                    written += await self._superseded_rows(decided.successors)
                    with self._disk.at_work():
                        await upsert(self._table, self._schema, written)
            else:
                with self._disk.at_work():
                    await faults.on_a_thread("store.append")
                    await self._table.add(Scannable(batch), "append")
                    await faults.on_a_thread("store.appended")
            await self._forcing.force(self._table)
        appended = None if decided.successors else batch
        self._maintenance.after_commit(batch.num_rows, appended=appended)

    @contextlib.contextmanager
    def _changing(self, written: list[Any] | None) -> Iterator[None]:
        """`written`: at the end the rows, if the change is only to write some.

        One that fails may have changed anything.
        """
        told = None
        try:
            yield
            told = written
        finally:
            self._held.changed(told)

    async def alone(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Run `work` while nothing else changes the table or its files."""

        async def change() -> _T:
            # NOTE: an append gets along with folding; a delete or update would make it fail.
            async with self._maintenance.no_folding():
                return await work()

        return await self._writer.change(change)

    async def _change(
        self, apply: Callable[[], Awaitable[_T]], written: list[Any] | None = None
    ) -> _T:
        """`written`: to which `apply` adds its rows, where it only writes some."""

        async def commit() -> _T:
            with translated("write"), self.work.commit(), self._changing(written):
                self._forcing.check()
                with self._disk.at_work():
                    result = await self._mending.watched(apply)
                await self._forcing.force(self._table)
            self._maintenance.after_commit()
            return result

        self._disk.check_moving()
        return await self.alone(commit)

    async def _after_failed_read(self) -> None:
        await self._mending.look_at_indexes()

    def table(self) -> Any:
        return self._table

    async def forget(self) -> None:
        await self._held.forget()

    async def reopen(self) -> Any:
        # The former handles are not closed: reads that have begun use them to their end.
        await self._asking.look(self._table)
        self._connection = await self._folder.connect(self.vector_indexes.n_bytes)
        self._table = await opening.reopen_table(self._connection)
        await self._asking.look(self._table)
        return self._table

    @property
    def vector_indexes(self) -> VectorIndexes:
        return self._asking.indexes

    async def drop_vector_index(self, column: str) -> None:
        if column in self.vector_indexes.n_parts:
            await vector_indexes.drop(self._table, column)
            await self._asking.look(self._table)

    async def due_vector_indexes(self) -> dict[str, int]:
        return self.vector_indexes.due(await self._asking.n_rows(self._table))
