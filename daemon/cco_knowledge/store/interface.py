"""What the rest of the daemon knows of a store. All methods are safe to call concurrently."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from cco_knowledge.store.filters import PageStart
from cco_knowledge.types import (
    EmbeddedEntry,
    Entry,
    Filters,
    Match,
    Passage,
    StoreFacts,
    Totals,
    Vector,
)

ANY = Filters(include_superseded=True)
OnDuplicate = Literal["return", "store", "reject"]


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry on its way in."""

    embedded: EmbeddedEntry
    on_duplicate: OnDuplicate
    has_given_timestamp: bool
    """A repeat with the same id is the same entry even if "now" has moved on."""
    supersedes: Sequence[str] = ()
    """The ids of the entries that this one replaces."""
    has_chosen_id: bool = True
    """The caller gave the id, which may be another entry's."""
    projects: Sequence[str] | None = None
    """Only what belongs to these can be replaced; None: everything."""


@dataclass(frozen=True, slots=True)
class Stored:
    id: str
    timestamp: str
    duplicate_of: str | None
    """The entry that was there before; None where a new one was stored."""


@dataclass(frozen=True, slots=True)
class Page:
    entries: Sequence[Entry]
    total: int
    """All that match, on this page or not."""
    next_start: PageStart | None


@dataclass(frozen=True, slots=True)
class Optimized:
    before: StoreFacts
    after: StoreFacts


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not agree with the rest."""

    kind: str
    what: str
    count: int
    ids: Sequence[str]
    """Of entries, where it is about those; the first ten."""
    mend: str
    """What a person does about it."""


@dataclass(frozen=True, slots=True)
class Verified:
    rows: int
    """That were read and found right or wrong."""
    indexes: int
    look_ups: int
    """Through the indexes, compared with what the rows hold."""
    files: int
    left_over_files: int
    """Of no version: of writers that were killed, or that write just now. No problem."""
    problems: Sequence[Problem]


class Store(Protocol):
    @property
    def version(self) -> Hashable:
        """Another one after every change of what is stored; it may change without one."""
        ...

    def check_takes_entries(self) -> None:
        """Before work is put into new entries or changed texts.

        Raises:
            StorageFull: only the disk's reserve is left.
            Unavailable: the disk hangs.
        """
        ...

    async def insert(self, drafts: Sequence[Draft]) -> list[Stored | Exception]:
        """One outcome a draft, in order: durable when this returns, and in the next search.

        A conflict, or an id to supersede that does not exist, is the outcome of its draft alone.
        An entry and the marks on those that it replaces are one commit. Cancelling the caller
        does not take back what the writer has begun.

        Raises:
            StoreFailed, StorageFull: nothing of these drafts was stored.
        """
        ...

    async def nearest(
        self,
        vector: Vector,
        filters: Filters,
        limit: int,
        *,
        exact: bool = False,
        least: float | None = None,
    ) -> list[Match]:
        """The entries with the nearest passages among those that pass, nearest first.

        Scores are exact. In a large table one in a hundred may be missed, unless `exact`.
        `least`: only those with at least this cosine. To say that there are none is cheap.
        """
        ...

    async def nearest_to_each(
        self,
        vectors: Sequence[Vector],
        filters: Filters,
        limit: int,
        *,
        exact: bool = False,
        least: float | None = None,
    ) -> list[list[Match]]:
        """The same of several vectors, in their order."""
        ...

    async def matching(self, terms: Sequence[str], filters: Filters, limit: int) -> list[Match]:
        """The entries that hold any of the terms among those that pass, by BM25."""
        ...

    async def terms_of(self, found: Sequence[Match]) -> dict[str, str]:
        """By id, the terms by which the entries that still exist are found, parted by spaces."""
        ...

    async def similarities(self, vector: Vector, found: Sequence[Match]) -> dict[str, float]:
        """The cosine of the nearest passage of each entry that still exists, by id."""
        ...

    async def embedded(
        self, ids: Sequence[str], filters: Filters = ANY, found: Sequence[Match] = ()
    ) -> list[EmbeddedEntry]:
        """Those that exist and pass, with their passages, in the order of `ids`.

        `found`: where they were found just now, with these filters; it spares looking for them.
        """
        ...

    async def count(self, filters: Filters) -> int: ...

    async def query(
        self,
        filters: Filters,
        *,
        order_by: str,
        descending: bool,
        limit: int,
        start: PageStart | None,
    ) -> Page: ...

    async def get(self, ids: Sequence[str], filters: Filters = ANY) -> list[Entry]:
        """Those that exist and pass, in the order of `ids`."""
        ...

    async def replaced_by(self, ids: Sequence[str], filters: Filters = ANY) -> dict[str, list[str]]:
        """The ids that each of `ids` is the direct successor of, where there are any that pass."""
        ...

    async def replace(
        self, entry: Entry, passages: Sequence[Passage] | None, filters: Filters = ANY
    ) -> None:
        """Write all fields of an existing entry; None keeps the vectors that it has.

        What is superseded stays so; `superseded_at` follows from `superseded_by`.

        Raises:
            NotFound: this entry, or its successor, or one of them does not pass.
            Conflict: the successor is superseded by this entry.
        """
        ...

    async def delete(self, ids: Sequence[str], filters: Filters = ANY) -> int:
        """How many of these passed, and are gone.

        What a deleted entry had replaced belongs to its successor; without one it is current.
        """
        ...

    async def delete_matching(self, filters: Filters, expect: int) -> int:
        """Raises Conflict, and deletes nothing, when not exactly `expect` entries match."""
        ...

    async def find_ids(self, filters: Filters) -> list[str]: ...

    @property
    def types(self) -> Collection[str]:
        """All that stored entries have had since the start."""
        ...

    @property
    def key_ids(self) -> Collection[bytes]:
        """Of all keys that stored values have been sealed with since the start."""
        ...

    async def migrated(self, records: Sequence[str]) -> dict[str, Stored]:
        """Which of these records a migration has brought, as outcomes of storing them again."""
        ...

    async def undo_migration(self, run: str, filters: Filters = ANY) -> int:
        """Delete what that run brought and what passes, as `delete` does."""
        ...

    async def cleanup(self, filters: Filters) -> list[str]:
        """Delete all that match, and tell which they were."""
        ...

    async def totals(self, filters: Filters) -> Totals: ...

    async def facts(self) -> StoreFacts | None:
        """None where they are not to be told."""
        ...
