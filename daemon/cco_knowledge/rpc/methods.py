"""The method table: whoever wants to know a method, to call it or to describe it, looks here."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from cco_knowledge.rpc import handlers, importing, params, results, system, upkeep
from cco_knowledge.rpc.caller import Caller
from cco_knowledge.service import KnowledgeService
from cco_knowledge.tokens import Role


class Deadline(Enum):
    NORMAL = "normal"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a caller has to know of a method."""

    summary: str
    params: type[params.Params]
    result: Any
    """The type of it, one of `results`."""
    errors: tuple[str, ...] = field(default=(), kw_only=True)
    """The reasons it may answer with, besides those that every method has."""
    role: Role = field(default="admin", kw_only=True)
    """What a token needs at least. Only admins are never limited to projects."""

    @property
    def only_reads(self) -> bool:
        """Then it ends when nobody waits for its answer any more; what writes is done anyway."""
        return self.role == "reader"


@dataclass(frozen=True, slots=True)
class Method(Signature):
    handler: Callable[[KnowledgeService, Any], Awaitable[object]]
    deadline: Deadline = Deadline.NORMAL


@dataclass(frozen=True, slots=True)
class DaemonMethod(Signature):
    """About the daemon itself; answered while the service loads, and while the daemon stops."""

    handler: Callable[[system.Host, Any, Caller], Awaitable[object]]


_EMBEDS = ("embedding_failed", "overloaded")
_WRITES = ("storage_full",)

METHODS: dict[str, Method] = {
    # A text of 256 KiB is up to 800 passages: most of a minute on two cores.
    "knowledge.store": Method(
        "Store an entry: once this returns, it is on the disk and the next search finds it.",
        params.StoreParams,
        results.Stored,
        handlers.store,
        Deadline.BULK,
        errors=(*_EMBEDS, *_WRITES, "not_found", "conflict"),
        role="writer",
    ),
    "knowledge.store_batch": Method(
        "Store many entries at once, of which each fails or succeeds alone.",
        params.StoreBatchParams,
        results.Batch,
        handlers.store_batch,
        Deadline.BULK,
        errors=_WRITES,
        role="writer",
    ),
    "knowledge.search": Method(
        "Find entries by meaning and by words, or learn that nothing stored answers.",
        params.SearchParams,
        results.Hits,
        handlers.search,
        errors=_EMBEDS,
        role="reader",
    ),
    "knowledge.context": Method(
        "Get the best entries for a task as one text within a token budget, for a prompt.",
        params.ContextParams,
        results.Context,
        handlers.context,
        errors=_EMBEDS,
        role="reader",
    ),
    "knowledge.related": Method(
        "List the entries that are nearest to one, without it.",
        params.RelatedParams,
        results.Hits,
        handlers.related,
        errors=("not_found",),
        role="reader",
    ),
    "knowledge.query": Method(
        "List all entries that the filters select, page by page, exact and complete.",
        params.QueryParams,
        results.Page,
        handlers.query,
        role="reader",
    ),
    "knowledge.get": Method(
        "Read entries by their ids.",
        params.GetParams,
        results.Found,
        handlers.get,
        role="reader",
    ),
    "knowledge.update": Method(
        "Change fields of an entry; it is embedded again only where the text changed.",
        params.UpdateParams,
        results.Updated,
        handlers.update,
        Deadline.BULK,
        errors=(*_EMBEDS, *_WRITES, "not_found", "conflict"),
        role="writer",
    ),
    "session.start": Method(
        "Tell what a project knows, for a session that begins.",
        params.SessionStartParams,
        results.SessionStart,
        handlers.session_start,
        errors=_EMBEDS,
        role="reader",
    ),
    "session.pre_compaction": Method(
        "Store what is worth keeping of a conversation, typed, without secrets or repetitions.",
        params.PreCompactionParams,
        results.PreCompaction,
        handlers.pre_compaction,
        Deadline.BULK,
        errors=(*_EMBEDS, *_WRITES),
        role="writer",
    ),
    "session.post_compaction": Method(
        "Tell what helps with a task, and what a project knows, for a session that goes on.",
        params.PostCompactionParams,
        results.PostCompaction,
        handlers.post_compaction,
        errors=_EMBEDS,
        role="reader",
    ),
    "knowledge.reveal": Method(
        "Tell the value of a sealed credential; the log keeps who asked for which.",
        params.RevealParams,
        results.Revealed,
        handlers.reveal,
        errors=("not_found", "conflict"),
    ),
    "knowledge.delete": Method(
        "Delete entries by their ids, or what filters select, if it is as many as you say.",
        params.DeleteParams,
        results.Deleted,
        handlers.delete,
        Deadline.BULK,
        errors=(*_WRITES, "conflict"),
        role="writer",
    ),
    "knowledge.stats": Method(
        "Count what is stored, exactly.",
        params.StatsParams,
        results.Stats,
        handlers.stats,
        role="reader",
    ),
    "knowledge.cleanup": Method(
        "Delete old entries, of all projects unless one is given.",
        params.CleanupParams,
        results.Cleaned,
        handlers.cleanup,
        Deadline.BULK,
        errors=_WRITES,
        role="writer",
    ),
    "knowledge.migrate": Method(
        "Store old records as they were, each only once, or say what would be stored.",
        params.MigrateParams,
        results.Batch,
        handlers.migrate,
        Deadline.BULK,
        errors=_WRITES,
        role="writer",
    ),
    "knowledge.undo_migration": Method(
        "Delete what a migration brought, and nothing else.",
        params.UndoMigrationParams,
        results.Deleted,
        handlers.undo_migration,
        Deadline.BULK,
        errors=_WRITES,
        role="writer",
    ),
    "embedding.embed": Method(
        "Turn texts into vectors of length 1.",
        params.EmbedParams,
        results.Embedded,
        handlers.embed,
        Deadline.BULK,
        errors=_EMBEDS,
        role="reader",
    ),
}

SYSTEM: dict[str, DaemonMethod] = {
    "knowledge.import": DaemonMethod(
        "Store any number of entries by a job, once the last of them has come.",
        params.ImportParams,
        results.Job,
        importing.import_,
        errors=("unavailable", "not_found", "conflict", "overloaded"),
        role="writer",
    ),
    "system.authenticate": DaemonMethod(
        "Present a token: calls of this connection are made with its rights from now on.",
        params.AuthenticateParams,
        results.Authenticated,
        system.authenticate,
        role="reader",
    ),
    "system.ping": DaemonMethod(
        "Ask for a sign of life.", params.NoParams, results.Pong, system.ping, role="reader"
    ),
    "system.status": DaemonMethod(
        "Tell the daemon's version, model, load and memory.",
        params.NoParams,
        results.Status,
        system.status,
        role="reader",
    ),
    "system.reload": DaemonMethod(
        "Read the configuration again and apply what can change without a restart.",
        params.NoParams,
        results.Reloaded,
        system.reload,
        errors=("conflict",),
    ),
    "system.backup": DaemonMethod(
        "Make a backup in the home, by a job: of all that is stored when it begins.",
        params.NoParams,
        results.Job,
        system.backup,
        errors=("unavailable", "conflict"),
    ),
    "system.shutdown": DaemonMethod(
        "Stop: what was accepted is answered, jobs are interrupted.",
        params.NoParams,
        results.Stopping,
        system.shutdown,
    ),
    "system.optimize": DaemonMethod(
        "Fold small files, index all rows and drop old versions now, as a job.",
        params.NoParams,
        results.Job,
        upkeep.optimize,
        errors=("unavailable", "conflict"),
    ),
    "system.verify": DaemonMethod(
        "Prove, as a job, that all rows can be read and agree with vectors, indexes and files.",
        params.NoParams,
        results.Job,
        upkeep.verify,
        errors=("unavailable", "conflict"),
    ),
    "system.scrub": DaemonMethod(
        "Find secrets in what is stored and remove every byte of them, backups too, as a job.",
        params.ScrubParams,
        results.Job,
        upkeep.scrub,
        errors=("unavailable", "conflict"),
    ),
    "job.list": DaemonMethod(
        "List long work, also what a former process began, as what became of it.",
        params.NoParams,
        results.Jobs,
        system.job_list,
        role="writer",
    ),
    "job.get": DaemonMethod(
        "Tell how a job is.",
        params.JobParams,
        results.Job,
        system.job_get,
        errors=("not_found",),
        role="writer",
    ),
    "job.wait": DaemonMethod(
        "Wait until a job has ended; a connection of lines hears `job.progress` meanwhile.",
        params.JobParams,
        results.Job,
        system.job_wait,
        errors=("not_found",),
        role="writer",
    ),
    "job.cancel": DaemonMethod(
        "End a job early; what it did stays.",
        params.JobParams,
        results.Job,
        system.job_cancel,
        errors=("not_found",),
        role="writer",
    ),
    "rpc.discover": DaemonMethod(
        "Describe every method of this daemon, as OpenRPC.",
        params.NoParams,
        results.Document,
        system.discover,
        role="reader",
    ),
}
"""Methods that are answered while the service still loads, and while the daemon stops."""
