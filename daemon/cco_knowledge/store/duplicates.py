"""What becomes of each draft, given what is stored. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec

from cco_knowledge.credentials.vault import value_digest
from cco_knowledge.errors import Conflict, NotFound
from cco_knowledge.store.interface import Draft, Stored
from cco_knowledge.store.metadata import canonical_json
from cco_knowledge.store.schema import content_digest
from cco_knowledge.types import EmbeddedEntry, Entry


@dataclass(slots=True)
class Known:
    """Entries by id, and the current ones by content; the oldest of equal content is the first."""

    entries: Iterable[Entry]
    by_id: dict[str, Entry] = field(default_factory=dict)
    by_content: dict[bytes, Entry] = field(default_factory=dict)
    by_record: dict[str, Entry] = field(default_factory=dict)
    """Those that a migration brought, by the record that they were."""

    def __post_init__(self) -> None:
        for entry in sorted(self.entries, key=lambda entry: (entry.timestamp, entry.id)):
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """What is superseded may be said again: it is no duplicate any more."""
        self.by_id[entry.id] = entry
        if entry.migration_record is not None:
            self.by_record[entry.migration_record] = entry
        if entry.superseded_by is None:
            self.by_content.setdefault(content_digest(entry), entry)

    def supersede(self, entry: Entry) -> None:
        if self.by_content.get(content_digest(entry)) is entry:
            del self.by_content[content_digest(entry)]


@dataclass(frozen=True, slots=True)
class Decided:
    new: Sequence[Draft]
    outcomes: list[Stored | Exception]
    """One a draft, in their order."""
    successors: dict[str, Entry]
    """What the superseded ids are replaced by."""


def decide(drafts: Sequence[Draft], known: Known) -> Decided:
    """Later drafts see earlier ones as stored: they are part of the same commit."""
    new: list[Draft] = []
    outcomes: list[Stored | Exception] = []
    successors: dict[str, Entry] = {}
    for draft in drafts:
        outcome = _outcome(draft, known)
        outcomes.append(outcome)
        if isinstance(outcome, Exception):
            continue
        if outcome.duplicate_of is None:
            new.append(draft)
            known.add(draft.embedded.entry)
        entry = known.by_id[outcome.id]
        # NOTE: a repeated store may name itself, or come after its entry was replaced. Only what is
        # current replaces anything, so that no circle of successors can come about.
        if entry.superseded_by is not None or entry.id in successors:
            continue
        for replaced in draft.supersedes:
            if replaced != entry.id:
                successors[replaced] = entry
                known.supersede(known.by_id[replaced])
    return Decided(new, outcomes, successors)


def unchanged(
    changes: Mapping[str, tuple[Entry, EmbeddedEntry]], stored: Iterable[Entry]
) -> list[EmbeddedEntry]:
    """Of those that are stored as they were before, what they become; marks are as stored."""
    rows = []
    for entry in stored:
        before, after = changes[entry.id]
        by, at = entry.superseded_by, entry.superseded_at
        if replace(before, superseded_by=by, superseded_at=at) == entry:
            marked = replace(after.entry, superseded_by=by, superseded_at=at)
            rows.append(replace(after, entry=marked))
    return rows


def keys_of(entry: Entry) -> list[str | bytes]:
    """What makes an entry the same as another; the values of the columns that are looked up."""
    keys = [entry.id, content_digest(entry), entry.migration_record]
    return [key for key in keys if key is not None]


def _outcome(draft: Draft, known: Known) -> Stored | Exception:
    entry = draft.embedded.entry
    missing = [one for one in draft.supersedes if not _may_replace(draft, one, known)]
    if missing:
        return NotFound("`supersedes` names entries that do not exist.", ids=missing)
    same = _same_entry(draft, known)
    if same is not None:
        return _again(same)
    if entry.id in known.by_id:
        return Conflict(
            "An entry with this id and other content is stored. "
            "Use knowledge.update to change it, or another id.",
            id=entry.id,
        )
    same_content = known.by_content.get(content_digest(entry))
    if same_content is None or draft.on_duplicate == "store":
        return Stored(entry.id, entry.timestamp, duplicate_of=None)
    if draft.on_duplicate == "reject":
        return Conflict(
            "The same text, type and project is stored already.", duplicate_of=same_content.id
        )
    return _again(same_content)


def _may_replace(draft: Draft, replaced: str, known: Known) -> bool:
    entry = known.by_id.get(replaced)
    return entry is not None and (draft.projects is None or entry.project_id in draft.projects)


def _same_entry(draft: Draft, known: Known) -> Entry | None:
    """The same old record, whatever became of it, or the same id with the same fields."""
    entry = draft.embedded.entry
    same_id = known.by_id.get(entry.id)
    if same_id is not None and not _is_same(
        entry, same_id, with_timestamp=draft.has_given_timestamp
    ):
        same_id = None
    return known.by_record.get(entry.migration_record or "", same_id)


def _again(stored: Entry) -> Stored:
    return Stored(stored.id, stored.timestamp, duplicate_of=stored.id)


def _is_same(one: Entry, other: Entry, *, with_timestamp: bool) -> bool:
    if with_timestamp and one.timestamp != other.timestamp:
        return False
    fields = ("text", "type", "project_id", "session_id", "agent")
    if any(getattr(one, name) != getattr(other, name) for name in fields):
        return False
    if _value(one) != _value(other):
        return False
    return _canonical(one.metadata) == _canonical(other.metadata)


def _value(entry: Entry) -> bytes | None:
    """What equal sealed values have in common; each sealing of one differs."""
    return None if entry.sealed is None else value_digest(entry.sealed)


def _canonical(metadata: bytes) -> bytes:
    return canonical_json(msgspec.json.decode(metadata))
