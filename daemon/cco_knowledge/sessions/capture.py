"""Before a conversation is compacted: store what is worth keeping of it, once."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cco_knowledge.drafting import NewEntry, new_id
from cco_knowledge.secret_values import redacted
from cco_knowledge.service import KnowledgeService, StoreOutcome
from cco_knowledge.sessions.changes import Earlier, is_repeated, replaced
from cco_knowledge.sessions.conversation import passages
from cco_knowledge.sessions.worth import Kept, worth_keeping
from cco_knowledge.store.interface import Stored
from cco_knowledge.timestamps import format_timestamp, utc_now
from cco_knowledge.types import Entry, Filters, Vector
from cco_knowledge.vectors import cosine

_STORED_AT_ONCE = 32
_COMPARED_WITH = 8
_METADATA = b'{"source":"pre_compaction"}'
_TICK = timedelta(milliseconds=1)

Near = Sequence[tuple[Entry, float]]


async def capture(
    service: KnowledgeService, conversation: str, project_id: str, session_id: str
) -> list[str]:
    """The ids of the new entries, in the order of the conversation.

    What is stored already, in the same or in nearly the same words, is not stored again, so that
    the same conversation may be sent as often as it grows.
    """
    kept, replaced = await asyncio.to_thread(kept_of, conversation)
    service.drafting.redactor.replaced += replaced
    session = _Session(service, project_id, session_id)
    ids: list[str] = []
    for begin in range(0, len(kept), _STORED_AT_ONCE):
        ids += await session.store(kept[begin : begin + _STORED_AT_ONCE])
    return ids


def kept_of(conversation: str) -> tuple[list[Kept], Counter[str]]:
    """Secrets go first, whatever the policy is: nothing behind this point has ever seen one.

    And how many of each kind went.
    """
    text, replaced = redacted(conversation)
    kept = (one for passage in passages(text) for one in worth_keeping(passage))
    return list({one.text: one for one in kept}.values()), replaced


@dataclass(slots=True)
class _Session:
    service: KnowledgeService
    project_id: str
    session_id: str
    said: list[tuple[Earlier, Vector]] = field(default_factory=list)
    """What this conversation said, stored now or before; without what only sums it up."""
    replaced: set[str] = field(default_factory=set)
    moment: datetime = field(default_factory=utc_now)

    async def store(self, some: Sequence[Kept]) -> list[str]:
        filters = Filters(project_ids=(self.project_id,), include_superseded=True)
        texts = [kept.text for kept in some]
        found = await self.service.neighbours(texts, filters, _COMPARED_WITH)
        n_stored = len(self.said)
        new: list[NewEntry] = []
        for kept, (direction, near) in zip(some, found, strict=True):
            # What the store has found lacks only what is new among these few.
            here = self.said if kept.recaps else self.said[n_stored:]
            earlier = [(one, cosine(direction, vector)) for one, vector in here]
            entry = self._new_entry(kept, [*earlier, *self._stored(near)], direction)
            new += [entry] if entry else []
        outcomes = await self.service.store_batch(new) if new else []
        return [one.id for one in map(_stored, outcomes) if one.duplicate_of is None]

    def _new_entry(
        self, kept: Kept, earlier: Sequence[tuple[Earlier, float]], direction: Vector
    ) -> NewEntry | None:
        same = next((one for one, score in earlier if is_repeated(kept, one, score)), None)
        if same is not None:
            self._remember(kept, same.id, direction, is_current=same.is_current)
            return None
        old = replaced(kept, [one for one in earlier if one[0].id not in self.replaced])
        self.replaced |= {old.id} if old else set()
        self.moment = max(utc_now(), self.moment + _TICK)
        entry_id = new_id(kept.type, self.moment)
        self._remember(kept, entry_id, direction, is_current=True)
        return NewEntry(
            text=kept.text,
            type=kept.type,
            project_id=self.project_id,
            session_id=self.session_id,
            agent="unknown",
            metadata=_METADATA,
            id=entry_id,
            has_chosen_id=False,
            timestamp=format_timestamp(self.moment),
            supersedes=[old.id] if old else [],
            on_duplicate="return",
        )

    def _remember(self, kept: Kept, entry_id: str, direction: Vector, *, is_current: bool) -> None:
        if not kept.recaps:
            said = Earlier(entry_id, kept.text, kept.type, is_current, is_of_this_conversation=True)
            self.said.append((said, direction))

    def _stored(self, near: Near) -> list[tuple[Earlier, float]]:
        here = {earlier.id for earlier, _ in self.said}
        return [
            (
                Earlier(
                    entry.id,
                    entry.text,
                    entry.type,
                    is_current=entry.superseded_by is None,
                    is_of_this_conversation=entry.id in here,
                ),
                score,
            )
            for entry, score in near
        ]


def _stored(outcome: StoreOutcome | Exception) -> Stored:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome.stored
