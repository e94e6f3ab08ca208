"""Secrets in a text: found by the look of the value and by the words around it. Pure.

`tokens.py` knows the shapes that services give their tokens, `places.py` where a text says that
a value is secret, `values.py` what no secret looks like. docs/secrets.md has the figures.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from cco_knowledge.secret_values import places, tokens, values

MARKER = re.compile(r"\[redacted: [a-z ]{1,40}\]")
_FOR_ANYBODY = re.compile(
    MARKER.pattern + r"|-----BEGIN (?![A-Z0-9 ]{0,40}PRIVATE)[^-\n]{1,60}-----[^-]{0,20000}"
    r"|base64,[A-Za-z0-9+/=]*|\b(?:ssh|ecdsa|sk-ssh)-[\w@.-]{3,40}\s+AAAA[\w+/=]*"
    r"|\bsha(?:256|384|512)[-:][\w+/=]*|\bh1:[\w+/=]*"
)
"""Long values that are no secret, and the markers of those that were."""
_SIGNS_OF_THAT = (
    "[redacted: ",
    "-----BEGIN ",
    "base64,",
    " AAAA",
    "sha256",
    "sha384",
    "sha512",
    "h1:",
)
KINDS = (*tokens.KINDS, *places.KINDS)
_MAX_REPEATED = 100
"""So many values are looked for in the rest of the text, which keeps the time linear."""


class Secret(NamedTuple):
    kind: str
    start: int
    """Of the value, in characters; `end` is behind it."""
    end: int


def found(text: str) -> list[Secret]:
    """In the order of the text, none within another.

    A value that no word is counts wherever it stands, once it was recognised anywhere. Takes
    0.2 ms for 40 words and 0.2 s for 256 KiB, so long texts belong on a thread.
    """
    clear = text
    if any(sign in text for sign in _SIGNS_OF_THAT):
        clear = _FOR_ANYBODY.sub(lambda plain: " " * len(plain[0]), text)
    secrets = [Secret(*one) for one in (*tokens.found(clear), *places.found(clear))]
    return _apart([*secrets, *_repeated(clear, secrets)])


def values_in(text: str, *, is_name: bool = False) -> list[str]:
    """The different secrets, as they stand. `is_name`: as of `redacted`."""
    secrets = _of_name(text) if is_name else found(text)
    return list(dict.fromkeys(text[one.start : one.end] for one in secrets))


def redacted(text: str, *, is_name: bool = False) -> tuple[str, Counter[str]]:
    """The text with a marker in the place of each secret, and how many of each kind went.

    A marker, such as `[redacted: github token]`, is no secret itself. `is_name`: the text names
    something, and names may look random.
    """
    secrets = _of_name(text) if is_name else found(text)
    parts: list[str] = []
    end = 0
    for secret in secrets:
        parts += [text[end : secret.start], marker(secret.kind)]
        end = secret.end
    return "".join([*parts, text[end:]]), Counter(secret.kind for secret in secrets)


def _of_name(text: str) -> list[Secret]:
    return [one for one in found(text) if one.kind != tokens.NOISE]


def marker(kind: str) -> str:
    return f"[redacted: {kind}]"


def kind_under(name: str, value: str) -> str | None:
    """The kind of secret that a value is as a whole: by its look, or by the name of its field."""
    for secret in found(value):
        if (secret.start, secret.end) == (0, len(value)):
            return secret.kind
    return places.named(name, value)


def _repeated(text: str, secrets: Iterable[Secret]) -> Iterable[Secret]:
    kinds = {text[start:end]: kind for kind, start, end in secrets}
    unmistakable = [value for value in kinds if values.is_unusual(value)]
    for value in unmistakable[:_MAX_REPEATED]:
        at = text.find(value)
        while at >= 0:
            yield Secret(kinds[value], at, at + len(value))
            at = text.find(value, at + len(value))


def _apart(secrets: Iterable[Secret]) -> list[Secret]:
    """The longer one of two that overlap, as far as it goes."""
    apart: list[Secret] = []
    for secret in sorted(secrets, key=lambda one: (one.start, -one.end, one.kind == tokens.NOISE)):
        if not apart or secret.start >= apart[-1].end:
            apart.append(secret)
        elif secret.end > apart[-1].end:
            apart[-1] = apart[-1]._replace(end=secret.end)
    return apart
