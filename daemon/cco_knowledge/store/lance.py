"""The store on LanceDB: one table, one row an entry, one writer."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from cco_knowledge.errors import Conflict, NotFound, StartRefused
from cco_knowledge.store import duplicates, schema
from cco_knowledge.store.compaction import Compaction
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.failures import category, translated
from cco_knowledge.store.filters import PageStart, after, both, one_of, predicate
from cco_knowledge.store.interface import Draft, Page
from cco_knowledge.store.native import Scannable, lance, pa, panics_caught
from cco_knowledge.store.seen import SeenKeys
from cco_knowledge.store.writer import Outcome, Writer
from cco_knowledge.types import (
    EmbeddedEntry,
    Entry,
    Filters,
    Hit,
    ModelIdentity,
    StoreFacts,
    Totals,
    Vector,
)

TABLE = "knowledge"
_HAS_PASSAGES = "passages IS NOT NULL"
_SCAN_BATCH_ROWS = 8192

_T = TypeVar("_T")


class LanceStore:
    """Implements `store.interface.Store`. Made by `open`, ended by `close`."""

    def __init__(self, connection: Any, table: Any, disk: Disk) -> None:
        self._connection = connection
        self._table = table
        self._disk = disk
        self._schema: Any = None
        self._has_passages = False
        self._seen = SeenKeys(())
        self._disk_thread = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self._writer = Writer(self._commit)
        self._compaction = Compaction(table)
        self._writing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, folder: Path, model: ModelIdentity, cache_bytes: int) -> Self:
        """Open the table, or make it, and prove by a scan that it can be read.

        Raises:
            StartRefused: another model's store, another schema, or one that cannot be read.
        """
        _make_folder(folder)
        session = lance.Session(
            index_cache_size_bytes=cache_bytes // 2, metadata_cache_size_bytes=cache_bytes // 2
        )
        try:
            with panics_caught():
                connection = await lance.connect(
                    str(folder), None, None, None, None, None, None, None, session
                )
                table = await _open_table(connection, model)
                found = await table.schema()
                schema.check_schema(found, model)
                has_passages = await table.count_rows(_HAS_PASSAGES) > 0
                seen = SeenKeys(await _keys(table))
        except (RuntimeError, ValueError, OSError) as error:
            raise StartRefused(
                f"The store in {folder} cannot be read ({category(error)}). Nothing was changed. "
                "Restore a copy of the folder, or move it away to begin with an empty store."
            ) from error
        store = cls(connection, table, Disk(folder))
        store._schema = found
        store._has_passages = has_passages
        store._seen = seen
        store._writing = asyncio.create_task(store._writer.run(), name="writer")
        return store

    @property
    def is_alive(self) -> bool:
        """Whether the writer still takes work."""
        return self._writing is not None and not self._writing.done()

    async def close(self) -> None:
        """Finish what was begun, then let go of the files."""
        self._writer.close()
        if self._writing is not None:
            await self._writing
        await self._compaction.finish()
        self._table.close()
        self._connection.close()
        self._disk_thread.shutdown()
        self._disk.close()

    async def insert(self, drafts: Sequence[Draft]) -> list[Outcome]:
        return await self._writer.insert(drafts)

    async def replace(self, entry: Entry, passages: EmbeddedEntry | None) -> None:
        async def apply() -> None:
            embedded = passages or await self._with_stored_passages(entry)
            batch = schema.to_batch([embedded], self._schema)
            merged = await self._table.execute_merge_insert(
                pa.RecordBatchReader.from_batches(self._schema, [batch]), _UPDATE_BY_ID
            )
            if merged.num_updated_rows == 0:
                raise NotFound("No entry has this id.", id=entry.id)
            self._remember(entry)
            self._has_passages |= len(embedded.passages) > 1

        await self._change(apply)

    async def delete(self, ids: Sequence[str]) -> int:
        async def apply() -> int:
            return int((await self._table.delete(one_of("id", ids))).num_deleted_rows)

        return await self._change(apply)

    async def delete_matching(self, filters: Filters, expect: int) -> int:
        condition = predicate(filters)

        async def apply() -> int:
            found = await self._table.count_rows(condition)
            if found != expect:
                raise Conflict(
                    f"{found} entries match, {expect} were expected. Nothing was deleted.",
                    matching=found,
                )
            return int((await self._table.delete(condition or "true")).num_deleted_rows)

        return await self._change(apply)

    async def cleanup(self, filters: Filters) -> list[str]:
        async def apply() -> list[str]:
            ids = await self._ids(filters)
            if ids:
                await self._table.delete(predicate(filters) or "true")
            return ids

        return await self._change(apply)

    async def search(self, vector: Vector, filters: Filters, limit: int) -> list[Hit]:
        condition = predicate(filters)
        searches = [self._nearest("vector", vector, condition, limit)]
        if self._has_passages:
            in_passages = both(_HAS_PASSAGES, condition)
            searches.append(self._nearest("passages", vector, in_passages, limit))
        best: dict[str, Hit] = {}
        with translated("search"):
            for hit in (hit for hits in await asyncio.gather(*searches) for hit in hits):
                known = best.get(hit.entry.id)
                if known is None or known.similarity < hit.similarity:
                    best[hit.entry.id] = hit
        return sorted(best.values(), key=lambda hit: (-hit.similarity, hit.entry.id))[:limit]

    async def query(
        self,
        filters: Filters,
        *,
        order_by: str,
        descending: bool,
        limit: int,
        start: PageStart | None,
    ) -> Page:
        condition = predicate(filters)
        query = self._table.query()
        _where(query, both(condition, after(start) if start else None))
        query.select_columns(list(schema.ENTRY_COLUMNS))
        query.order_by(_ordering(order_by, descending=descending))
        query.limit(limit + 1)
        with translated("query"):
            total = await self._table.count_rows(condition)
            entries = [e for batch in await _collect(query) for e in schema.to_entries(batch)]
        page = entries[:limit]
        more = len(entries) > limit
        last = page[-1] if more else None
        following = (
            PageStart(order_by, descending, getattr(last, order_by), last.id) if last else None
        )
        return Page(page, total, following)

    async def get(self, ids: Sequence[str]) -> list[Entry]:
        query = self._table.query()
        _where(query, one_of("id", ids))
        query.select_columns(list(schema.ENTRY_COLUMNS))
        with translated("get"):
            entries = [e for batch in await _collect(query) for e in schema.to_entries(batch)]
        by_id = {entry.id: entry for entry in entries}
        return [by_id[entry_id] for entry_id in dict.fromkeys(ids) if entry_id in by_id]

    async def find_ids(self, filters: Filters) -> list[str]:
        with translated("query"):
            return await self._ids(filters)

    async def totals(self, filters: Filters) -> Totals:
        """One scan of four columns, a batch at a time."""
        query = self._table.query()
        _where(query, predicate(filters))
        query.select_columns(["type", "agent", "project_id", "timestamp"])
        counts: dict[str, Counter[str]] = {
            "type": Counter(),
            "agent": Counter(),
            "project_id": Counter(),
        }
        total, oldest, newest = 0, None, None
        with translated("stats"):
            async for batch in await query.execute(_SCAN_BATCH_ROWS, None):
                total += batch.num_rows
                for column, counter in counts.items():
                    counter.update(batch.column(column).to_pylist())
                times = batch.column("timestamp").to_pylist()
                oldest = min([*times, oldest] if oldest else times)
                newest = max([*times, newest] if newest else times)
        return Totals(
            total_records=total,
            by_type=dict(counts["type"].most_common()),
            by_agent=dict(counts["agent"].most_common()),
            by_project=dict(counts["project_id"].most_common()),
            oldest_record=oldest,
            newest_record=newest,
        )

    async def facts(self) -> StoreFacts:
        loop = asyncio.get_running_loop()
        with translated("stats"):
            stats = await self._table.stats()
            indices = await self._table.list_indices()
            size_bytes, versions = await loop.run_in_executor(self._disk_thread, self._disk.measure)
        return StoreFacts(
            bytes=size_bytes,
            fragments=int(stats["fragment_stats"]["num_fragments"]),
            versions=versions,
            unindexed_rows=sum(index.num_unindexed_rows or 0 for index in indices),
        )

    async def _commit(self, drafts: Sequence[Draft]) -> list[Outcome]:
        with translated("write"):
            known = await self._known(drafts)
        decided = duplicates.decide(drafts, known)
        if decided.new:
            for draft in decided.new:
                self._remember(draft.embedded.entry)
            batch = schema.to_batch([draft.embedded for draft in decided.new], self._schema)
            with translated("write"):
                self._disk.check_present()
                await self._table.add(Scannable(batch), "append")
                await self._sync()
            self._has_passages |= any(len(d.embedded.passages) > 1 for d in decided.new)
            self._compaction.after_commit()
        return decided.outcomes

    async def _known(self, drafts: Sequence[Draft]) -> duplicates.Known:
        """The stored entries that share an id or the content with a draft."""
        entries = [draft.embedded.entry for draft in drafts]
        if not any(e.id in self._seen or schema.content_digest(e) in self._seen for e in entries):
            return duplicates.Known([])
        digests = ", ".join(f"X'{schema.content_digest(e).hex()}'" for e in entries)
        ids = one_of("id", (entry.id for entry in entries))
        query = self._table.query()
        _where(query, f"{ids} OR content_digest IN ({digests})")
        query.select_columns(list(schema.ENTRY_COLUMNS))
        found = [e for batch in await _collect(query) for e in schema.to_entries(batch)]
        return duplicates.Known(found)

    def _remember(self, entry: Entry) -> None:
        self._seen.add(entry.id)
        self._seen.add(schema.content_digest(entry))

    async def _change(self, apply: Callable[[], Awaitable[_T]]) -> _T:
        async def alone() -> _T:
            # NOTE: an append and a compaction get along; a delete or update would make it fail.
            await self._compaction.finish()
            with translated("write"):
                result = await apply()
                await self._sync()
            self._compaction.after_commit()
            return result

        return await self._writer.change(alone)

    async def _sync(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._disk_thread, self._disk.sync)

    async def _nearest(
        self, column: str, vector: Vector, condition: str | None, limit: int
    ) -> list[Hit]:
        numbers = pa.Array.from_buffers(
            pa.float32(), len(vector) // 4, [None, pa.py_buffer(vector)]
        )
        query = self._table.query().nearest_to(numbers)
        query.column(column)
        query.distance_type("cosine")
        query.select_columns([*schema.ENTRY_COLUMNS, "_distance"])
        query.limit(limit)
        _where(query, condition)
        stream = await query.execute()
        return [
            Hit(entry, 1.0 - distance)
            async for batch in stream
            for entry, distance in zip(
                schema.to_entries(batch), batch.column("_distance").to_pylist(), strict=True
            )
        ]

    async def _ids(self, filters: Filters) -> list[str]:
        query = self._table.query()
        _where(query, predicate(filters))
        query.select_columns(["id"])
        return [i for batch in await _collect(query) for i in batch.column("id").to_pylist()]

    async def _with_stored_passages(self, entry: Entry) -> EmbeddedEntry:
        query = self._table.query()
        _where(query, one_of("id", [entry.id]))
        query.select_columns(["vector", "passages", "passage_spans"])
        rows = [batch for batch in await _collect(query) if batch.num_rows]
        if not rows:
            raise NotFound("No entry has this id.", id=entry.id)
        return EmbeddedEntry(entry, schema.to_passages(rows[0]))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StartRefused(
            f"The folder {folder} for the store cannot be made: {error.strerror}. Move away "
            "what is in its place."
        ) from error


_UPDATE_BY_ID = {
    "on": ["id"],
    "when_matched_update_all": True,
    "when_matched_update_all_condition": None,
    "when_not_matched_insert_all": False,
    "when_not_matched_by_source_delete": False,
    "when_not_matched_by_source_condition": None,
    "when_not_matched_by_source_condition_expr": None,
    "timeout": None,
    "use_index": True,
    "use_lsm": None,
    "validate_single_shard": None,
}


async def _open_table(connection: Any, model: ModelIdentity) -> Any:
    if TABLE in await connection.table_names(None, None, None):
        return await connection.open_table(TABLE, None, None, None, None)
    table = await connection.create_empty_table(
        TABLE, "create", schema.table_schema(model), None, None, None
    )
    # NOTE: without it LanceDB's upserts duplicate new keys silently (lancedb#2463).
    await table.set_unenforced_primary_key(["id"])
    return table


async def _keys(table: Any) -> list[str | bytes]:
    """The ids and content digests of all rows."""
    query = table.query()
    query.select_columns(["id", "content_digest"])
    batches = await _collect(query)
    return [
        key
        for batch in batches
        for column in ("id", "content_digest")
        for key in batch.column(column).to_pylist()
    ]


def _ordering(column: str, *, descending: bool) -> list[dict[str, object]]:
    """The id makes the order total, so that pages neither repeat nor skip."""
    return [
        {"column_name": name, "ascending": not descending, "nulls_first": False}
        for name in dict.fromkeys([column, "id"])
    ]


def _where(query: Any, condition: str | None) -> None:
    if condition is not None:
        query.where(condition)


async def _collect(query: Any) -> list[Any]:
    return [batch async for batch in await query.execute(_SCAN_BATCH_ROWS, None)]
