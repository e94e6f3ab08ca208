"""What a text is found by, word for word: terms of prose, code, paths and any script. Pure.

The same function reads entries and queries, so the two meet whatever it does. Prose is folded
(case, accents) and stemmed; a compound such as `parseGeoJson`, `retry_after_ms`, `--no-verify`,
`src/auth/token.py` or `v1.2.3` gives itself and its parts; scripts without spaces give pairs of
neighbouring characters.
"""

import functools
import itertools
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import Stemmer

_TERM_MAX_CHARACTERS = 128
"""Longer ones are data, not words; parts of them count nevertheless."""

_WORD_MAX_CHARACTERS = 40
_KNOWN_WORDS = 4096

_CHUNK = re.compile(r"[^\s\"'`´‘’“”„«»()\[\]{}<>,;|…。，、；：？！（）「」『』【】《》]+")
_EDGE = ".:!?*~^=&%$@/\\-_"
_PATH = re.compile(r"[^:=&?@~^*!]+")
_PATH_PART = re.compile(r"[^/\\]+")
_WORD = re.compile(r"[^\W_]+")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    r"\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_RUN = re.compile(rf"{_UNSPACED.pattern}|(?:(?!{_UNSPACED.pattern}).)+", re.DOTALL)
_CASED = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ACCENTS = re.compile(r"(?<=[A-Za-z])[\u0300-\u036f]+")
_CYRILLIC = re.compile(r"[\u0400-\u04ff]+")
_NAME = re.compile(r"\d|[a-z][A-Z]|[A-Z]{2}[a-z]|\w[_/\\.@#:]\w")
_VERSION = re.compile(r"v\d+\.")

# The ordinary function words of English, and what questions are made of.
_STOP_WORDS = frozenset(
    (  # noqa: SIM905  # one word a line would fill two screens
        "a about above after again all also am an and any are aren as at be because been before "
        "being below between both but by can cannot could couldn d did didn do does doesn doing "
        "don down during each few for from further had hadn has hasn have haven having he her "
        "here hers him his how i if in into is isn it its itself just ll m me more most my no nor "
        "not now of off on once only or other our ours out over own re s same shall she should "
        "shouldn so some such t than that the their theirs them then there these they this those "
        "through to too under until up us ve very was wasn we were weren what when where which "
        "while who whom why will with won would wouldn you your yours "
    ).split()
)


class _Stemmers(threading.local):
    """One of each per thread: they are not thread-safe."""

    def __init__(self) -> None:
        self.english = Stemmer.Stemmer("english")
        self.russian = Stemmer.Stemmer("russian")


_stemmers = _Stemmers()


@dataclass(frozen=True, slots=True)
class Unit:
    """What stands between two spaces."""

    terms: tuple[str, ...]
    """The whole comes first, its parts behind it."""
    is_name: bool
    """As in code, or with a digit: it means one thing, however common its parts are."""


def terms(text: str) -> list[str]:
    """In the order of the text, repeated as often as it repeats them; none holds white space."""
    return [term for unit in units(text) for term in unit.terms]


def units(text: str) -> list[Unit]:
    """The same terms by where they stand; stop words and punctuation leave none."""
    found: list[Unit] = []
    for chunk in _CHUNK.findall(_folded(text)):
        is_word = len(chunk) <= _WORD_MAX_CHARACTERS
        found += _known_chunk_units(chunk) if is_word else _chunk_units(chunk)
    return found


def _folded(text: str) -> str:
    """Compatibility forms and accents of Latin letters resolved; case stays, it parts words."""
    if text.isascii():
        return text
    decomposed = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", decomposed)


def _chunk_units(chunk: str) -> list[Unit]:
    return [unit for run in _runs(chunk) for unit in _run_units(run)]


_known_chunk_units = functools.lru_cache(_KNOWN_WORDS)(_chunk_units)
"""Texts say the same words again and again: analysing a manual takes half the time."""


def _runs(chunk: str) -> Iterator[str]:
    """A chunk has no white space. It ends as well where a script without spaces begins."""
    if chunk.isascii():
        yield chunk
    else:
        yield from (run.group() for run in _RUN.finditer(chunk))


def _run_units(run: str) -> Iterator[Unit]:
    if _UNSPACED.match(run):
        pairs = [run] if len(run) == 1 else map("".join, itertools.pairwise(run))
        yield from (Unit((pair,), is_name=False) for pair in pairs)
        return
    whole = run.strip(_EDGE)
    found = tuple(term for term in _terms(whole) if len(term) <= _TERM_MAX_CHARACTERS)
    if found:
        yield Unit(found, is_name=_NAME.search(whole) is not None)


def _terms(run: str) -> Iterator[str]:
    """A word, or several held together by punctuation."""
    for path in _PATH.findall(run):
        names = _PATH_PART.findall(path)
        if len(names) > 1:
            yield path.strip(_EDGE).casefold()
        for name in names:
            yield from _name_terms(name.strip(_EDGE))


def _name_terms(name: str) -> Iterator[str]:
    parts = [part for word in _WORD.findall(name) for part in _parts(word)]
    if len(parts) == 1:
        yield from _word_terms(parts[0])
        if parts[0] != name:  # c++, c#
            yield name.casefold()
    elif parts:
        yield from _whole(name, parts)
        for part in parts:
            if len(part) > 1:
                yield from _word_terms(part)


def _whole(name: str, parts: Sequence[str]) -> Iterator[str]:
    """`geoJson`, `geo_json` and `geo-json` are one name; `1.2` and `12` are not one number."""
    folded = name.casefold()
    if _VERSION.match(folded):
        yield folded[1:]
    is_one = "." not in name and all(map(str.isalpha, parts))
    yield "".join(parts).casefold() if is_one else folded


def _parts(word: str) -> list[str]:
    """Where the case or the kind of character changes."""
    return _CASED.findall(word) if word.isascii() else [word]


def _word_terms(word: str) -> Iterator[str]:
    folded = word.casefold()
    if _CYRILLIC.fullmatch(folded):
        yield _stemmers.russian.stemWord(folded.replace("ё", "е"))
    elif folded not in _STOP_WORDS:
        yield _stemmers.english.stemWord(folded)
