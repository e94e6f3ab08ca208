"""Params of every method: shapes, bounds and defaults, checked before a handler is called.

msgspec does the checking; `read` gives its errors a field and treats "" and null as not given.
The order of a struct's fields is the order of positional params.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import orjson

from cco_knowledge.errors import InvalidInput
from cco_knowledge.search.searcher import Mode
from cco_knowledge.service import NewEntry, format_timestamp
from cco_knowledge.store.interface import OnDuplicate
from cco_knowledge.store.metadata import metadata_digest
from cco_knowledge.types import Filters

TEXT_MAX_BYTES = 256 * 1024
METADATA_MAX_BYTES = 64 * 1024
METADATA_MAX_DEPTH = 200
"""What orjson and msgspec write on any stack; they stop at 255."""
_FIELD_MAX_CHARACTERS = 256

Field = Annotated[str, msgspec.Meta(max_length=_FIELD_MAX_CHARACTERS)]
Value = Annotated[str, msgspec.Meta(min_length=1, max_length=_FIELD_MAX_CHARACTERS)]
OneOrMore = Field | Annotated[list[Value], msgspec.Meta(min_length=1, max_length=1000)]
Ids = Annotated[list[Field], msgspec.Meta(min_length=1, max_length=1000)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
OrderBy = Literal["timestamp", "id", "type", "project_id", "session_id", "agent"]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class NoParams(Params, frozen=True):
    pass


class FilterParams(Params, frozen=True, kw_only=True):
    project_id: OneOrMore = ""
    type: OneOrMore = ""
    agent: OneOrMore = ""
    session_id: OneOrMore = ""
    since: Moment | None = None
    until: Moment | None = None
    metadata: dict[str, Any] = {}
    include_superseded: bool = False

    def filters(self) -> Filters:
        _check_depth(self.metadata)
        return Filters(
            project_ids=_several(self.project_id),
            types=_several(self.type),
            agents=_several(self.agent),
            session_ids=_several(self.session_id),
            since=_not_before(self.since) if self.since else None,
            until=_timestamp(self.until, "until") if self.until else None,
            metadata_digests=tuple(
                metadata_digest(key, value) for key, value in self.metadata.items()
            ),
            include_superseded=self.include_superseded,
        )


class StoreParams(Params, frozen=True):
    text: str
    type: Field = "general"
    project_id: Field = "default"
    session_id: Field = "unknown"
    agent: Field = "unknown"
    metadata: dict[str, Any] = {}
    id: Field | None = None
    timestamp: Moment | None = None
    supersedes: Annotated[list[Value], msgspec.Meta(max_length=1000)] = []
    on_duplicate: OnDuplicate = "return"

    def new_entry(self) -> NewEntry:
        return NewEntry(
            text=checked_text(self.text, "text"),
            type=checked_field(self.type, "type"),
            project_id=checked_field(self.project_id, "project_id"),
            session_id=checked_field(self.session_id, "session_id"),
            agent=checked_field(self.agent, "agent"),
            metadata=encoded_metadata(self.metadata),
            id=checked_field(self.id, "id") if self.id else None,
            timestamp=_timestamp(self.timestamp, "timestamp") if self.timestamp else None,
            supersedes=self.supersedes,
            on_duplicate=self.on_duplicate,
        )


class StoreBatchParams(Params, frozen=True):
    items: Annotated[list[Any], msgspec.Meta(min_length=1, max_length=1000)]


class _ExplainParams(FilterParams, frozen=True, kw_only=True):
    explain: bool = False


class SearchParams(_ExplainParams, frozen=True):
    query: str
    limit: Limit = 10
    threshold: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    mode: Mode = "hybrid"


class RelatedParams(FilterParams, frozen=True):
    id: Field
    limit: Limit = 10


class ContextParams(FilterParams, frozen=True):
    task: str
    token_budget: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1500


class QueryParams(FilterParams, frozen=True, kw_only=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    cursor: str | None = None
    order_by: OrderBy = "timestamp"
    descending: bool = True


class GetParams(Params, frozen=True):
    ids: Ids


class UpdateParams(Params, frozen=True):
    id: Field
    text: str | None = None
    type: Field | None = None
    project_id: Field | None = None
    session_id: Field | None = None
    agent: Field | None = None
    timestamp: Moment | None = None
    metadata: dict[str, Any] | None = None
    superseded_by: Field | None = None

    def changes(self) -> dict[str, str | bytes]:
        """The entry fields that were given, as the store keeps them."""
        changes: dict[str, str | bytes] = {
            name: checked_field(value, name)
            for name in ("type", "project_id", "session_id", "agent", "superseded_by")
            if (value := getattr(self, name)) is not None
        }
        if self.text is not None:
            changes["text"] = checked_text(self.text, "text")
        if self.timestamp is not None:
            changes["timestamp"] = _timestamp(self.timestamp, "timestamp")
        if self.metadata is not None:
            changes["metadata"] = encoded_metadata(self.metadata)
        return changes


class DeleteParams(FilterParams, frozen=True):
    ids: Ids | None = None
    expect: Annotated[int, msgspec.Meta(ge=0)] | None = None


class StatsParams(Params, frozen=True):
    project_id: Field | None = None


class CleanupParams(Params, frozen=True):
    older_than_days: Annotated[float, msgspec.Meta(ge=0, le=36_500)] = 90
    project_id: OneOrMore = ""
    type: OneOrMore = ""
    dry_run: bool = False


class SessionStartParams(Params, frozen=True):
    session_id: Field
    project_id: Field = "default"
    context: str | None = None
    limit: Limit = 10


class PreCompactionParams(Params, frozen=True):
    conversation: str
    project_id: Field = "default"
    session_id: Field = "unknown"


class PostCompactionParams(Params, frozen=True):
    current_task: str
    project_id: Field = "default"
    limit: Limit = 10


class EmbedParams(Params, frozen=True):
    texts: Annotated[list[str], msgspec.Meta(min_length=1, max_length=256)]
    kind: Literal["document", "query"] = "document"


P = TypeVar("P", bound=Params)
_MOMENTS = frozenset({"timestamp", "since", "until"})
_FINER = re.compile(r"(?<=\.\d{6})\d+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PLACE = re.compile(r" - at `\$\.(\w+)[^`]*`\Z")
_NAMED = re.compile(r"Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)


def read(kind: type[P], params: dict[str, Any] | list[Any]) -> P:
    """Raises InvalidInput, whose `field` names the param."""
    named = params if isinstance(params, dict) else _by_position(kind, params)
    given = {
        key: _with_microseconds(value) if key in _MOMENTS else value
        for key, value in named.items()
        if value is not None and value != ""
    }
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error


def _with_microseconds(moment: object) -> object:
    """A finer fraction is cut: msgspec rounds it, up to the next day if need be."""
    return _FINER.sub("", moment) if isinstance(moment, str) else moment


def checked_text(text: str, field: str) -> str:
    if not text:
        raise InvalidInput(f"`{field}` must not be empty.", field=field)
    length_bytes = len(text.encode())
    if length_bytes > TEXT_MAX_BYTES:
        raise InvalidInput(
            f"`{field}` has {length_bytes} bytes; at most {TEXT_MAX_BYTES} are stored. "
            "Split it into entries of their own.",
            field=field,
        )
    return _without_nul(text, field)


def checked_field(value: str, field: str) -> str:
    if _CONTROL.search(value):
        raise InvalidInput(f"`{field}` must not hold control characters.", field=field)
    return value


def encoded_metadata(metadata: dict[str, Any]) -> bytes:
    _check_depth(metadata)
    try:
        encoded = orjson.dumps(metadata)
    except orjson.JSONEncodeError:  # an integer over 64 bits
        encoded = msgspec.json.encode(metadata)
    if len(encoded) > METADATA_MAX_BYTES:
        raise InvalidInput(
            f"`metadata` has {len(encoded)} bytes of JSON; at most {METADATA_MAX_BYTES} are "
            "stored.",
            field="metadata",
        )
    return encoded


def _check_depth(metadata: dict[str, Any]) -> None:
    level: list[Any] = [metadata]
    for _ in range(METADATA_MAX_DEPTH):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return
    raise InvalidInput(
        f"`metadata` is nested deeper than {METADATA_MAX_DEPTH} levels.", field="metadata"
    )


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _by_position(kind: type[Params], params: Sequence[Any]) -> dict[str, Any]:
    names = kind.__struct_fields__
    if len(params) > len(names):
        raise InvalidInput(
            f"{len(params)} positional params were given; the method has {len(names)}.",
            field=str(len(names)),
        )
    return dict(zip(names, params, strict=False))


def _invalid(problem: str) -> InvalidInput:
    """The place stands only in the text of msgspec; tests hold this reading to it."""
    match = _NAMED.fullmatch(problem) or _PLACE.search(problem)
    return InvalidInput(
        f"The params are wrong: {_without_values(problem)}.",
        field=match.group(1) if match else "",
    )


def _without_values(problem: str) -> str:
    """The message of a wrong choice repeats it: `Invalid enum value 'x' - at ...`."""
    return re.sub(
        r"Invalid enum value .*(?= - at `)", "This value is not allowed", problem, flags=re.DOTALL
    )


def _several(value: str | list[str]) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if value else ()


def _timestamp(moment: datetime, field: str) -> str:
    try:
        return format_timestamp(moment)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(
            f"`{field}` lies outside of the years 1 to 9999 in UTC.", field=field
        ) from error


def _not_before(moment: datetime) -> str:
    """Stored times have whole milliseconds, so a later microsecond means the next one."""
    cut = _timestamp(moment, "since")
    return cut if moment.microsecond % 1000 == 0 else f"{cut}~"  # behind `cut` in text order


def _without_nul(text: str, field: str) -> str:
    if "\0" in text:
        raise InvalidInput(f"`{field}` must not hold NUL characters.", field=field)
    return text
