"""What becomes of a text worth keeping, given what was said and stored before. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cco_knowledge.sessions import cues
from cco_knowledge.sessions.worth import Kept, changes
from cco_knowledge.terms import units

REPLACEABLE = frozenset({"decision", "architecture", "configuration", "implementation", "pattern"})
_SAYS_THE_SAME = 0.78
"""Cosine. Of the repetitions in tests/conversations most are above; another fact in the same words
is below, unless only a name or a number differs."""
_CHANGES_THE_SAME = 0.92
"""`We go back to Redis` is near to `We use Redis`, and says something new."""
_RECAPS_THE_SAME = 0.45
"""For a sentence that sums up, against what was said in the same conversation."""
_RECAPS_WHAT_IS_STORED = 0.6
_IS_ABOUT_THE_SAME = 0.55
_LEAST_COMMON_WORDS = 3
"""Cosine of a change and what it replaces, and the words that both hold. Two other entries of a
project reach 0.5 at times, and more with fewer words in common."""
_TAKES_BACK = 0.6
"""The same within one conversation, where much is said about one subject."""
_IS_NAMED = 0.38
"""The same where the change names what it does away with, and the earlier entry holds that."""
_SPACE = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Earlier:
    """Something that was kept before, here or in an earlier session."""

    id: str
    text: str
    type: str
    is_current: bool
    is_of_this_conversation: bool


def is_repeated(kept: Kept, earlier: Earlier, cosine: float) -> bool:
    if _plain(kept.text) == _plain(earlier.text):
        return True
    if kept.recaps:
        here = earlier.is_of_this_conversation
        return cosine >= (_RECAPS_THE_SAME if here else _RECAPS_WHAT_IS_STORED)
    enough = _CHANGES_THE_SAME if _turns(kept.text, earlier.text) else _SAYS_THE_SAME
    return cosine >= enough and _names(kept.text) <= _names(earlier.text)


def _turns(new: str, old: str) -> bool:
    """The new text tells of a change, or takes one back, and the old one does not."""
    is_change = changes(new) and not changes(old)
    return is_change or bool(cues.REVERSAL.search(new) and not cues.REVERSAL.search(old))


def replaced(kept: Kept, candidates: Sequence[tuple[Earlier, float]]) -> Earlier | None:
    """The earlier entry that this one changes, if it is plain which."""
    if not kept.changes or kept.type not in REPLACEABLE or kept.recaps:
        return None
    fitting = [
        (earlier, cosine)
        for earlier, cosine in candidates
        if earlier.is_current
        and earlier.type in REPLACEABLE
        and (not earlier.is_of_this_conversation or cues.REVERSAL.search(kept.text))
    ]
    if not fitting:
        return None
    earlier, cosine = max(fitting, key=lambda one: one[1])
    if earlier.is_of_this_conversation and cosine < _TAKES_BACK:
        return None
    return earlier if _is_about_the_same(kept.text, earlier.text, cosine) else None


def _is_about_the_same(new: str, old: str, cosine: float) -> bool:
    old_words = _words(old)
    n_common = len(_words(new) & old_words)
    if cosine >= _IS_ABOUT_THE_SAME and n_common >= _LEAST_COMMON_WORDS:
        return True
    outgoing = " ".join(map("".join, cues.OUTGOING.findall(new)))
    is_named = bool(_words(outgoing) & old_words)
    return cosine >= _IS_NAMED and is_named and n_common >= _LEAST_COMMON_WORDS


def _words(text: str) -> set[str]:
    return {term for unit in units(text) for term in unit.terms if len(term) > 1}


def _names(text: str) -> set[str]:
    return {unit.terms[0] for unit in units(text) if unit.is_name}


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text.casefold()).strip()
