"""Params of every method: shapes, bounds and defaults, and what `rpc.discover` says of them.

msgspec checks them, see `rpc.reading`, before a handler is called.
The order of a struct's fields is the order of positional params.
"""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from cco_knowledge.drafting import NewEntry
from cco_knowledge.rpc.described import about, refer
from cco_knowledge.rpc.reading import (
    check_depth,
    checked_field,
    checked_text,
    encoded_metadata,
    json_of,
    not_before,
    sealed_value,
    timestamp_of,
)
from cco_knowledge.search.searcher import Mode
from cco_knowledge.store.interface import OnDuplicate
from cco_knowledge.store.metadata import metadata_digest
from cco_knowledge.types import ENTRY_TYPES, FIELD_MAX_CHARACTERS, Entry, Filters

Field = Annotated[str, msgspec.Meta(max_length=FIELD_MAX_CHARACTERS)]
Value = Annotated[str, msgspec.Meta(min_length=1, max_length=FIELD_MAX_CHARACTERS)]
OneOrMore = Field | Annotated[list[Value], msgspec.Meta(min_length=1, max_length=1000)]
Ids = Annotated[list[Field], msgspec.Meta(min_length=1, max_length=1000)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=100), about("At most so many hits.")]
Sealed = Annotated[
    str | None, about("The value of a credential as an export has it: encrypted, in base64.")
]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
OrderBy = Literal["timestamp", "id", "type", "project_id", "session_id", "agent"]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class NoParams(Params, frozen=True):
    pass


class AuthenticateParams(Params, frozen=True):
    token: Annotated[str, msgspec.Meta(max_length=256), about("What `kmctl token create` printed.")]


class ScrubParams(Params, frozen=True):
    dry_run: Annotated[bool, about("Only tell what is found, and change nothing.")] = False


class JobParams(Params, frozen=True):
    id: Annotated[Field, about("The job's id.")]


class FilterParams(Params, frozen=True, kw_only=True):
    project_id: Annotated[OneOrMore, about("Of this project, or of any of these.")] = ""
    type: Annotated[OneOrMore, about("Of this type, or of any of these.")] = ""
    agent: Annotated[OneOrMore, about("Of this agent, or of any of these.")] = ""
    session_id: Annotated[OneOrMore, about("Of this session, or of any of these.")] = ""
    since: Annotated[Moment | None, about("Not older than this, RFC 3339.")] = None
    until: Annotated[Moment | None, about("Not newer than this, RFC 3339.")] = None
    metadata: Annotated[
        dict[str, Any], about("Each of these keys is equal in the entry; `1` equals `1.0`.")
    ] = {}
    include_superseded: Annotated[
        bool,
        about("Also what newer entries replaced. Without, what is current now, or at `until`."),
    ] = False

    def filters(self) -> Filters:
        check_depth(self.metadata)
        return Filters(
            project_ids=_several(self.project_id),
            types=_several(self.type),
            agents=_several(self.agent),
            session_ids=_several(self.session_id),
            since=not_before(self.since) if self.since else None,
            until=timestamp_of(self.until, "until") if self.until else None,
            metadata_digests=tuple(
                metadata_digest(key, value) for key, value in self.metadata.items()
            ),
            include_superseded=self.include_superseded,
        )


class StoreParams(Params, frozen=True):
    text: Annotated[str, about("1 character to 256 KiB of UTF-8, without NUL.", minLength=1)]
    type: Annotated[
        Field,
        about(
            f"{', '.join(f'`{name}`' for name in ENTRY_TYPES)}, or one of `knowledge.extra_types`."
        ),
    ] = "general"
    project_id: Annotated[Field, about("Which project it belongs to.")] = "default"
    session_id: Annotated[Field, about("In which session it was learnt.")] = "unknown"
    agent: Annotated[Field, about("Who learnt it.")] = "unknown"
    metadata: Annotated[
        dict[str, Any], about("Any JSON object, at most 64 KiB and 200 levels deep.")
    ] = {}
    id: Annotated[
        Field | None, about("An id of your own, so that the call can be repeated safely.")
    ] = None
    timestamp: Annotated[Moment | None, about("When, RFC 3339; without it, now.")] = None
    supersedes: Annotated[
        list[Value], msgspec.Meta(max_length=1000), about("The ids of the entries it replaces.")
    ] = []
    on_duplicate: Annotated[
        OnDuplicate,
        about(
            "Where the same text, type and project are stored already: `return` that entry, "
            "`store` it again, or `reject` it as a conflict."
        ),
    ] = "return"

    def new_entry(self) -> NewEntry:
        return NewEntry(
            text=checked_text(self.text, "text"),
            type=checked_field(self.type, "type"),
            project_id=checked_field(self.project_id, "project_id"),
            session_id=checked_field(self.session_id, "session_id"),
            agent=checked_field(self.agent, "agent"),
            metadata=encoded_metadata(self.metadata),
            id=checked_field(self.id, "id") if self.id else None,
            timestamp=timestamp_of(self.timestamp, "timestamp") if self.timestamp else None,
            supersedes=self.supersedes,
            on_duplicate=self.on_duplicate,
        )


class StoreBatchParams(Params, frozen=True):
    items: Annotated[
        list[Any],
        msgspec.Meta(min_length=1, max_length=1000),
        about(
            "The params of a store each; a bad one fails alone.",
            items=refer("StoreParams"),
        ),
    ]


class Migration(Params, frozen=True):
    run: Annotated[Value, about("The migration that brought it.")]
    record: Annotated[Value, about("A digest of the old record.")]


class ImportItem(StoreParams, frozen=True):
    """An entry as `knowledge.query` gives it, or what a store takes."""

    superseded_by: Annotated[
        Value | None, about("The entry that replaced it, which may come later; it needs an id.")
    ] = None
    migration: Annotated[
        Migration | None,
        about("Whence it came, if a migration brought it: it is kept as it is, see `OldRecord`."),
    ] = None
    sealed: Sealed = None

    def new_entry(self) -> NewEntry:
        return replace(super().new_entry(), sealed=sealed_value(self.sealed))


class ImportParams(Params, frozen=True):
    items: Annotated[
        list[Any],
        msgspec.Meta(max_length=1000),
        about("Entries; a bad one fails alone.", items=refer("ImportItem")),
    ] = []
    job: Annotated[
        Field | None, about("The job that these belong to; without it a new one begins.")
    ] = None
    more: Annotated[
        bool, about("Further items follow within a minute; the work begins with the last.")
    ] = False
    kind: Annotated[Literal["import", "migrate"], about("What the new job is called in lists.")] = (
        "import"
    )


class MigrateParams(Params, frozen=True):
    run: Annotated[Field, about("Names this migration, so that it can be undone.")]
    items: Annotated[
        list[Any],
        msgspec.Meta(min_length=1, max_length=1000),
        about("Old records; a bad one fails alone.", items=refer("OldRecord")),
    ]
    dry_run: Annotated[bool, about("Only say what would be stored.")] = False


class OldRecord(Params, frozen=True, kw_only=True):
    """Beyond what `StoreParams` allows: texts of any length and with NUL, types of any name."""

    id: Annotated[Field, about("The id it had.")]
    text: Annotated[str, about("The text it had.", minLength=1)]
    type: Annotated[Field, about("The type it had, whatever that is.")]
    project_id: Annotated[Field, about("Which project it belongs to.")]
    session_id: Annotated[Field, about("In which session it was learnt.")]
    agent: Annotated[Field, about("Who learnt it.")]
    timestamp: Annotated[Moment, about("When, RFC 3339.")]
    metadata: Annotated[dict[str, Any], about("The metadata it had, of any size.")] = {}
    record: Annotated[Field, about("A digest of the old record, so that it comes only once.")]
    sealed: Sealed = None

    def entry(self, run: str) -> Entry:
        check_depth(self.metadata)
        return Entry(
            id=self.id,
            text=self.text,
            type=self.type,
            project_id=self.project_id,
            session_id=self.session_id,
            agent=self.agent,
            timestamp=timestamp_of(self.timestamp, "timestamp"),
            metadata=json_of(self.metadata),
            migration_run=run,
            migration_record=self.record,
            sealed=sealed_value(self.sealed),
        )


class UndoMigrationParams(Params, frozen=True):
    run: Annotated[Field, about("The migration whose entries are to go.")]


class _ExplainParams(FilterParams, frozen=True, kw_only=True):
    explain: Annotated[bool, about("Say how each hit came to its place.")] = False


class SearchParams(_ExplainParams, frozen=True):
    query: Annotated[str, about("What to look for, in words of any language or code.", minLength=1)]
    limit: Limit = 10
    threshold: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=1)] | None,
        about("Leave out what has a smaller cosine similarity."),
    ] = None
    mode: Annotated[
        Mode, about("By meaning (`vector`), by words (`text`), or both, fused (`hybrid`).")
    ] = "hybrid"


class RelatedParams(FilterParams, frozen=True):
    id: Annotated[Field, about("The entry whose neighbours are wanted.")]
    limit: Limit = 10


class ContextParams(FilterParams, frozen=True):
    task: Annotated[str, about("What is to be done.", minLength=1)]
    token_budget: Annotated[
        int, msgspec.Meta(ge=1, le=100_000), about("The text has at most so many tokens.")
    ] = 1500


class QueryParams(FilterParams, frozen=True, kw_only=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000), about("Entries on a page.")] = 20
    cursor: Annotated[
        str | None, about("`next_cursor` of the page before, with the same order.")
    ] = None
    order_by: Annotated[OrderBy, about("The field that gives the order.")] = "timestamp"
    descending: Annotated[bool, about("The newest, or last, first.")] = True


class GetParams(Params, frozen=True):
    ids: Annotated[Ids, about("The entries that are wanted.")]


class UpdateParams(Params, frozen=True):
    id: Annotated[Field, about("The entry to change.")]
    text: Annotated[str | None, about("A new text, embedded again.")] = None
    type: Annotated[Field | None, about("A new type.")] = None
    project_id: Annotated[Field | None, about("A new project.")] = None
    session_id: Annotated[Field | None, about("A new session.")] = None
    agent: Annotated[Field | None, about("A new agent.")] = None
    timestamp: Annotated[Moment | None, about("A new time, RFC 3339.")] = None
    metadata: Annotated[
        dict[str, Any] | None, about("New metadata, in place of all of the old.")
    ] = None
    superseded_by: Annotated[
        Field | None, about("The entry that replaces this one; a circle is a conflict.")
    ] = None

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
            changes["timestamp"] = timestamp_of(self.timestamp, "timestamp")
        if self.metadata is not None:
            changes["metadata"] = encoded_metadata(self.metadata)
        return changes


class RevealParams(Params, frozen=True):
    id: Annotated[Field, about("The credential whose value is wanted.")]


class DeleteParams(FilterParams, frozen=True):
    ids: Annotated[Ids | None, about("The entries to delete; or give filters with `expect`.")] = (
        None
    )
    expect: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None,
        about("How many the filters select; with another number nothing is deleted."),
    ] = None


class StatsParams(Params, frozen=True):
    project_id: Annotated[Field | None, about("Of this project; without it, of all.")] = None


class CleanupParams(Params, frozen=True):
    older_than_days: Annotated[
        float, msgspec.Meta(ge=0, le=36_500), about("The age from which entries go.")
    ] = 90
    project_id: Annotated[OneOrMore, about("Of this project, or of any of these.")] = ""
    type: Annotated[OneOrMore, about("Of this type, or of any of these.")] = ""
    dry_run: Annotated[bool, about("Only say what would be deleted.")] = False


class SessionStartParams(Params, frozen=True):
    session_id: Annotated[Field, about("The session that begins.")]
    project_id: Annotated[Field, about("The project that it is about.")] = "default"
    context: Annotated[str | None, about("What it is about: what answers this comes first.")] = None
    limit: Annotated[Limit, about("At most so many entries.")] = 10


class PreCompactionParams(Params, frozen=True):
    conversation: Annotated[
        str, about("What was said, with or without names of speakers; of any length.", minLength=1)
    ]
    project_id: Annotated[Field, about("The project to which it belongs.")] = "default"
    session_id: Annotated[Field, about("The session in which it was said.")] = "unknown"


class PostCompactionParams(Params, frozen=True):
    current_task: Annotated[str, about("What is to be done next.", minLength=1)]
    project_id: Annotated[Field, about("The project that it is about.")] = "default"
    limit: Annotated[Limit, about("At most so many search results.")] = 10


class EmbedParams(Params, frozen=True):
    texts: Annotated[
        list[Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1})]],
        msgspec.Meta(min_length=1, max_length=256),
        about("The texts, each as in a store."),
    ]
    kind: Annotated[
        Literal["document", "query"], about("With the model's prefix for the one or the other.")
    ] = "document"


def _several(value: str | list[str]) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(value)
    return (value,) if value else ()
