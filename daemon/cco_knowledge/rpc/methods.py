"""The method table: name, params, handler, deadline. The one place that knows them all."""

import array
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
import orjson

from cco_knowledge.errors import InvalidInput, KnowledgeError
from cco_knowledge.rpc import cursor, params
from cco_knowledge.rpc.errors import to_wire
from cco_knowledge.search.searcher import Found, Hit
from cco_knowledge.service import KnowledgeService, NewEntry, StoreOutcome
from cco_knowledge.sessions import briefing
from cco_knowledge.types import Entry, Filters


class Deadline(Enum):
    NORMAL = "normal"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Method:
    params: type[params.Params]
    handler: Callable[[KnowledgeService, Any], Awaitable[object]]
    deadline: Deadline = Deadline.NORMAL


async def _store(service: KnowledgeService, given: params.StoreParams) -> object:
    return _outcome(await service.store(given.new_entry()))


async def _store_batch(service: KnowledgeService, given: params.StoreBatchParams) -> object:
    outcomes = await service.store_batch([_item(item) for item in given.items])
    failed = sum(isinstance(outcome, Exception) for outcome in outcomes)
    stored = sum(isinstance(o, StoreOutcome) and o.stored.duplicate_of is None for o in outcomes)
    return {"stored": stored, "failed": failed, "results": [_outcome(o) for o in outcomes]}


async def _search(service: KnowledgeService, given: params.SearchParams) -> object:
    begun = time.perf_counter()
    found = await service.search(
        params.checked_text(given.query, "query"),
        given.filters(),
        limit=given.limit,
        threshold=given.threshold,
        mode=given.mode,
        explain=given.explain,
    )
    return _found(found, begun, explain=given.explain)


async def _related(service: KnowledgeService, given: params.RelatedParams) -> object:
    begun = time.perf_counter()
    found = await service.related(given.id, given.filters(), given.limit)
    return _found(found, begun, explain=False)


async def _context(service: KnowledgeService, given: params.ContextParams) -> object:
    context = await service.context(
        params.checked_text(given.task, "task"), given.filters(), given.token_budget
    )
    return {
        "text": context.text,
        "entries": [_hit(hit, explain=False) for hit in context.hits],
        "tokens": context.n_tokens,
    }


async def _query(service: KnowledgeService, given: params.QueryParams) -> object:
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
        "results": [_entry(entry) for entry in page.entries],
        "total": page.total,
        "next_cursor": cursor.encode(page.next_start),
    }


async def _get(service: KnowledgeService, given: params.GetParams) -> object:
    entries, missing = await service.get(given.ids)
    return {"entries": [_entry(entry) for entry in entries], "missing": missing}


async def _update(service: KnowledgeService, given: params.UpdateParams) -> object:
    return {"id": given.id, "updated": await service.update(given.id, given.changes())}


async def _delete(service: KnowledgeService, given: params.DeleteParams) -> object:
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


async def _stats(service: KnowledgeService, given: params.StatsParams) -> object:
    totals = await service.totals(given.project_id)
    return {
        **msgspec.to_builtins(totals),
        "storage": msgspec.to_builtins(await service.store_facts()),
        "model": msgspec.to_builtins(service.model),
    }


async def _cleanup(service: KnowledgeService, given: params.CleanupParams) -> object:
    filters = params.FilterParams(project_id=given.project_id, type=given.type).filters()
    ids = await service.cleanup(given.older_than_days, filters, dry_run=given.dry_run)
    return {"count": len(ids), "ids": ids}


async def _session_start(service: KnowledgeService, given: params.SessionStartParams) -> object:
    params.checked_field(given.session_id, "session_id")
    context = params.checked_text(given.context, "context") if given.context else None
    entries, summary = await asyncio.gather(
        briefing.at_start(service, given.project_id, context, given.limit),
        briefing.summary_of(service, given.project_id),
    )
    return {
        "recent_knowledge": [_entry(entry) for entry in entries],
        "summary": msgspec.to_builtins(summary),
    }


async def _pre_compaction(service: KnowledgeService, given: params.PreCompactionParams) -> object:
    capture = await asyncio.to_thread(_load_capture)
    ids = await capture(
        service,
        given.conversation,
        params.checked_field(given.project_id, "project_id"),
        params.checked_field(given.session_id, "session_id"),
    )
    return {"success": True, "count": len(ids), "ids": ids}


async def _post_compaction(service: KnowledgeService, given: params.PostCompactionParams) -> object:
    task = params.checked_text(given.current_task, "current_task")
    found = await briefing.after_compaction(service, task, given.project_id, given.limit)
    return {
        "search_results": [_hit(hit, explain=False) for hit in found.answering],
        "recent_knowledge": [_entry(entry) for entry in found.recent],
        "summary": msgspec.to_builtins(found.summary),
    }


async def _embed(service: KnowledgeService, given: params.EmbedParams) -> object:
    texts = [params.checked_text(text, "texts") for text in given.texts]
    vectors = await service.embed(texts, as_query=given.kind == "query")
    return {
        "vectors": [array.array("f", vector).tolist() for vector in vectors],
        "dim": service.model.dim,
        "model": service.model.name,
    }


METHODS: dict[str, Method] = {
    # A text of 256 KiB is up to 800 passages: most of a minute on two cores.
    "knowledge.store": Method(params.StoreParams, _store, Deadline.BULK),
    "knowledge.store_batch": Method(params.StoreBatchParams, _store_batch, Deadline.BULK),
    "knowledge.search": Method(params.SearchParams, _search),
    "knowledge.context": Method(params.ContextParams, _context),
    "knowledge.related": Method(params.RelatedParams, _related),
    "knowledge.query": Method(params.QueryParams, _query),
    "knowledge.get": Method(params.GetParams, _get),
    "knowledge.update": Method(params.UpdateParams, _update, Deadline.BULK),
    "knowledge.delete": Method(params.DeleteParams, _delete, Deadline.BULK),
    "knowledge.stats": Method(params.StatsParams, _stats),
    "knowledge.cleanup": Method(params.CleanupParams, _cleanup, Deadline.BULK),
    "session.start": Method(params.SessionStartParams, _session_start),
    "session.pre_compaction": Method(params.PreCompactionParams, _pre_compaction, Deadline.BULK),
    "session.post_compaction": Method(params.PostCompactionParams, _post_compaction),
    "embedding.embed": Method(params.EmbedParams, _embed, Deadline.BULK),
}


def _load_capture() -> Callable[[KnowledgeService, str, str, str], Awaitable[list[str]]]:
    """On the first use: its patterns take 0.1 s to compile, which a daemon need not wait for."""
    from cco_knowledge.sessions.capture import capture

    return capture


def _item(item: object) -> NewEntry | KnowledgeError:
    if not isinstance(item, dict):
        return InvalidInput("An item is an object.", field="items")
    try:
        return params.read(params.StoreParams, item).new_entry()
    except KnowledgeError as error:
        return error


def _outcome(outcome: StoreOutcome | Exception) -> object:
    if isinstance(outcome, StoreOutcome):
        return _stored(outcome)
    error = to_wire(outcome)
    return {"error": {"code": error.code, "message": error.message, "data": error.data}}


def _stored(outcome: StoreOutcome) -> dict[str, object]:
    stored = outcome.stored
    return {
        "id": stored.id,
        "stored": stored.duplicate_of is None,
        "duplicate_of": stored.duplicate_of,
        "timestamp": stored.timestamp,
        "similar": [
            {"id": match.id, "timestamp": match.timestamp, "similarity": match.score}
            for match in outcome.similar
        ],
    }


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "text": entry.text,
        "type": entry.type,
        "project_id": entry.project_id,
        "session_id": entry.session_id,
        "agent": entry.agent,
        "timestamp": entry.timestamp,
        "metadata": orjson.Fragment(entry.metadata),
        "superseded_by": entry.superseded_by,
    }


def _found(found: Found, begun: float, *, explain: bool) -> object:
    return {
        "results": [_hit(hit, explain=explain) for hit in found.hits],
        "count": len(found.hits),
        "covered": found.covered,
        "query_time_ms": round((time.perf_counter() - begun) * 1000, 3),
    }


def _hit(hit: Hit, *, explain: bool) -> dict[str, object]:
    is_part = len(hit.embedded.passages) > 1
    return {
        **_entry(hit.entry),
        "score": hit.ranked.score,
        "similarity": hit.ranked.similarity,
        "passage": hit.passage if is_part else None,
        **({"explain": _explanation(hit)} if explain else {}),
    }


def _explanation(hit: Hit) -> dict[str, object]:
    ranked = hit.ranked
    return {
        "vector": msgspec.to_builtins(ranked.by_meaning),
        "text": msgspec.to_builtins(ranked.by_words),
        "fusion": ranked.fusion,
        "recency": ranked.recency,
        "superseded_by": hit.entry.superseded_by,
        "supersedes": list(hit.supersedes),
        "evidence": hit.evidence,
    }


def _unexpected(matching: int) -> KnowledgeError:
    from cco_knowledge.errors import Conflict

    return Conflict(
        f"{matching} entries match. To delete them, send `expect` with this number.",
        matching=matching,
    )
