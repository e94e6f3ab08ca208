"""One run: from old tables to the daemon, with proof that what came is what was there."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from cco_knowledge_client import KnowledgeClient, KnowledgeError
from kmctl.migration.brought import Brought, Item, Outcome
from kmctl.migration.folders import Found, NothingThere
from kmctl.migration.records import Records, is_initialisation, renamed
from kmctl.migration.report import Failure, FolderReport, Report, Searches, named
from kmctl.migration.tables import NotLegacy, OldTable, Row, Unreadable

_BATCH_RECORDS = 100
_BATCH_BYTES = 256 << 10
_CALLS_AT_ONCE = 2
"""The daemon embeds one batch while it commits the other."""
_SAMPLE_SIZE = 20
_QUERY_CHARACTERS = 800

Draw = Callable[[int, int | None], None]


@dataclass(slots=True)
class Run:
    connect: Callable[[], KnowledgeClient]
    report: Report
    """Filled as the run goes on."""
    progress: Callable[[str], AbstractContextManager[Draw]]
    """For each table, by its name."""
    _ids: set[str] = field(default_factory=set)
    _records: set[str] = field(default_factory=set)
    _sample: list[Item] = field(default_factory=list)
    _local: threading.local = field(default_factory=threading.local)

    def bring(self, places: Iterable[Found | NothingThere]) -> None:
        with ThreadPoolExecutor(_CALLS_AT_ONCE) as calls:
            try:
                for place in places:
                    self._bring_place(place, calls)
            except BaseException:
                calls.shutdown(cancel_futures=True)
                raise
        if not self.report.dry_run:
            self.report.searches = self._search_sample()

    def _bring_place(self, place: Found | NothingThere, calls: ThreadPoolExecutor) -> None:
        folder = FolderReport(path=named(place.path))
        self.report.folders.append(folder)
        if isinstance(place, NothingThere):
            folder.not_read = place.why
            return
        try:
            table = OldTable.open(place.path)
        except NotLegacy as error:
            folder.not_read = str(error)
        except Unreadable as error:
            folder.failed.append(Failure("", str(error), None))
        else:
            folder.version = table.version
            with self.progress(place.path.parent.name) as draw:
                self._bring_table(table, folder, calls, draw)

    def _bring_table(
        self, table: OldTable, folder: FolderReport, calls: ThreadPoolExecutor, draw: Draw
    ) -> None:
        pending: deque[Future[Brought]] = deque()

        def settle(n_pending: int) -> None:
            while len(pending) > n_pending:
                brought = pending.popleft().result()
                brought.count_in(folder)
                self._add_to_sample(brought)
                draw(folder.done, table.n_rows)

        for batch in _batches(self._new_items(table.rows(), folder)):
            pending.append(calls.submit(self._bring_batch, batch))
            settle(_CALLS_AT_ONCE)
        settle(0)
        folder.failed += [
            Failure(named(one.where), one.why, one.n_rows_lost) for one in table.problems
        ]

    def _new_items(self, rows: Iterable[Row], folder: FolderReport) -> Iterator[Item]:
        records = Records()
        for row in rows:
            folder.read += 1
            if is_initialisation(row.values, has_zero_vector=row.has_zero_vector):
                folder.skip("the initialisation record")
                continue
            item = records.item(row.values)
            if item["record"] in self._records:
                folder.skip("a copy of a record in another table")
                continue
            self._records.add(item["record"])
            if item["id"] in self._ids:
                item = renamed(item)
            self._ids.add(item["id"])
            yield item

    def _bring_batch(self, batch: Sequence[Item]) -> Brought:
        brought = Brought()
        taken = []
        for item, outcome in zip(batch, self._migrate(batch), strict=True):
            if _is_taken(outcome):
                taken.append(renamed(item))
            else:
                brought.add(item, outcome)
        for item, outcome in zip(taken, self._migrate(taken), strict=True):
            brought.add(item, outcome)
        if brought.ids and not self.report.dry_run:
            found = self._client.call("knowledge.get", {"ids": brought.ids})
            brought.compare(found["entries"], self.report.run)
        return brought

    def _migrate(self, items: Sequence[Item]) -> list[Outcome]:
        if not items:
            return []
        params = {"run": self.report.run, "items": items, "dry_run": self.report.dry_run}
        try:
            results: list[Outcome] = self._client.call("knowledge.migrate", params)["results"]
        except KnowledgeError as error:
            if error.reason != "too_large":
                raise
            if len(items) == 1:
                return [{"error": {"message": error.message, "data": {"reason": error.reason}}}]
            return [outcome for item in items for outcome in self._migrate([item])]
        return results

    def _add_to_sample(self, brought: Brought) -> None:
        """The first of each batch, and of a long run every second, fourth, ... of those."""
        self._sample += brought.stored[:1]
        if len(self._sample) > _SAMPLE_SIZE:
            self._sample = self._sample[::2]

    def _search_sample(self) -> Searches:
        missed = [item["id"] for item in self._sample if not self._finds(item)]
        return Searches(asked=len(self._sample), missed=missed)

    def _finds(self, item: Item) -> bool:
        """By its own words: itself, or another entry with the same text."""
        query = item["text"][:_QUERY_CHARACTERS].replace("\0", " ")
        params = {"query": query, "project_id": item["project_id"]}
        hits = self._client.call("knowledge.search", params)["results"]
        return any(hit["id"] == item["id"] or hit["text"] == item["text"] for hit in hits)

    @property
    def _client(self) -> KnowledgeClient:
        """Each thread's own, because a connection carries one call at a time."""
        if not hasattr(self._local, "client"):
            self._local.client = self.connect()
        client: KnowledgeClient = self._local.client
        return client


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size_bytes = 0
    for item in items:
        item_bytes = len(item["text"].encode())
        if batch and (len(batch) == _BATCH_RECORDS or size_bytes + item_bytes > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += item_bytes
    if batch:
        yield batch


def _is_taken(outcome: Outcome) -> bool:
    return "error" in outcome and outcome["error"]["data"]["reason"] == "conflict"
