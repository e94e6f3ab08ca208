"""What an agent is told when a session begins, or goes on after a compaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from cco_knowledge.search.searcher import Hit
from cco_knowledge.service import KnowledgeService
from cco_knowledge.types import Entry, Filters

_DECISIONS, _DECISION_CHARACTERS = 5, 100
_ACTIVITIES, _ACTIVITY_CHARACTERS = 3, 80
_RECENT_AFTER_COMPACTION = 5


@dataclass(frozen=True, slots=True)
class Summary:
    """Of what is current in a project."""

    total_items: int
    by_type: dict[str, int]
    by_agent: dict[str, int]
    top_decisions: Sequence[str]
    recent_activity: Sequence[str]


@dataclass(frozen=True, slots=True)
class Briefing:
    answering: Sequence[Hit]
    """What answers the task, best first; empty where nothing does."""
    recent: Sequence[Entry]
    summary: Summary


async def at_start(
    service: KnowledgeService, project_id: str, context: str | None, limit: int
) -> list[Entry]:
    """What answers the context, then the newest, none twice, `limit` in all."""
    filters = Filters(project_ids=(project_id,))
    hits = await service.answering(context, filters, limit) if context else []
    chosen = {hit.entry.id: hit.entry for hit in hits}
    for entry in await newest(service, filters, limit):
        chosen.setdefault(entry.id, entry)
    return list(chosen.values())[:limit]


async def after_compaction(
    service: KnowledgeService, task: str, project_id: str, limit: int
) -> Briefing:
    filters = Filters(project_ids=(project_id,))
    hits, recent, summary = await asyncio.gather(
        service.answering(task, filters, limit),
        newest(service, filters, _RECENT_AFTER_COMPACTION),
        summary_of(service, project_id),
    )
    return Briefing(hits, recent, summary)


async def summary_of(service: KnowledgeService, project_id: str) -> Summary:
    filters = Filters(project_ids=(project_id,))
    decisions = Filters(project_ids=(project_id,), types=("decision",))
    totals, decided, recent = await asyncio.gather(
        service.totals(project_id, include_superseded=False),
        newest(service, decisions, _DECISIONS),
        newest(service, filters, _ACTIVITIES),
    )
    return Summary(
        total_items=totals.total_records,
        by_type=totals.by_type,
        by_agent=totals.by_agent,
        top_decisions=[_cut(entry.text, _DECISION_CHARACTERS) for entry in decided],
        recent_activity=[_cut(entry.text, _ACTIVITY_CHARACTERS) for entry in recent],
    )


async def newest(service: KnowledgeService, filters: Filters, limit: int) -> Sequence[Entry]:
    page = await service.query(
        filters, order_by="timestamp", descending=True, limit=limit, start=None
    )
    return page.entries


def _cut(text: str, n_characters: int) -> str:
    return text if len(text) <= n_characters else f"{text[: n_characters - 1]}…"
