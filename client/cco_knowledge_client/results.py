"""What the methods give, as immutable values. Keys that a newer daemon adds are left out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from .errors import KnowledgeError, ProtocolError, error_from

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    id: str
    text: str
    type: str
    project_id: str
    session_id: str
    agent: str
    timestamp: str
    """RFC 3339 UTC with milliseconds."""
    metadata: Mapping[str, Any]
    superseded_by: str | None = None
    sealed: str | None = None
    """Where the text holds `[sealed]`: the value, encrypted, as an export has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Entry):
    score: float
    """0 to 1, higher is better; hits come in its order."""
    similarity: float | None = None
    """Cosine of the query and the entry."""
    passage: str | None = None
    """What of a long text answers best; None: the text is short."""
    explain: Mapping[str, Any] | None = None
    """How the hit came to its place, where that was asked for."""


class Hits(list[Hit]):
    """A plain list, best first, that also says what the search was like."""

    def __init__(
        self, hits: Iterable[Hit] = (), *, covered: bool = False, query_time_ms: float = 0.0
    ) -> None:
        super().__init__(hits)
        self.covered = covered
        """False: nothing stored answers this, the hits are merely the nearest. A daemon too old to
        say so counts as covering what it has hits for."""
        self.query_time_ms = query_time_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    text: str
    """Quoted, dated and sourced; empty where nothing stored helps."""
    entries: tuple[Hit, ...]
    """Those in the text, in its order."""
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    results: tuple[Entry, ...]
    total: int
    """All that the filters select, not only this page."""
    next_cursor: str | None = None
    """Give it to the next `query`; None after the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    entries: tuple[Entry, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Similar:
    id: str
    timestamp: str
    similarity: float
    """Cosine of both entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Secrets that were replaced by a marker before the entry was stored."""

    field: str
    """`text`, or the place in the metadata, as `metadata.a.b`."""
    kind: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    id: str
    stored: bool
    """False: the same was there already."""
    duplicate_of: str | None = None
    timestamp: str | None = None
    similar: tuple[Similar, ...] = ()
    """Older entries of the same project and type that it nearly repeats, the nearest first."""
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    stored: int
    failed: int
    results: tuple[Stored | KnowledgeError, ...]
    """One for each item, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    id: str
    updated: bool
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    count: int
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    vectors: tuple[tuple[float, ...], ...]
    """L2-normalised, `dim` numbers each."""
    dim: int
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Of what is current in a project."""

    total_items: int
    by_type: Mapping[str, int]
    by_agent: Mapping[str, int]
    top_decisions: tuple[str, ...]
    """The newest, cut to 100 characters."""
    recent_activity: tuple[str, ...]
    """The newest entries, cut to 80 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStart:
    recent_knowledge: tuple[Entry, ...]
    """What answers the context, then the newest."""
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class PreCompaction:
    success: bool
    count: int
    ids: tuple[str, ...]
    """Of what was stored now, in the order of the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostCompaction:
    search_results: tuple[Hit, ...]
    """What answers the task; empty where nothing stored does."""
    recent_knowledge: tuple[Entry, ...]
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    total_records: int
    by_type: Mapping[str, int]
    by_agent: Mapping[str, int]
    by_project: Mapping[str, int]
    oldest_record: str | None
    newest_record: str | None
    storage: Mapping[str, int] | None
    """None, as some fields of `Status`, for a token that is limited to projects."""
    model: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    version: str
    pid: int
    uptime_s: float
    ready: bool
    model: Any
    socket: str
    home: str
    connections: int | None
    queue: Any
    rss_bytes: int | None


def read(kind: type[T], **convert: Callable[[Any], Any]) -> Callable[[Any], T]:
    """A parser of results of one kind; `convert` reads the fields that are not plain JSON."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]

    def parse(result: Any) -> T:
        if not isinstance(result, dict):
            raise ProtocolError(f"The daemon's result is not an object ({kind.__name__}).")
        try:
            known = {name: result[name] for name in names if name in result}
            given = convert.keys() & known.keys()
            return kind(**{**known, **{name: convert[name](known[name]) for name in given}})
        except (KeyError, TypeError) as error:
            raise ProtocolError(f"The daemon's result lacks a part ({kind.__name__}).") from error

    return parse


def each(parse: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    return lambda values: tuple(parse(value) for value in values)


def unchanged(result: Any) -> Any:
    return result


read_entry = read(Entry)
read_hit = read(Hit)
read_page = read(Page, results=each(read_entry))
read_found = read(Found, entries=each(read_entry), missing=tuple)
read_context = read(Context, entries=each(read_hit))
read_redactions = each(read(Redaction))
read_stored = read(Stored, similar=each(read(Similar)), redactions=read_redactions)
read_updated = read(Updated, redactions=read_redactions)
read_cleaned = read(Cleaned, ids=tuple)
read_embedded = read(Embedded, vectors=each(tuple))
read_summary = read(Summary, top_decisions=tuple, recent_activity=tuple)
read_session_start = read(SessionStart, recent_knowledge=each(read_entry), summary=read_summary)
read_pre_compaction = read(PreCompaction, ids=tuple)
read_post_compaction = read(
    PostCompaction,
    search_results=each(read_hit),
    recent_knowledge=each(read_entry),
    summary=read_summary,
)
read_stats = read(Stats)
read_status = read(Status)


def read_hits(result: Any) -> Hits:
    hits = [read_hit(hit) for hit in _key(result, "results")]
    return Hits(
        hits,
        covered=bool(result.get("covered", bool(hits))),
        query_time_ms=float(result.get("query_time_ms", 0.0)),
    )


def read_value(result: Any) -> str:
    return str(_key(result, "value"))


def read_deleted(result: Any) -> int:
    deleted = _key(result, "deleted")
    return int(deleted)


def _read_item(item: Any) -> Stored | KnowledgeError:
    if isinstance(item, dict) and "error" in item:
        return error_from(item["error"])
    return read_stored(item)


read_batch = read(Batch, results=each(_read_item))


def _key(result: Any, key: str) -> Any:
    if not isinstance(result, dict) or key not in result:
        raise ProtocolError(f"The daemon's result lacks `{key}`.")
    return result[key]
