"""Changes to a JSON text that leave the rest of it as it is written. Pure.

The text must be valid JSON. A place in it is given by keys and positions from the outside in; of a
key that is written twice, the last one counts.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Place = Sequence[str | int]

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\n\r]*")
_FIRST_INDENT = re.compile(r"\ufeff?\s*\{[ \t]*\r?\n([ \t]+)\"")


@dataclass(frozen=True, slots=True)
class _Member:
    """Of an object or an array: where its key, its value and both end."""

    key: str | None
    start: int
    value_start: int
    end: int


def append(text: str, place: Place, value: Any, *, key: str | None = None) -> str:
    """With one more member, the last one, in the object or array at `place`."""
    start = _find(text, place)
    members, end = _members(text, start)
    line = _new_line(text, len(place) + 1)
    new = line + _written(value, key, _indent(text)).replace("\n", line)
    if members:
        return text[: members[-1].end] + "," + new + text[members[-1].end :]
    return text[: start + 1] + new + _new_line(text, len(place)) + text[end:]


def remove(text: str, place: Place) -> str:
    """Without the member at `place`, and without a comma too many."""
    start = _find(text, place[:-1])
    members, end = _members(text, start)
    at = _index(members, place[-1])
    if at + 1 < len(members):
        return text[: members[at].start] + text[members[at + 1].start :]
    if at:
        return text[: members[at - 1].end] + text[members[at].end :]
    return text[: start + 1] + text[end:]


def _written(value: Any, key: str | None, indent: str | None) -> str:
    name = "" if key is None else f"{json.dumps(key)}: "
    return name + json.dumps(value, indent=indent, ensure_ascii=False)


def _new_line(text: str, depth: int) -> str:
    """As the text has them: nothing, if it is all on one line."""
    indent = _indent(text)
    if indent is None:
        return ""
    return ("\r\n" if "\r\n" in text else "\n") + indent * depth


def _indent(text: str) -> str | None:
    """What one level is indented by; None: all is on one line."""
    if not _members(text, _find(text, ()))[0]:
        return "  "
    found = _FIRST_INDENT.match(text)
    return found[1] if found else None


def _find(text: str, place: Place) -> int:
    """Where the value at `place` begins. Raises LookupError."""
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    for step in place:
        members, _ = _members(text, start)
        start = members[_index(members, step)].value_start
    return start


def _index(members: Sequence[_Member], step: str | int) -> int:
    if isinstance(step, int):
        return step
    return max(at for at, member in enumerate(members) if member.key == step)


def _members(text: str, start: int) -> tuple[list[_Member], int]:
    """What is in the object or array that begins here, and where it ends with its bracket."""
    members: list[_Member] = []
    at = _skip(text, start + 1)
    while text[at] not in "]}":
        members.append(_member(text, at, is_named=text[start] == "{"))
        at = _skip(text, members[-1].end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return members, at


def _member(text: str, start: int, *, is_named: bool) -> _Member:
    if not is_named:
        return _Member(None, start, start, _DECODER.raw_decode(text, start)[1])
    key, key_end = _DECODER.raw_decode(text, start)
    value_start = _skip(text, _skip(text, key_end) + 1)
    return _Member(key, start, value_start, _DECODER.raw_decode(text, value_start)[1])


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
