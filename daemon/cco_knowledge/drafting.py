"""What a caller gives, made ready to be stored: without secrets, then embedded."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cco_knowledge.credentials.entries import with_sealed_value
from cco_knowledge.credentials.vault import Vault
from cco_knowledge.embedding.interface import Embedder, Priority
from cco_knowledge.redaction import Fields, Redaction, Redactor
from cco_knowledge.store.interface import Draft, OnDuplicate
from cco_knowledge.timestamps import format_timestamp, utc_now
from cco_knowledge.types import EmbeddedEntry, Entry

_RANDOM_BYTES = 6
_SCANNED = ("text", "metadata", "project_id", "session_id", "agent", "id")
_PARTED = frozenset({"text", "type", "metadata"})
"""What a credential's value may come from."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What a caller gives to be stored."""

    text: str
    type: str
    project_id: str
    session_id: str
    agent: str
    metadata: bytes
    id: str | None
    timestamp: str | None
    supersedes: Sequence[str]
    on_duplicate: OnDuplicate
    has_chosen_id: bool = True
    """The id, if there is one, is the caller's own choice."""
    sealed: bytes | None = None
    """Of an export: the value that the text once held."""


@dataclass(frozen=True, slots=True)
class Drafting:
    """A value is sealed first, so that what is redacted then is not what its owner wants back."""

    embedder: Embedder
    vault: Vault
    redactor: Redactor
    clock: Clock = utc_now

    async def draft(self, new: NewEntry, priority: Priority) -> tuple[Draft, list[Redaction]]:
        """Raises InvalidInput, KeyUnusable, EmbeddingFailed and Overloaded."""
        now = self.clock()
        entry = Entry(
            id=new.id or new_id(new.type, now),
            text=new.text,
            type=new.type,
            project_id=new.project_id,
            session_id=new.session_id,
            agent=new.agent,
            timestamp=new.timestamp or format_timestamp(now),
            metadata=new.metadata,
            sealed=new.sealed,
        )
        if new.sealed is None:
            entry = await with_sealed_value(entry, self.vault)
        given = [name for name in _SCANNED if getattr(new, name) is not None]
        entry, redactions = await self._redacted(entry, given)
        passages = await self.embedder.embed_document(entry.text, priority)
        draft = Draft(
            EmbeddedEntry(entry, passages),
            new.on_duplicate,
            has_given_timestamp=new.timestamp is not None,
            supersedes=new.supersedes,
            has_chosen_id=new.id is not None and new.has_chosen_id,
        )
        return draft, redactions

    async def changed(self, entry: Entry, changes: Fields) -> tuple[Entry, list[Redaction]]:
        """Not embedded. Raises InvalidInput and KeyUnusable."""
        changed = replace(entry, **changes)  # type: ignore[arg-type]
        if _PARTED & changes.keys():
            changed = await with_sealed_value(changed, self.vault)
        return await self._redacted(changed, changes)

    async def _redacted(self, entry: Entry, fields: Iterable[str]) -> tuple[Entry, list[Redaction]]:
        values = {name: getattr(entry, name) for name in fields}
        clean, redactions = await self.redactor.clean(values, entry.type)
        return replace(entry, **clean), redactions


def new_id(entry_type: str, now: datetime) -> str:
    return f"{entry_type}-{int(now.timestamp() * 1000)}-{secrets.token_hex(_RANDOM_BYTES)}"
