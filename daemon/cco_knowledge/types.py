"""The values that travel between the layers. All are immutable."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NewType

Vector = NewType("Vector", bytes)
"""`dim` float32 numbers in native byte order, L2-normalised. Bytes, so that all but the products
with whole tables does without numpy."""

TEXT_MAX_BYTES = 256 * 1024
METADATA_MAX_BYTES = 64 * 1024
FIELD_MAX_CHARACTERS = 256

ENTRY_TYPES = (
    "decision",
    "architecture",
    "implementation",
    "configuration",
    "credential",
    "issue",
    "pattern",
    "general",
    "system",
)


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What makes vectors comparable: only those of one identity share a store."""

    name: str
    sha256: str
    dim: int


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    text: str
    type: str
    project_id: str
    session_id: str
    agent: str
    timestamp: str
    """RFC 3339 UTC with milliseconds, so that text order is time order."""
    metadata: bytes
    """One JSON object, encoded: what came in is what goes out."""
    superseded_by: str | None = None
    """The id of the entry that replaced this one."""
    superseded_at: str | None = None
    """The timestamp of that entry: from then on this one is hidden."""
    migration_run: str | None = None
    """Which run of a migration brought it."""
    migration_record: str | None = None
    """A digest of the old record that it was, so that it comes only once."""
    sealed: bytes | None = None
    """The value of a credential, as `sealing` has it; its place in the text is marked."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text that fits the model's window."""

    start: int
    """Characters from the beginning of the text."""
    end: int
    vector: Vector


@dataclass(frozen=True, slots=True)
class EmbeddedEntry:
    entry: Entry
    passages: Sequence[Passage]
    """At least one; together they cover the text."""


@dataclass(frozen=True, slots=True)
class Match:
    """A place in a ranked list."""

    id: str
    timestamp: str
    score: float
    """Cosine of the nearest passage, -1 to 1, or BM25, from 0 up."""
    row: int = -1
    """Where the entry stood when it was found: quick to read again, as long as nothing moved it."""


@dataclass(frozen=True, slots=True)
class Filters:
    """Conditions that all hold. An empty tuple sets none."""

    project_ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    session_ids: tuple[str, ...] = ()
    since: str | None = None
    """Not older than this; like `Entry.timestamp`."""
    until: str | None = None
    """Not newer than this."""
    metadata_digests: tuple[int, ...] = ()
    """One for each key and value that must be equal; see `store.metadata`."""
    include_superseded: bool = False
    """Without, only what was current at `until`, or is now."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """Sizes of the database, for people and for maintenance."""

    bytes: int
    live_bytes: int
    """Of the data and indexes of the present version."""
    fragments: int
    versions: int
    unindexed_rows: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Exact counts over all entries, or over one project's."""

    total_records: int
    by_type: dict[str, int] = field(default_factory=dict)
    by_agent: dict[str, int] = field(default_factory=dict)
    by_project: dict[str, int] = field(default_factory=dict)
    oldest_record: str | None = None
    newest_record: str | None = None
