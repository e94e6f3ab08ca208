"""One function a method: from its params, through the service, to its result."""

import array
import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import msgspec

from cco_knowledge.drafting import NewEntry
from cco_knowledge.errors import Conflict, InvalidInput, KnowledgeError, NotFound
from cco_knowledge.rpc import answers, cursor, params, reading, results
from cco_knowledge.service import KnowledgeService, StoreOutcome
from cco_knowledge.sessions import briefing
from cco_knowledge.turns import ORIGIN
from cco_knowledge.types import Entry, Filters

_log = logging.getLogger(__name__)


async def store(service: KnowledgeService, given: params.StoreParams) -> results.Stored:
    return answers.stored_of(await service.store(given.new_entry()))


async def store_batch(service: KnowledgeService, given: params.StoreBatchParams) -> results.Batch:
    return answers.batch_of(await service.store_batch([_item(item) for item in given.items]))


async def migrate(service: KnowledgeService, given: params.MigrateParams) -> results.Batch:
    records = [_old_record(item, given.run) for item in given.items]
    outcomes = await service.migrate(records, dry_run=given.dry_run)
    return answers.batch_of([o if isinstance(o, Exception) else StoreOutcome(o) for o in outcomes])


async def undo_migration(
    service: KnowledgeService, given: params.UndoMigrationParams
) -> results.Deleted:
    return {"deleted": await service.undo_migration(given.run)}


async def search(service: KnowledgeService, given: params.SearchParams) -> results.Hits:
    begun = time.perf_counter()
    found = await service.search(
        reading.checked_text(given.query, "query"),
        given.filters(),
        limit=given.limit,
        threshold=given.threshold,
        mode=given.mode,
        explain=given.explain,
    )
    return answers.hits_of(found, begun, explain=given.explain)


async def related(service: KnowledgeService, given: params.RelatedParams) -> results.Hits:
    begun = time.perf_counter()
    found = await service.related(given.id, given.filters(), given.limit)
    return answers.hits_of(found, begun, explain=False)


async def context(service: KnowledgeService, given: params.ContextParams) -> results.Context:
    context = await service.context(
        reading.checked_text(given.task, "task"), given.filters(), given.token_budget
    )
    return {
        "text": context.text,
        "entries": [answers.hit_of(hit, explain=False) for hit in context.hits],
        "tokens": context.n_tokens,
    }


async def query(service: KnowledgeService, given: params.QueryParams) -> results.Page:
    start = (
        cursor.decode(given.cursor, given.order_by, descending=given.descending)
        if given.cursor
        else None
    )
    page = await service.query(
        given.filters(),
        order_by=given.order_by,
        descending=given.descending,
        limit=given.limit,
        start=start,
    )
    return {
        "results": [answers.entry_of(entry) for entry in page.entries],
        "total": page.total,
        "next_cursor": cursor.encode(page.next_start),
    }


async def get(service: KnowledgeService, given: params.GetParams) -> results.Found:
    entries, missing = await service.get(given.ids)
    return {"entries": [answers.entry_of(entry) for entry in entries], "missing": missing}


async def update(service: KnowledgeService, given: params.UpdateParams) -> results.Updated:
    outcome = await service.update(given.id, given.changes())
    return {
        "id": given.id,
        "updated": outcome.updated,
        "redactions": answers.redactions_of(outcome.redactions),
    }


async def reveal(service: KnowledgeService, given: params.RevealParams) -> results.Revealed:
    """Each time it is asked for is in the log; an id that nothing has may be any text."""
    entry_id, outcome = given.id, "failed"
    try:
        value, outcome = await service.reveal(given.id), "revealed"
    except KnowledgeError as error:
        outcome = error.reason
        if isinstance(error, NotFound):
            entry_id = "(unknown)"
        raise
    finally:
        _log.info(
            "credential %s, asked for by process %s: %s", entry_id, ORIGIN.get().peer, outcome
        )
    return {"value": value}


async def delete(service: KnowledgeService, given: params.DeleteParams) -> results.Deleted:
    filters = given.filters()
    if given.ids is not None:
        if filters != Filters() or given.expect is not None:
            raise InvalidInput("Give `ids` or filters, not both.", field="ids")
        return {"deleted": await service.delete(given.ids)}
    if filters == Filters() and given.expect is None:
        raise InvalidInput("Give `ids`, or filters with `expect`.", field="ids")
    if given.expect is None:
        matching = (
            await service.query(filters, order_by="id", descending=False, limit=1, start=None)
        ).total
        raise _unexpected(matching)
    return {"deleted": await service.delete_matching(filters, given.expect)}


async def stats(service: KnowledgeService, given: params.StatsParams) -> results.Stats:
    totals = await service.totals(given.project_id)
    facts = await service.store_facts()
    return {
        "total_records": totals.total_records,
        "by_type": totals.by_type,
        "by_agent": totals.by_agent,
        "by_project": totals.by_project,
        "oldest_record": totals.oldest_record,
        "newest_record": totals.newest_record,
        "storage": None if facts is None else answers.storage_of(facts),
        "model": msgspec.to_builtins(service.model),
    }


async def cleanup(service: KnowledgeService, given: params.CleanupParams) -> results.Cleaned:
    filters = params.FilterParams(project_id=given.project_id, type=given.type).filters()
    ids = await service.cleanup(given.older_than_days, filters, dry_run=given.dry_run)
    return {"count": len(ids), "ids": ids}


async def session_start(
    service: KnowledgeService, given: params.SessionStartParams
) -> results.SessionStart:
    reading.checked_field(given.session_id, "session_id")
    context = reading.checked_text(given.context, "context") if given.context else None
    entries, summary = await asyncio.gather(
        briefing.at_start(service, given.project_id, context, given.limit),
        briefing.summary_of(service, given.project_id),
    )
    return {
        "recent_knowledge": [answers.entry_of(entry) for entry in entries],
        "summary": msgspec.to_builtins(summary),
    }


async def pre_compaction(
    service: KnowledgeService, given: params.PreCompactionParams
) -> results.PreCompaction:
    capture = await asyncio.to_thread(_load_capture)
    ids = await capture(
        service,
        given.conversation,
        reading.checked_field(given.project_id, "project_id"),
        reading.checked_field(given.session_id, "session_id"),
    )
    return {"success": True, "count": len(ids), "ids": ids}


async def post_compaction(
    service: KnowledgeService, given: params.PostCompactionParams
) -> results.PostCompaction:
    task = reading.checked_text(given.current_task, "current_task")
    found = await briefing.after_compaction(service, task, given.project_id, given.limit)
    return {
        "search_results": [answers.hit_of(hit, explain=False) for hit in found.answering],
        "recent_knowledge": [answers.entry_of(entry) for entry in found.recent],
        "summary": msgspec.to_builtins(found.summary),
    }


async def embed(service: KnowledgeService, given: params.EmbedParams) -> results.Embedded:
    texts = [reading.checked_text(text, "texts") for text in given.texts]
    vectors = await service.embed(texts, as_query=given.kind == "query")
    return {
        "vectors": [array.array("f", vector).tolist() for vector in vectors],
        "dim": service.model.dim,
        "model": service.model.name,
    }


def _load_capture() -> Callable[[KnowledgeService, str, str, str], Awaitable[list[str]]]:
    """On the first use: its patterns take 0.1 s to compile, which a daemon need not wait for."""
    from cco_knowledge.sessions.capture import capture

    return capture


def _item(item: object) -> NewEntry | KnowledgeError:
    try:
        return _read_item(params.StoreParams, item).new_entry()
    except KnowledgeError as error:
        return error


def _old_record(item: object, run: str) -> Entry | KnowledgeError:
    try:
        return _read_item(params.OldRecord, item).entry(run)
    except KnowledgeError as error:
        return error


def _read_item(kind: type[reading.P], item: object) -> reading.P:
    if not isinstance(item, dict):
        raise InvalidInput("An item is an object.", field="items")
    return reading.read(kind, item)


def _unexpected(matching: int) -> KnowledgeError:
    return Conflict(
        f"{matching} entries match. To delete them, send `expect` with this number.",
        matching=matching,
    )
