"""Which sentences of a passage are worth keeping, and as what type. Pure.

A sentence is scored by a linear rule: cues of decisions, causes, settings and rules, and how
specific it is, against cues of chatter. The weights were fitted (logistic regression) on the
conversations in tests/conversations whose names begin with `dev-` and on single sentences about
other subjects, and rounded.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cco_knowledge.secret_values import MARKER
from cco_knowledge.sessions import cues
from cco_knowledge.sessions.chatter import CHATTER
from cco_knowledge.sessions.conversation import Passage
from cco_knowledge.terms import units

_MAX_CHARACTERS = 700
_LEAST_LEFT_CHARACTERS = 40
"""So much besides a removed secret makes a text useful."""

_BIAS = -5.8
_NEARLY = -2.0
"""What stands beside a sentence worth keeping belongs to it, unless it is less than this."""
_FULL_WORDS, _FULL_NAMES, _FULL_CLAUSES = 20, 4, 3
_SHORT_WORDS = 6
_LEAST_WORDS = 5
_WEIGHTS: Final[Mapping[str, float]] = {
    "words": 3.9,
    "names": 1.2,
    "clauses": 1.0,
    "capitals": 0.9,
    "short": -0.7,
    "plain": 3.3,
    "standing": 2.0,
    "decided": 1.6,
    "fixed": 1.4,
    "rules": 1.2,
    "structure": 1.2,
    "credential": 1.1,
    "norm": 1.1,
    "defect": 1.1,
    "cause": 1.1,
    "rule": 1.0,
    "setting": 0.9,
    "safe": 0.8,
    "label": 0.9,
    "introduced": 0.8,
    "changed": 0.8,
    "value": 0.7,
    "place": 0.7,
    "imperative": 0.7,
    "open": 0.6,
    "secret": 0.3,
    "reason": 0.3,
    "status": -0.4,
    "anecdote": -0.6,
    "colon": -1.5,
    "plan": -0.8,
    "social": -0.7,
    "general": -0.7,
    "anaphor": -0.7,
    "joke": -0.8,
    "speaker": -0.8,
    "maybe": -1.2,
    "hearsay": -1.4,
    "you": -1.5,
}

_TYPES: Final[Mapping[str, tuple[float, Mapping[str, float]]]] = {
    "decision": (
        2.0,
        {"decided": 2.2, "changed": 1.0, "reason": 0.5, "cause": -0.9, "defect": -0.4, "open": -0.7}
        | {"fixed": -0.5, "structure": -0.3, "value": -0.4, "norm": -0.3, "safe": -0.5},
    ),
    "architecture": (-0.9, {"structure": 1.7, "changed": 0.2, "fixed": -0.9, "cause": -0.8}),
    "implementation": (-0.2, {"fixed": 2.0, "speaker": 0.8, "decided": -0.6, "setting": -0.3}),
    "configuration": (-1.0, {"setting": 1.8, "value": 0.8, "changed": 0.6, "decided": -0.4}),
    "credential": (-0.4, {"credential": 2.0, "sealed": 2.2, "changed": -0.5, "decided": -0.3}),
    "issue": (
        0.9,
        {"cause": 1.6, "defect": 1.4, "open": 1.2, "reason": 0.4, "changed": -0.7, "decided": -0.6}
        | {"rule": -0.5, "norm": -0.7, "setting": -0.5, "fixed": -0.5, "structure": -0.5},
    ),
    "pattern": (
        0.1,
        {"rule": 1.3, "norm": 1.3, "changed": -0.6, "reason": -0.4, "setting": -1.0, "value": -0.4}
        | {"cause": -0.5, "credential": -0.6, "open": -0.3, "fixed": -0.5, "structure": -0.3},
    ),
}
"""A bias, and what each different cue adds."""
_LABEL_WEIGHT = 2.0
_MOST: Final = {"structure": 3, "rule": 3, "setting": 3, "defect": 2, "value": 2}
"""How many different cues of a kind count for a type; of the others one."""


@dataclass(frozen=True, slots=True)
class Kept:
    text: str
    type: str
    changes: bool
    """It says that something is no longer as it was."""
    recaps: bool
    """It sums up what was said before."""


def worth_keeping(passage: Passage) -> list[Kept]:
    """The sentences worth keeping, each with those that belong to it, in order."""
    if passage.is_item and cues.OPTIONS.search(passage.under):
        return []
    sentences = passage.sentences
    scores = [score(sentence, passage) for sentence in sentences]
    kept: list[Kept] = []
    taken = 0
    for at, reached in enumerate(scores):
        if reached < 0 or at < taken:
            continue
        begin = _begin(sentences, scores, at) if at > taken else at
        taken = _end(sentences, scores, at)
        text = " ".join(sentences[begin:taken])
        if _is_useful(text):
            kept.append(_kept(text, passage))
    return kept


def score(sentence: str, passage: Passage) -> float:
    """Above 0: worth keeping."""
    n_words = len(sentence.split())
    if n_words < _LEAST_WORDS or CHATTER["question"].search(sentence):
        return _BIAS
    n_names = sum(unit.is_name for unit in units(sentence))
    found: dict[str, float] = {
        name: cue.search(sentence) is not None for name, cue in cues.ALL.items()
    }
    found |= {
        "words": min(n_words / _FULL_WORDS, 1),
        "names": min(n_names / _FULL_NAMES, 1),
        "clauses": min(len(cues.CLAUSE.findall(sentence)) / _FULL_CLAUSES, 1),
        "capitals": min(len(cues.CAPITALS.findall(sentence)) / _FULL_CLAUSES, 1),
        "short": n_words < _SHORT_WORDS,
        "rules": found["rule"] and _n_cues("rule", sentence) > 1,
        "credential": found["secret"] and (found["safe"] or found["place"]),
        "introduced": cues.INTRODUCTION.search(passage.under) is not None,
    }
    return _BIAS + sum(weight * found[name] for name, weight in _WEIGHTS.items())


def type_of(text: str, under: str = "") -> str:
    found = {name: _n_cues(name, text) for name in cues.ALL}
    found["credential"] = int(found["secret"] > 0 and found["safe"] + found["place"] > 0)
    found["sealed"] = int(found["secret"] > 0 and found["safe"] > 0)
    totals = {
        kind: bias + sum(found[name] * weight for name, weight in weights.items())
        for kind, (bias, weights) in _TYPES.items()
    }
    for kind, label in cues.LABELS.items():
        totals[kind] += _LABEL_WEIGHT * bool(label.match(text) or label.match(f"{under}:"))
    return max(totals, key=lambda kind: totals[kind])


def _n_cues(name: str, text: str) -> int:
    different = {match.group().lower() for match in cues.ALL[name].finditer(text)}
    return min(len(different), _MOST.get(name, 1))


def _kept(text: str, passage: Passage) -> Kept:
    return Kept(
        text,
        type_of(text, passage.under),
        changes=changes(text),
        recaps=any(map(cues.RECAP.search, (passage.under, *passage.sentences))),
    )


def changes(text: str) -> bool:
    is_contrast = cues.CONTRAST.search(text) and not cues.KEPT["cause"].search(text)
    return bool(cues.CHANGE.search(text) or is_contrast)


def _begin(sentences: Sequence[str], scores: Sequence[float], at: int) -> int:
    """One earlier where a sentence needs the one before it, or that one nearly counts."""
    needs_previous = cues.ANAPHOR.match(sentences[at]) or cues.CURE.match(sentences[at])
    is_near = scores[at - 1] >= _NEARLY
    return at - 1 if (needs_previous or is_near) and _is_said(sentences[at - 1]) else at


def _end(sentences: Sequence[str], scores: Sequence[float], at: int) -> int:
    """Behind the last of the sentences that belong to this one."""
    end = at + 1
    n_characters = len(sentences[at])
    while end < len(sentences):
        n_characters += len(sentences[end]) + 1
        goes_on = cues.CONTINUES.match(sentences[end]) is not None
        belongs = goes_on if scores[end] >= 0 else goes_on or scores[end] >= _NEARLY
        if not belongs or not _is_said(sentences[end]) or n_characters > _MAX_CHARACTERS:
            break
        end += 1
    return end


def _is_said(sentence: str) -> bool:
    return not any(cues.ALL[name].search(sentence) for name in ("question", "plan", "social"))


def _is_useful(text: str) -> bool:
    if not MARKER.search(text):
        return True
    return len(re.sub(r"\W+", " ", MARKER.sub("", text))) >= _LEAST_LEFT_CHARACTERS
