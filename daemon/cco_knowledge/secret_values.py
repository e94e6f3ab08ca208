"""Secrets in a text: found by Betterleaks' rules and by a few patterns of our own, and removed.

Betterleaks knows what the tokens of hundreds of services look like. It is made for code: what
people write in prose ("the password for staging is ...") and some newer tokens are ours to find.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

REMOVED = "[secret removed]"

_LEAST_CHARACTERS = 4
_LEAST_UNUSUAL_CHARACTERS = 6
_LEAST_LONG_CHARACTERS = 16
_N_CASES_OF_NAMES = 2

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:[^-]|-(?!----)){0,16000}+-----END [A-Z0-9 ]{0,40}KEY(?: BLOCK)?-----"
    r"|(?:[^-\n]|-(?!----)|\n(?!\s*\n)){0,16000}+)"  # cut off: up to the next empty line
)
_TOKEN = re.compile(
    r"\b(?:gh[opsur]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|sk-[\w-]{16,}"
    r"|[prs]k_(?:live|test)_\w{10,}|whsec_[\w+/=]{16,}|xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,}"
    r"|A[KS]IA[A-Z0-9]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|npm_\w{20,}|pypi-[\w-]{20,}"
    r"|hf_\w{20,}|hvs\.[\w-]{20,}|dop_v1_\w{20,}|shp(?:at|ss|ca)_\w{20,}|lin_api_\w{20,}"
    r"|SG\.[\w-]{10,}\.[\w-]{10,}|AGE-SECRET-KEY-1\w{20,}|dckr_pat_[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"
)
_IN_URL = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"'`<>]{0,100}:"
    r"(?!\d{1,5}/)([^\s\"'`<>]{1,200})@(?=[\w\[])",
    re.IGNORECASE,
)
_IN_HEADER = re.compile(
    r"\b(?:bearer|basic|token)\s+([A-Za-z0-9._~+/=-]{8,})"
    r"|\b(?:x-api-key|x-auth-token|cookie|set-cookie)\s*:\s*(?:\w+=)?([A-Za-z0-9._~+/=%-]{8,})",
    re.IGNORECASE,
)
_WORD = (
    r"(?:pass(?:word|phrase|wd|code|wort)|kennwort|contraseña|clave|mot de passe|senha|пароль|密码"
    r"|pwd|\bpw|\bpass|\bpin)"
)
_KEY = r"(?:secret|token|api[ _-]?key|access[ _-]?key|private[ _-]?key|credentials?|auth[ _-]?key)"
_QUOTED = r"(?:\"([^\"\n]{4,200})\"|'([^'\n]{4,200})'|`([^`\n]{4,200})`)"
_BARE = r"([^\s\"'`,;<>(){}]{4,300})"
_WHOSE = r"(?:\s+(?:for|of|on|in|to|für|von|vom|zu|zum|de|del|para|du|pour)\s+[^\n:=.]{1,60}?)?"
_ASSIGNED = re.compile(
    rf"(?<!\[)({_WORD}|{_KEY}(?:[ _-]?(?:key|id|value|prod|dev|test|staging))?)"
    r"(?:_\w{1,20})?[\"'`]?\*{0,2}"
    rf"(\s?(?:=>|:=|=|:)\*{{0,2}}\s{{0,3}}"
    rf"|{_WHOSE}\s+(?:is|was|to|=|:|ist|lautet|es|est)\s+(?:(?:now|still|jetzt|nun)\s+)?|\s+)"
    rf"(?:{_QUOTED}|{_BARE})",
    re.IGNORECASE,
)
_RANDOM = re.compile(
    r"(?<![\w/.:@-])(?:[0-9a-f]{32,}|(?=[a-zA-Z]*\d)(?=[a-z\d]*[A-Z])(?=[A-Z\d]*[a-z])"
    r"(?:[A-Za-z]*\d){3}[A-Za-z0-9]*)(?![\w/@-])"
)
_LEAST_RANDOM_CHARACTERS = 24
_IS_DIGEST = re.compile(
    r"(?:commit|sha\d*|digest|hash|checksum|md5|rev(?:ision)?|\bid|uuid|image|tree|trace)\W{0,3}"
    r"(?:\w+\W{1,2}){0,2}$",
    re.IGNORECASE,
)
_BEFORE_CHARACTERS = 40
_LOOSE = re.compile(
    rf"{_WORD}\b[^\n:=.?!]{{0,50}}?(?:\s(?:is|was|ist|lautet|es|est)|[:=])\s+"
    rf"(?:(?:now|still|jetzt|nun|ahora)\s+)?[\"'`]?{_BARE}"
    r"|(?:user(?:name)?|login|usuario|benutzer|credentials|credenciales|zugang)[ :]+\S{2,40}"
    rf"\s*(?:/|,|:|and|und|y|et|con|mit|with)\s+{_BARE}",
    re.IGNORECASE,
)
_STRANGE = re.compile(
    r"(?<![\w/.:@=-])(?=\S{0,60}[a-z])(?=\S{0,60}[A-Z])(?=\S{0,60}\d)(?=\S{0,60}\w[!&+$%^*#?~]{1,9}\w)"
    r"[A-Za-z0-9!&+$%^*#?~_-]{10,60}(?![\w/@(=])"
)
_AS_OPTION = re.compile(
    rf"--?(?:{_WORD}|{_KEY})[= ]\s?(?:{_QUOTED}|{_BARE})|\s-u\s+\w[\w.-]*:([^\s@]{{4,100}})"
    r"|\s-p\s?((?=\S{0,99}[a-z])(?=\S{0,99}\d)[^\s/:.,\"'`]{8,100})",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"[*x•.…_-]+|\W*(?:(?:your|my|the|some|new|old)[ _-].*|required|optional|string|str|none|null"
    r"|nil|true|false|bool|bytes|text|secretstr|redacted|removed|hidden|masked|empty|unset|missing"
    r"|change[_-]?me|example|placeholder|password|passwd|secret|token|todo|tbd|undefined)\W*",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"[$%<\[{/~@&!|]|\.{1,2}/|[a-z][\w+.-]*://|\w+(?:\.\w+)*[\[(]|(?:process|os|self|config|settings"
    r"|env|secrets|vault|op|aws|arn|kms|file)[.:]",
    re.IGNORECASE,
)
"""Where a secret stands, not the secret."""
_CASES = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"\d"), re.compile(r"[^\w\s./:-]"))
_CHANGES_CASE = re.compile(r"(?:[a-z]+[A-Z]+){4}")


class _Found(NamedTuple):
    place: str
    """The text around the value, as it stands; the value itself where it is unmistakable."""
    value: str


def removed(text: str) -> tuple[str, int]:
    """The text with `REMOVED` in the place of each secret, and how many different ones it held.

    A value that was recognised once is removed wherever it stands. Reads 2 MB in 1 to 3 s, so
    that long texts belong on a thread. The first call loads Betterleaks: 60 ms and 33 MB.
    """
    found = dict.fromkeys([*_by_library(text), *_by_patterns(text)])
    # NOTE: the longest first: a key block holds what looks like values of their own.
    for place, value in sorted(found, key=lambda one: len(one.place), reverse=True):
        text = text.replace(place, place.replace(value, REMOVED))
    return text, len({value for _, value in found})


def _by_library(text: str) -> Iterator[_Found]:
    import betterleaks

    for finding in betterleaks.scan_string(text.replace("\0", " ")):  # it would end there
        value = finding.match.value
        if len(value) >= _LEAST_CHARACTERS and not _is_harmless(value):
            yield _found(finding.match.full, value)


def _by_patterns(text: str) -> Iterator[_Found]:
    for pattern in (_PRIVATE_KEY, _TOKEN, _STRANGE):
        yield from (_Found(match.group(), match.group()) for match in pattern.finditer(text))
    for pattern in (_IN_URL, _AS_OPTION):
        for match in pattern.finditer(text):
            value = next(filter(None, match.groups()))
            if not _is_harmless(value):
                yield _found(match.group(), value)
    for match in _ASSIGNED.finditer(text):
        yield from _assigned(match)
    yield from (_Found(value, value) for value in _random_looking(text))


def _random_looking(text: str) -> Iterator[str]:
    """Values that no word is, behind a word that announces one, or by their look alone."""
    for match in _IN_HEADER.finditer(text):
        value = match[1] or match[2]
        if _n_cases(value) > 1 and not _is_harmless(value) and _has_digit_or(value, 20):
            yield value
    for match in _LOOSE.finditer(text):
        value = (match[1] or match[2]).rstrip(".!?*")
        if _is_unusual(value) and _is_random(value) and not _is_harmless(value):
            yield value
    for match in _RANDOM.finditer(text):
        before = text[max(0, match.start() - _BEFORE_CHARACTERS) : match.start()]
        is_long = len(match.group()) >= _LEAST_RANDOM_CHARACTERS
        if is_long and not _IS_DIGEST.search(before):
            yield match.group()


def _assigned(match: re.Match[str]) -> Iterator[_Found]:
    name, sign, *quoted, bare = match.groups()
    value = next(filter(None, quoted), None) or bare.rstrip(".!?*")
    if len(value) < _LEAST_CHARACTERS or _is_harmless(value):
        return
    is_marked = sign.strip(" *") in {"=", ":", "=>", ":="} or any(quoted)
    is_password = re.match(_WORD, name, re.IGNORECASE) is not None
    if value.isdigit() or (" " in value and not is_password):
        return
    if is_marked and is_password:
        is_secret = "=" in sign or any(quoted) or _n_cases(value) > 1
        is_secret = is_secret or len(value) > _LEAST_UNUSUAL_CHARACTERS
    elif "=" in sign or any(quoted):
        is_secret = _is_unusual(value) and _has_digit_or(value, 24)
    else:
        is_secret = _is_unusual(value) and _is_random(value)
    if is_secret:
        yield _found(match.group(), value)


def _found(place: str, value: str) -> _Found:
    """An ordinary word is removed only where it serves as a secret."""
    return _Found(value if _is_unusual(value) else place, value)


def _is_unusual(value: str) -> bool:
    return len(value) >= _LEAST_UNUSUAL_CHARACTERS and _n_cases(value) > 1


def _is_random(value: str) -> bool:
    is_long_with_digit = len(value) >= _LEAST_LONG_CHARACTERS and any(map(str.isdigit, value))
    return _n_cases(value) > _N_CASES_OF_NAMES or bool(
        is_long_with_digit or _CHANGES_CASE.search(value)
    )


def _is_harmless(value: str) -> bool:
    return bool(_PLACEHOLDER.fullmatch(value) or _REFERENCE.match(value))


def _n_cases(value: str) -> int:
    return sum(pattern.search(value) is not None for pattern in _CASES)


def _has_digit_or(value: str, n_characters: int) -> bool:
    return any(map(str.isdigit, value)) or len(value) >= n_characters


def found(text: str) -> list[str]:
    """The different secrets that `removed` takes out."""
    return list(dict.fromkeys(one.value for one in (*_by_library(text), *_by_patterns(text))))
