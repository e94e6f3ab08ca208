"""Each method of the daemon as a value: its name, its params, and how to read its result.

Both faces of the client send these, so neither knows a method's params or results.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from . import results
from .results import (
    Batch,
    Cleaned,
    Context,
    Embedded,
    Found,
    Hits,
    Page,
    PostCompaction,
    PreCompaction,
    SessionStart,
    Stats,
    Status,
    Stored,
    Updated,
)

T = TypeVar("T")
Params = Mapping[str, Any] | Sequence[Any]
Choice = str | Sequence[str] | None
"""One value, or several of which any may match."""

_READING = frozenset(
    {
        "knowledge.search",
        "knowledge.context",
        "knowledge.related",
        "knowledge.query",
        "knowledge.get",
        "knowledge.reveal",
        "knowledge.stats",
        "session.start",
        "session.post_compaction",
        "embedding.embed",
        "rpc.discover",
        "system.authenticate",
        "system.ping",
        "system.status",
    }
)
_REPEATABLE_CHANGES = frozenset({"knowledge.update", "knowledge.migrate", "session.pre_compaction"})


class Filters(TypedDict, total=False):
    project_id: Choice
    type: Choice
    agent: Choice
    session_id: Choice
    since: str | None
    until: str | None
    metadata: Mapping[str, Any] | None
    include_superseded: bool | None


class EntryChanges(TypedDict, total=False):
    text: str | None
    type: str | None
    project_id: str | None
    session_id: str | None
    agent: str | None
    timestamp: str | None
    metadata: Mapping[str, Any] | None
    superseded_by: str | None


class EntryFields(TypedDict, total=False):
    type: str | None
    project_id: str | None
    session_id: str | None
    agent: str | None
    metadata: Mapping[str, Any] | None
    id: str | None
    timestamp: str | None
    supersedes: Sequence[str] | None
    """Ids of the entries that it replaces; searches no longer find those."""
    on_duplicate: str | None
    """`return` the first id (default), `store` nevertheless, or `reject`."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    method: str
    params: Params
    read: Callable[[Any], T]

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        if self.method in _READING or self.method in _REPEATABLE_CHANGES:
            return True
        if not isinstance(self.params, Mapping):
            return False
        if self.method == "knowledge.store":
            return _stores_once(self.params)
        items = self.params.get("items", ())
        return self.method == "knowledge.store_batch" and all(map(_stores_once, items))


def _stores_once(item: Any) -> bool:
    """The daemon answers a repeated entry, or a repeated id, with the first one."""
    return isinstance(item, Mapping) and (
        item.get("on_duplicate") in (None, "", "return")
        or bool(item.get("id") and item["on_duplicate"] == "store")
    )


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def any_call(method: str, params: Params | None) -> Call[Any]:
    return Call(method, {} if params is None else params, results.unchanged)


def store(text: str, **fields: Unpack[EntryFields]) -> Call[Stored]:
    return Call("knowledge.store", _given({"text": text, **fields}), results.read_stored)


def store_batch(items: Iterable[Mapping[str, Any]]) -> Call[Batch]:
    return Call("knowledge.store_batch", {"items": list(map(_given, items))}, results.read_batch)


def search(
    query: str,
    *,
    limit: int | None = None,
    threshold: float | None = None,
    mode: str | None = None,
    explain: bool | None = None,
    **filters: Unpack[Filters],
) -> Call[Hits]:
    params = {
        "query": query,
        "limit": limit,
        "threshold": threshold,
        "mode": mode,
        "explain": explain,
        **filters,
    }
    return Call("knowledge.search", _given(params), results.read_hits)


def context(
    task: str, *, token_budget: int | None = None, **filters: Unpack[Filters]
) -> Call[Context]:
    params = {"task": task, "token_budget": token_budget, **filters}
    return Call("knowledge.context", _given(params), results.read_context)


def related(
    id: str,  # noqa: A002  # the field's name
    *,
    limit: int | None = None,
    **filters: Unpack[Filters],
) -> Call[Hits]:
    params = {"id": id, "limit": limit, **filters}
    return Call("knowledge.related", _given(params), results.read_hits)


def query(
    *,
    limit: int | None = None,
    cursor: str | None = None,
    order_by: str | None = None,
    descending: bool | None = None,
    **filters: Unpack[Filters],
) -> Call[Page]:
    params = {
        "limit": limit,
        "cursor": cursor,
        "order_by": order_by,
        "descending": descending,
        **filters,
    }
    return Call("knowledge.query", _given(params), results.read_page)


def get(ids: Iterable[str]) -> Call[Found]:
    return Call("knowledge.get", {"ids": list(ids)}, results.read_found)


def update(id: str, **changes: Unpack[EntryChanges]) -> Call[Updated]:  # noqa: A002  # field name
    return Call("knowledge.update", _given({"id": id, **changes}), results.read_updated)


def reveal(id: str) -> Call[str]:  # noqa: A002  # the field's name
    return Call("knowledge.reveal", {"id": id}, results.read_value)


def delete(
    ids: Iterable[str] | None = None, *, expect: int | None = None, **filters: Unpack[Filters]
) -> Call[int]:
    params = {"ids": None if ids is None else list(ids), "expect": expect, **filters}
    return Call("knowledge.delete", _given(params), results.read_deleted)


def stats(*, project_id: str | None = None) -> Call[Stats]:
    return Call("knowledge.stats", _given({"project_id": project_id}), results.read_stats)


def cleanup(
    *,
    older_than_days: int | None = None,
    project_id: str | None = None,
    type: str | None = None,  # noqa: A002  # the field's name
    dry_run: bool | None = None,
) -> Call[Cleaned]:
    params = {
        "older_than_days": older_than_days,
        "project_id": project_id,
        "type": type,
        "dry_run": dry_run,
    }
    return Call("knowledge.cleanup", _given(params), results.read_cleaned)


def session_start(
    session_id: str,
    *,
    project_id: str | None = None,
    context: str | None = None,
    limit: int | None = None,
) -> Call[SessionStart]:
    params = {
        "session_id": session_id,
        "project_id": project_id,
        "context": context,
        "limit": limit,
    }
    return Call("session.start", _given(params), results.read_session_start)


def pre_compaction(
    conversation: str, *, project_id: str | None = None, session_id: str | None = None
) -> Call[PreCompaction]:
    params = {"conversation": conversation, "project_id": project_id, "session_id": session_id}
    return Call("session.pre_compaction", _given(params), results.read_pre_compaction)


def post_compaction(
    current_task: str, *, project_id: str | None = None, limit: int | None = None
) -> Call[PostCompaction]:
    params = {"current_task": current_task, "project_id": project_id, "limit": limit}
    return Call("session.post_compaction", _given(params), results.read_post_compaction)


def embed(texts: Iterable[str], *, kind: str | None = None) -> Call[Embedded]:
    params = _given({"texts": list(texts), "kind": kind})
    return Call("embedding.embed", params, results.read_embedded)


def authenticate(token: str) -> Call[Any]:
    return Call("system.authenticate", {"token": token}, results.unchanged)


def ping() -> Call[str]:
    return Call("system.ping", {}, str)


def status() -> Call[Status]:
    return Call("system.status", {}, results.read_status)
