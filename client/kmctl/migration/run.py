"""One run: from old tables to the daemon, with proof that what came is what was there."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from cco_knowledge import secret_values
from cco_knowledge_client import KnowledgeClient, KnowledgeError
from kmctl import following
from kmctl.migration.brought import Brought, Item, Outcome
from kmctl.migration.folders import Found, NothingThere
from kmctl.migration.records import Records, is_initialisation, renamed
from kmctl.migration.report import Failure, FolderReport, Report, Searches, named
from kmctl.migration.tables import NotLegacy, OldTable, Row, Unreadable
from kmctl.sending import Sending

_BATCH_RECORDS = 100
_BATCH_BYTES = 256 << 10
_JOB_RECORDS = 5000
"""Of one job. Their fields are kept here, to be compared with what was stored."""
_SAMPLE_SIZE = 20
_QUERY_CHARACTERS = 800

Draw = Callable[[int, int | None], None]
Outcomes = Iterable[tuple[Item, Outcome]]


@dataclass(slots=True)
class Run:
    knowledge: KnowledgeClient
    report: Report
    """Filled as the run goes on."""
    progress: Callable[[str], AbstractContextManager[Draw]]
    """For each table, by its name."""
    _ids: set[str] = field(default_factory=set)
    _records: set[str] = field(default_factory=set)
    _sample: list[Item] = field(default_factory=list)

    def bring(self, places: Iterable[Found | NothingThere]) -> None:
        for place in places:
            self._bring_place(place)
        if not self.report.dry_run:
            self.report.searches = self._search_sample()

    def _bring_place(self, place: Found | NothingThere) -> None:
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
                self._bring_table(table, folder, draw)

    def _bring_table(self, table: OldTable, folder: FolderReport, draw: Draw) -> None:
        """As one job, or a few: they go on even if this process does not."""
        items = self._new_items(table.rows(), folder)
        while job_items := list(islice(items, _JOB_RECORDS)):
            before = folder.done

            def draw_done(done: int, _total: int | None, before: int = before) -> None:
                draw(before + done, table.n_rows)

            brought = self._bring_items(job_items, draw_done)
            brought.count_in(folder)
            self._add_to_sample(brought)
            draw(folder.done, table.n_rows)
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
            folder.secret += _holds_a_secret(item)
            yield item

    def _bring_items(self, items: Sequence[Item], draw: Draw) -> Brought:
        brought = Brought()
        taken = []
        for item, outcome in self._outcomes(items, draw):
            if _is_taken(outcome):
                taken.append(renamed(item))
            else:
                brought.add(item, outcome)
        for item, outcome in self._outcomes(taken, draw):
            brought.add(item, outcome)
        if not self.report.dry_run:
            for ids in _slices(brought.ids, _BATCH_RECORDS):
                brought.read_back(self.knowledge.call("knowledge.get", {"ids": ids})["entries"])
            brought.compare(self.report.run)
        return brought

    def _outcomes(self, items: Sequence[Item], draw: Draw) -> Outcomes:
        if not items:
            return []
        return self._foretold(items) if self.report.dry_run else self._stored(items, draw)

    def _foretold(self, items: Sequence[Item]) -> Outcomes:
        for batch in _batches(items):
            params = {"run": self.report.run, "items": batch, "dry_run": True}
            results = self.knowledge.call("knowledge.migrate", params)["results"]
            yield from zip(batch, results, strict=True)

    def _stored(self, items: Sequence[Item], draw: Draw) -> Outcomes:
        refused: list[tuple[Item, Outcome]] = []
        taken: list[Item] = []
        sending = Sending(
            self.knowledge,
            "migrate",
            item_of=self._as_sent,
            taken=taken.extend,
            refused=lambda item, error: refused.append((item, _failure(error))),
        )
        for batch in _batches(items):
            sending.send(batch)
        job = sending.begin()
        result = job and following.result_of(following.wait(self.knowledge, job, draw))
        return [*refused, *(zip(taken, _each_of(result, taken), strict=True) if result else ())]

    def _as_sent(self, item: Item) -> Item:
        sent = dict(item)
        return {**sent, "migration": {"run": self.report.run, "record": sent.pop("record")}}

    def _add_to_sample(self, brought: Brought) -> None:
        """One of a hundred, and of a long run every second, fourth, ... of those."""
        self._sample += brought.stored[::_BATCH_RECORDS]
        while len(self._sample) > _SAMPLE_SIZE:
            self._sample = self._sample[::2]

    def _search_sample(self) -> Searches:
        missed = [item["id"] for item in self._sample if not self._finds(item)]
        return Searches(asked=len(self._sample), missed=missed)

    def _finds(self, item: Item) -> bool:
        """By its own words: itself, or another entry with the same text."""
        query = item["text"][:_QUERY_CHARACTERS].replace("\0", " ")
        params = {"query": query, "project_id": item["project_id"]}
        hits = self.knowledge.call("knowledge.search", params)["results"]
        return any(hit["id"] == item["id"] or hit["text"] == item["text"] for hit in hits)


def _holds_a_secret(item: Item) -> bool:
    said = (item["text"], json.dumps(item["metadata"], ensure_ascii=False))
    return any(map(secret_values.found, said))


def _each_of(result: Mapping[str, Any], items: Sequence[Item]) -> Iterator[Outcome]:
    """What a job's result says of each of its items."""
    errors = {error["item"]: error for error in result["errors"]}
    ids = {one["item"]: one["id"] for one in result["renamed"]}
    there = set(result["there"])
    for number, item in enumerate(items, 1):
        if number in errors:
            yield {"error": errors[number]}
        else:
            yield {"id": ids.get(number, item["id"]), "stored": number not in there}


def _failure(error: KnowledgeError) -> Outcome:
    return {"error": {"reason": error.reason, "message": error.message}}


def _slices(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _batches(items: Iterable[Item]) -> Iterator[list[Item]]:
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
    return "error" in outcome and _reason(outcome["error"]) == "conflict"


def _reason(error: Mapping[str, Any]) -> Any:
    """Of a job's error, or of one in a batch."""
    return error.get("reason") or error["data"]["reason"]
