"""How the service's values become results."""

import base64
import time
from collections.abc import Sequence

import msgspec
import orjson

from cco_knowledge.backing_up import BackupFacts
from cco_knowledge.backups.shelf import Backup
from cco_knowledge.redaction import Redaction
from cco_knowledge.rpc import results
from cco_knowledge.rpc.errors import to_wire
from cco_knowledge.search.searcher import Found, Hit
from cco_knowledge.service import StoreOutcome
from cco_knowledge.timestamps import format_timestamp
from cco_knowledge.types import Entry, StoreFacts


def status_without_others(status: results.Status) -> results.Status:
    """Without what tells how much others do."""
    return {
        **status,
        "connections": None,
        "queue": None,
        "embedding": None,
        "maintenance": None,
        "rss_bytes": None,
        "backups": None,
    }


def storage_of(facts: StoreFacts) -> results.Storage:
    return {
        "bytes": facts.bytes,
        "fragments": facts.fragments,
        "versions": facts.versions,
        "unindexed_rows": facts.unindexed_rows,
    }


def backups_of(facts: BackupFacts) -> results.Backups:
    newest = facts.newest
    return {
        "newest": newest.name if newest else None,
        "newest_at": newest.manifest.created if newest else None,
        "is_current": facts.is_current,
        "next_at": format_timestamp(facts.next_at) if facts.next_at else None,
        "failed_at": format_timestamp(facts.failed_at) if facts.failed_at else None,
    }


def backup_of(backup: Backup) -> results.Backup:
    manifest = backup.manifest
    return {
        "name": backup.name,
        "created": manifest.created,
        "kind": manifest.kind,
        "rows": manifest.rows,
        "bytes": manifest.bytes,
        "files": len(manifest.files),
        "software": manifest.software,
        "schema_version": manifest.schema_version,
        "table_version": manifest.table_version,
        "model": msgspec.to_builtins(manifest.model),
    }


def batch_of(outcomes: Sequence[StoreOutcome | Exception]) -> results.Batch:
    failed = sum(isinstance(outcome, Exception) for outcome in outcomes)
    stored = sum(isinstance(o, StoreOutcome) and o.stored.duplicate_of is None for o in outcomes)
    return {"stored": stored, "failed": failed, "results": [outcome_of(o) for o in outcomes]}


def outcome_of(outcome: StoreOutcome | Exception) -> results.Stored | results.Failed:
    if isinstance(outcome, StoreOutcome):
        return stored_of(outcome)
    error = to_wire(outcome)
    return {"error": {"code": error.code, "message": error.message, "data": error.data}}


def stored_of(outcome: StoreOutcome) -> results.Stored:
    new = outcome.stored
    answer: results.Stored = {
        "id": new.id,
        "stored": new.duplicate_of is None,
        "duplicate_of": new.duplicate_of,
        "timestamp": new.timestamp,
        "similar": [
            {"id": match.id, "timestamp": match.timestamp, "similarity": match.score}
            for match in outcome.similar
        ],
        "redactions": redactions_of(outcome.redactions),
    }
    if outcome.sealed is not None:
        answer["sealed"] = outcome.sealed
    return answer


def redactions_of(redactions: Sequence[Redaction]) -> list[results.Redaction]:
    return [{"field": one.field, "kind": one.kind, "count": one.count} for one in redactions]


def n_redacted(result: object) -> int:
    """Secrets that a call has replaced, as its result tells; one of a batch counts all items."""
    if not isinstance(result, dict):
        return 0
    items = [result, *result.get("results", ())] if "failed" in result else [result]
    return sum(one["count"] for item in items for one in item.get("redactions", ()))


def entry_of(entry: Entry) -> results.Entry:
    answer: results.Entry = {
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
    if entry.migration_run is not None and entry.migration_record is not None:
        answer["migration"] = {"run": entry.migration_run, "record": entry.migration_record}
    if entry.sealed is not None:
        answer["sealed"] = base64.b64encode(entry.sealed).decode()
    return answer


def hit_of(hit: Hit, *, explain: bool) -> results.Hit:
    is_part = len(hit.embedded.passages) > 1
    answer: results.Hit = {
        **entry_of(hit.entry),  # type: ignore[typeddict-item]  # it has no `explain`
        "score": hit.ranked.score,
        "similarity": hit.ranked.similarity,
        "passage": hit.passage if is_part else None,
    }
    if explain:
        answer["explain"] = explanation_of(hit)
    return answer


def explanation_of(hit: Hit) -> results.Explanation:
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


def hits_of(found: Found, begun: float, *, explain: bool) -> results.Hits:
    return {
        "results": [hit_of(hit, explain=explain) for hit in found.hits],
        "count": len(found.hits),
        "covered": found.covered,
        "query_time_ms": round((time.perf_counter() - begun) * 1000, 3),
    }
