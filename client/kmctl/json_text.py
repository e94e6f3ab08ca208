"""Changes to a JSON text that leave the rest of it as it is written. Pure.

The text must be valid JSON. A place in it is a path of keys and positions; of a key that is
written twice, the last one counts.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Path = Sequence[str | int]

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


def append(text: str, path: Path, value: Any, *, key: str | None = None) -> str:
    """With one more member, the last one, in the object or array at `path`."""
    start = _find(text, path)
    members, end = _members(text, start)
    indent = _indent(text)
    new = _written(value, key, indent)
    if indent is not None:
        newline = "\r\n" if "\r\n" in text else "\n"
        line = newline + indent * (len(path) + 1)
        new = line + new.replace("\n", line)
        closing = newline + indent * len(path)
    else:
        closing = ""
    if members:
        at = members[-1].end
        separator = "," if indent is not None else ", "
        return text[:at] + separator + new + text[at:]
    return text[: start + 1] + new + closing + text[end:]


def remove(text: str, path: Path) -> str:
    """Without the member at `path`, and without the comma that parted it from the next."""
    start = _find(text, path[:-1])
    members, _ = _members(text, start)
    at = _index(members, path[-1])
    if at + 1 < len(members):
        return text[: members[at].start] + text[members[at + 1].start :]
    before = members[at - 1].end if at else start + 1
    rest = text[members[at].end :] if at else text[members[at].end :].lstrip(" \t\r\n")
    return text[:before] + rest


def _written(value: Any, key: str | None, indent: str | None) -> str:
    name = "" if key is None else f"{json.dumps(key)}: "
    return name + json.dumps(value, indent=indent, ensure_ascii=False)


def _indent(text: str) -> str | None:
    """What one level is indented by; None: all is on one line."""
    if not _members(text, _find(text, ()))[0]:
        return "  "
    found = _FIRST_INDENT.match(text)
    return found[1] if found else None


def _find(text: str, path: Path) -> int:
    """Where the value at `path` begins. Raises LookupError."""
    start = _skip(text, 1 if text.startswith("\ufeff") else 0)
    for step in path:
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
