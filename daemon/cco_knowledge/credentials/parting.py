"""The description of a credential and its value, parted. Pure.

A credential is a description with a secret in it, or beside it in `metadata.value`. Here the
detector is eager: a word too many in the value is found again by revealing it, one too few is in
the open.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from cco_knowledge import secret_values
from cco_knowledge.errors import InvalidInput

TYPE = "credential"
MARK = "[sealed]"
"""Stands in the place of a value."""
EXPLICIT = "value"
"""The key of the metadata that names the value."""

_LEAST_CHARACTERS = 4
_MOST_VALUES = 100
_LEAST_SHAPELESS_CHARACTERS = 8
_SHAPELESS_CASES = 3

_NAME = (
    r"(?:pass(?:word|phrase|wd|code|wort)|kennwort|schlüssel|contraseña|clave|mot de passe"
    r"|senha|chave|пароль|ключ|密码|密钥|パスワード|pwd|\bpw|\bpass|\bpin|\bpuk|secret|geheimnis|token"
    r"|credentials?|key)"
)
_SIGN = (
    r"(?:\s{0,3}(?::=|=>|[:=\uff1a])\s{0,3}"
    r"|\s{1,3}(?:is|was|ist|lautet|es|est|é|è)\s{1,3}(?:(?:now|jetzt)\s)?)"
)
_QUOTED = r"(?:\"([^\"\n]{1,200})\"|'([^'\n]{1,200})'|`([^`\n]{1,200})`)"
_BARE = rf"((?!\w{{0,20}}{_NAME}\w{{0,20}}\s{{0,3}}[:=\uff1a])[^\s\"'`,;<>(){{}}]{{3,300}})"
_WHOSE = r"(?:\s{1,3}[^\n:=.?!]{1,60}?)?"
_ANNOUNCED = re.compile(
    rf"{_NAME}(?:\w{{0,20}}|{_WHOSE}){_SIGN}\*{{0,2}}(?:{_QUOTED}|{_BARE})(?=(.?))", re.IGNORECASE
)
_BESIDE = re.compile(rf"{_NAME}s?\s{{1,3}}(?:{_QUOTED}|{_BARE})", re.IGNORECASE)
_PHRASE = re.compile(
    rf"pass(?:phrase|wortsatz){_WHOSE}\s{{0,3}}[:=]\s{{0,3}}([^\n\"'`]{{4,300}})", re.IGNORECASE
)
_TOKEN = re.compile(r"(?<![\w/.:@\[-])[^\s\"'`,;<>(){}\[\]/:\uff1a@=]{8,100}(?![\w/@(\]])")
_NAMED = re.compile(_NAME, re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_NAME_AND_NUMBER = re.compile(r"\d?[A-Za-z]+-?v?[\d.]{0,6}")
_DATE = re.compile(r"\d{1,4}[-.]\d{1,2}[-.]\d{1,4}.*")
_CLAUSE_ENDS = ".,;!?)\n"
_ENDS = " .,:?*"
"""What ends a value without being part of it; an exclamation mark often is."""
_STATE = re.compile(
    r"above|below|correct|current|different|disabled|empty|enabled|expired|fine|here|invalid|kept"
    r"|known|long|lost|missing|needed|new|old|required|revoked|rotated|safe|secret|set|shared|short"
    r"|stale|stored|there|unknown|unset|valid|wrong",
    re.IGNORECASE,
)
"""What is said of a secret and is none."""
_HARMLESS = re.compile(
    r"\[.*|[*x•.…_-]+|\$\{.*|\$[A-Za-z_]+|%\w+%|<.*>|\{.*|~?/[\w./-]+|[a-z][\w+.-]*://.*|(?:see|none|null|true|false|n/a|tbd|todo)\W*",
    re.IGNORECASE,
)
_CASES = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"\d"), re.compile(r"[^\w\s.-]"))


class Parted(NamedTuple):
    text: str
    metadata: dict[str, Any]
    value: str | None
    """The one secret; several are lines, in the order of their first marks. None: there is none."""


def parted(text: str, metadata: dict[str, Any]) -> Parted:
    """Takes as long as `secret_values.values_in`.

    Raises:
        InvalidInput: `metadata.value` is something else than a string, or there are too many.
    """
    given = metadata.get(EXPLICIT)
    if given is not None and not isinstance(given, str):
        raise InvalidInput("`metadata.value` of a credential is a string.", field="metadata")
    if given and given != MARK:
        return Parted(_marked(text, [given]), {**_each(metadata, [given]), EXPLICIT: MARK}, given)
    found = list(dict.fromkeys([*_in_text(text), *_in_metadata(metadata)]))
    if len(found) > _MOST_VALUES:
        raise InvalidInput(
            f"One credential holds at most {_MOST_VALUES} secrets. Split it into entries of their "
            "own, or name the value in `metadata.value`.",
            field="text",
        )
    found = _usable(found)
    if not found:
        return Parted(text, metadata, None)
    return Parted(_marked(text, found), _each(metadata, found), "\n".join(found))


def _in_text(text: str) -> Iterator[str]:
    """By their places."""
    found = [*secret_values.values_in(text), *_announced(text), *_shapeless(text)]
    found = list(dict.fromkeys(found))
    yield from found if len(found) > _MOST_VALUES else sorted(found, key=text.find)


def _announced(text: str) -> Iterator[str]:
    for match in _PHRASE.finditer(text):
        yield match[1].rstrip(_ENDS)
    for match in _ANNOUNCED.finditer(text):
        *quoted, bare, following = match.groups()
        value = next(filter(None, quoted), None)
        if value is None:
            value = bare.rstrip(_ENDS)
            is_last = following in {"", *_CLAUSE_ENDS} or value != bare
            if _WORD.fullmatch(value) and (not is_last or _STATE.fullmatch(value)):
                continue
        yield value
    for match in _BESIDE.finditer(text):
        *quoted, bare = match.groups()
        value = next(filter(None, quoted), None) or bare.rstrip(_ENDS)
        if any(quoted) or any(map(str.isdigit, value)) or _n_cases(value) >= _SHAPELESS_CASES:
            yield value


def _shapeless(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        value = match.group().rstrip(_ENDS)
        if len(value) < _LEAST_SHAPELESS_CHARACTERS or _n_cases(value) < _SHAPELESS_CASES:
            continue
        if not (_NAME_AND_NUMBER.fullmatch(value) or _DATE.fullmatch(value)):
            yield value


def _in_metadata(value: object, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _in_metadata(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _in_metadata(part, name)
    elif isinstance(value, str):
        yield from [value] if _NAMED.search(name) else _in_text(value)


def _usable(values: list[str]) -> list[str]:
    """Without what stands in another one."""
    kept = [v for v in values if not _HARMLESS.fullmatch(v) and MARK not in v]
    kept = [value for value in kept if len(value) >= _LEAST_CHARACTERS]
    return [v for v in kept if not any(v in other for other in kept if other != v)]


def _marked(text: str, values: list[str]) -> str:
    for value in values:
        edges = (r"(?<!\w)" if value[0].isalnum() else "", r"(?!\w)" if value[-1].isalnum() else "")
        text = re.sub(re.escape(value).join(edges), MARK, text)
    return text


def _each(metadata: dict[str, Any], values: list[str]) -> dict[str, Any]:
    def part(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: part(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [part(inner) for inner in value]
        return _marked(value, values) if isinstance(value, str) else value

    return {key: part(value) for key, value in metadata.items()}


def _n_cases(value: str) -> int:
    return sum(pattern.search(value) is not None for pattern in _CASES)
