"""knowledge.import: entries that are received first, then stored by a job."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cco_knowledge.drafting import NewEntry
from cco_knowledge.errors import InvalidInput, KnowledgeError, Overloaded
from cco_knowledge.jobs import Advance, Spool, Work
from cco_knowledge.rpc import params, reading, results
from cco_knowledge.rpc.caller import Caller
from cco_knowledge.rpc.errors import to_wire
from cco_knowledge.rpc.system import Host, job_of, shown_job, watch
from cco_knowledge.service import KnowledgeService, StoreOutcome
from cco_knowledge.store.interface import Stored
from cco_knowledge.types import Entry

_BATCH_ITEMS = 100
_BATCH_BYTES = 256 << 10
_BATCHES_AT_ONCE = 2
"""One is embedded while the other is committed."""
_MAX_ERRORS = 10_000
"""Told one by one; the others are only counted."""

_Parsed = NewEntry | Entry | KnowledgeError


async def import_(host: Host, given: params.ImportParams, caller: Caller) -> results.Job:
    if not given.items and not given.job:
        raise InvalidInput("There is nothing to import.", field="items")
    projects = caller.projects
    if given.job:
        job_id = shown_job(host, given.job, caller).id
    else:
        job_id = host.jobs.receive(given.kind, caller.token_id).id
    with host.jobs.receiving(job_id) as spool:
        await asyncio.to_thread(spool.append, given.items)
    if given.more:
        return job_of(host.jobs.get(job_id))
    service = (await host.parts()).service.limited_to(projects)
    job = host.jobs.run_received(job_id, partial(work_of, service))
    watch(host.jobs, job_id, caller)
    return job_of(job)


def work_of(service: KnowledgeService, spool: Spool) -> Work:
    async def work(advance: Advance) -> dict[str, Any]:
        return await _Import(service, spool, advance).run()

    return work


@dataclass(frozen=True, slots=True)
class _Replaced:
    """An entry that is there, and whose successor may come later."""

    number: int
    id: str
    by: str
    stored: bool


@dataclass(slots=True)
class _Import:
    service: KnowledgeService
    spool: Spool
    advance: Advance
    n_done: int = 0
    stored: int = 0
    unchanged: int = 0
    failed: int = 0
    redacted: int = 0
    """Entries in which secrets were replaced."""
    errors: list[dict[str, Any]] = field(default_factory=list)
    renamed: list[dict[str, Any]] = field(default_factory=list)
    there: list[int] = field(default_factory=list)
    replaced: list[_Replaced] = field(default_factory=list)

    async def run(self) -> dict[str, Any]:
        slots = asyncio.Semaphore(_BATCHES_AT_ONCE)
        batches = self._numbered_batches()
        try:
            async with asyncio.TaskGroup() as group:
                while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                    await slots.acquire()
                    group.create_task(self._store(batch)).add_done_callback(
                        lambda _: slots.release()
                    )
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        for start in range(0, len(self.replaced), _BATCH_ITEMS):
            await self._supersede(self.replaced[start : start + _BATCH_ITEMS])
        self.errors.sort(key=lambda error: error["item"])
        return {
            "read": self.spool.n_items,
            "stored": self.stored,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "redacted": self.redacted,
            "errors": self.errors,
            "renamed": self.renamed,
            "there": sorted(self.there),
        }

    def _numbered_batches(self) -> Iterator[list[tuple[int, Any]]]:
        first = 1
        for batch in self.spool.batches(_BATCH_ITEMS, _BATCH_BYTES):
            yield list(enumerate(batch, first))
            first += len(batch)

    async def _store(self, batch: Sequence[tuple[int, Any]]) -> None:
        parsed = {number: _parsed(item) for number, item in batch}
        outcomes = await self._until_not_overloaded(parsed)
        for number, item in batch:
            self._count(number, item, outcomes[number])
        self.n_done += len(batch)
        self.advance(self.n_done, self.spool.n_items)

    async def _until_not_overloaded(
        self, parsed: dict[int, _Parsed]
    ) -> dict[int, Stored | Exception]:
        """Nobody waits at the other end who could send it again."""
        outcomes: dict[int, Stored | Exception] = {}
        while parsed:
            outcomes |= await self._outcomes(parsed)
            refused = {n: o for n, o in outcomes.items() if isinstance(o, Overloaded)}
            parsed = {number: parsed[number] for number in refused}
            for overloaded in list(refused.values())[:1]:
                await asyncio.sleep(float(str(overloaded.data["retry_after_ms"])) / 1000)
        return outcomes

    async def _outcomes(self, parsed: dict[int, _Parsed]) -> dict[int, Stored | Exception]:
        old = {number: part for number, part in parsed.items() if isinstance(part, Entry)}
        new = {number: part for number, part in parsed.items() if not isinstance(part, Entry)}
        brought = await self.service.migrate(list(old.values()), dry_run=False) if old else []
        stored = await self.service.store_batch(list(new.values()), compare=False) if new else []
        self.redacted += sum(isinstance(o, StoreOutcome) and bool(o.redactions) for o in stored)
        return {
            **dict(zip(old, brought, strict=True)),
            **{
                number: outcome if isinstance(outcome, Exception) else outcome.stored
                for number, outcome in zip(new, stored, strict=True)
            },
        }

    def _count(self, number: int, item: Any, outcome: Stored | Exception) -> None:
        if isinstance(outcome, Exception):
            self._fail(number, outcome)
            return
        is_new = outcome.duplicate_of is None
        if item.get("id") and outcome.id != item["id"]:
            self.renamed.append({"item": number, "id": outcome.id})
        if item.get("migration") and not is_new:
            self.there.append(number)
        if item.get("superseded_by"):
            self.replaced.append(_Replaced(number, outcome.id, item["superseded_by"], is_new))
        else:
            self.stored += is_new
            self.unchanged += not is_new

    def _fail(self, number: int, error: Exception, before: str = "") -> None:
        self.failed += 1
        if len(self.errors) < _MAX_ERRORS:
            wire = to_wire(error)
            told = {"item": number, "reason": wire.reason, "message": before + wire.message}
            self.errors.append(told)

    async def _supersede(self, replaced: Sequence[_Replaced]) -> None:
        """Those whose newest successor is right stay: their next one may be another entry."""
        found, _ = await self.service.get([one.id for one in replaced])
        successors = {entry.id: entry.superseded_by for entry in found}
        for one in replaced:
            try:
                is_right = successors.get(one.id) == one.by
                updated = (
                    not is_right
                    and (await self.service.update(one.id, {"superseded_by": one.by})).updated
                )
            except KnowledgeError as error:
                self._fail(one.number, error, "It is there, but not superseded: ")
            else:
                self.stored += one.stored or updated
                self.unchanged += not (one.stored or updated)


def _parsed(item: Any) -> _Parsed:
    try:
        if not isinstance(item, dict):
            raise InvalidInput("An item is an object.", field="items")
        given = {name: value for name, value in item.items() if value is not None}
        migration = given.pop("migration", None)
        if migration is None:
            return _new_entry(given)
        if not isinstance(migration, dict):
            raise InvalidInput("`migration` is not as an export writes it.", field="migration")
        origin = reading.read(params.Migration, migration)
        given.pop("superseded_by", None)
        return reading.read(params.OldRecord, {**given, "record": origin.record}).entry(origin.run)
    except KnowledgeError as error:
        return error


def _new_entry(item: dict[str, Any]) -> NewEntry:
    read = reading.read(params.ImportItem, item)
    if read.superseded_by and not read.id:
        raise InvalidInput("An entry with `superseded_by` needs its `id`.", field="superseded_by")
    return read.new_entry()
