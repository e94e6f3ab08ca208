"""Where a text says that a value is secret: a name before it, a URL, a header, an option. Pure."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from cco_knowledge.secret_values.values import (
    is_harmless,
    is_name,
    is_random,
    is_unusual,
    is_uuid,
    is_words,
    n_cases,
)

Place = tuple[str, int, int]

_LEAST_CHARACTERS = 4
_LEAST_PASSWORD_CHARACTERS = 7
_LEAST_KEY_CHARACTERS = 12
_MAX_TAIL_CHARACTERS = 200
_BEFORE_CHARACTERS = 14
_N_CASES_OF_WORDS = 2
_KINDS_OF_KEYS = (
    ("token", "token"),
    ("jeton", "token"),
    ("jwt", "token"),
    ("cookie", "session"),
    ("session", "session"),
    ("sid", "session"),
    ("sig", "signature"),
    ("secret", "secret"),
    ("seed", "secret"),
    ("auth", "authorization"),
)
KINDS = ("password", "authorization header", "key", *dict.fromkeys(dict(_KINDS_OF_KEYS).values()))
_PASSWORDS = (
    "password", "passwords", "passphrase", "passwd", "passcode", "passwort", "pass", "pwd", "pw",
    "pin", "identified by", "kennwort", "wachtwoord", "contraseña", "contrasena", "mot de passe",
    "senha", "parola", "hasło", "heslo", "lösenord", "пароль", "密码", "密碼", "パスワード",
    "비밀번호",
)  # fmt: skip
_KEYS = (
    "secret", "token", "credential", "credentials", "authtoken", "auth", "seed", "signature", "sig",
    "cookie", "session", "sessionid", "sid", "jwt", "key", "clave", "clé", "schlüssel", "chave",
    "ключ", "密钥", "密鑰", "jeton", "credencial",
)  # fmt: skip
_NAME = re.compile("|".join(sorted((*_PASSWORDS, *_KEYS), key=len, reverse=True)))
_ONLY_AS_WORDS = frozenset({"pass", "pw", "pin", "auth", "seed", "sig", "sid", "key", "clé"})
"""They are part of other words."""
_OF_ANYBODY = re.compile(
    r"(?:public|publishable|foreign|primary|partition|sort|cache|idempotency|host)[ _-]?$"
)
_REST_OF_NAME = re.compile(r"[\w-]{0,30}")
_OF_SESSIONS = frozenset({"session", "sessionid", "sid"})
_IN_COOKIES = re.compile(r"cookie|\s-b\s")
_COOKIE_CHARACTERS = 80
_NOT_THE_VALUE = re.compile(
    r"[_-]?(?:name|file|path|url|uri|length|len|min|max|type|field|hash|policy|reset|timeout|ttl"
    r"|expir\w*|count|budget|limit|hint|label|id|ids|arn|ref|version|format|prefix|suffix|size"
    r"|provider|manager|endpoint|algorithm|alg|cache|rotation|store|class|s?_per_\w+)s?(?:$|[_-])|.*"
    r"(?:length|hash|expire\w*|timeout|minutes|seconds|days|name|file|path|url)$"
)
_WHOSE = (
    r"(?:\s+(?:for|of|on|in|to|from|für|von|vom|zu|zum|der|de|del|du|do|da|para|pour|от)\b"
    r"[^\n:=.]{0,60}?)?"
)
_ASSIGNED = re.compile(
    r"(?:\\?[\"'`]|[\])])?\*{0,2}(?:(?::\s?|\s)[&\w]{1,12}(?=\s=\s))?\s{0,3}"
    r"(?:(?:===?|=>|:=|\?=|=|:)\*{0,2}\s{0,3}|>(?=\S))(?:[\w.]{1,20}\((?=[\"']))?(?:[bfru](?=[\"']))?"
)
_PAIRED = re.compile(
    r"[\"'`],\s{0,3}(?=[\"'`])"
    r"|\\?[\"'`]?\s{0,40},?\s{0,40}\\?[\"'`]?value\\?[\"'`]?\s?[:=]\s?"
)
_TOLD = re.compile(
    rf"{_WHOSE}(?:\s+(?:is|was|ist|lautet|es|est|é|to)\s+|\s?(?:は|是|[:：])\s{{0,2}})"
    r"(?:(?:now|still|jetzt|nun|ahora|maintenant|agora)\s+)?"
)
_BESIDE = re.compile(r"\s{1,3}")
_VALUE = re.compile(r"\\?([\"'`])((?:(?!\\?\1)[^\n]){4,300})\\?\1|([^\s\"'`,;<>(){}\\|]{4,300})")
_LEAST_SEED_CHARACTERS = 24
_BASE32 = re.compile(r"[A-Z2-7]+")
_IN_URL = re.compile(
    r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s/:@\"'`<>]{0,100}:"
    r"(?!\d{1,5}/)([^\s\"'`<>/]{1,300})@(?=[\w\[$])",
    re.IGNORECASE,
)
_IN_HEADER = re.compile(
    r"\b(?:bearer|basic|token|apikey|api-key)\s+([A-Za-z0-9._~+/=-]{8,2000})", re.IGNORECASE
)
_AS_OPTION = re.compile(
    r"\s(?:-u|--user|--auth|-a)[ =]\s?[\w.@-]{1,60}:(?P<user>[^\s:\"'`]{4,200})"
    r"|\s-p\s?(?P<p>[^\s\"'`]{8,200})|\bsshpass\s+-p\s?(?P<ssh>[^\s\"'`]{4,200})"
    r"|\b(?:redis-cli|ldapsearch|ldapmodify|mongo|mongosh)\b[^\n]{0,80}?\s-[aw]\s?(?P<tool>[^\s\"'`]{4,200})"
    r"|\bpass:(?P<openssl>[^\s\"'`]{4,200})|-totp\s+(?:-b\s+)?(?P<totp>[A-Z2-7]{16,64})"
)
_BEHIND_A_USER = re.compile(
    r"\b(?:root|admin|administrator|postgres|user(?:name)?|login|usuario|benutzer|account|credentials"
    r"|creds|credenciales|zugang)\b(?:[^\n]{0,40}?[ :]+[\w.@-]{2,40}\s+)??\s?(?:/|:"
    r"|,?\s+(?:and|und|y|et|con|mit|with))\s*(?:password\s+)?([^\s\"'`,;<>(){}]{6,200})",
    re.IGNORECASE,
)
_RC = re.compile(r":\d{2,5}:[\w*-]{1,60}:[\w-]{1,60}:([^\s:]{6,200})")


def found(text: str) -> Iterator[Place]:
    if "://" in text:
        for match in _IN_URL.finditer(text):
            if not is_harmless(match[1]):
                yield "password", match.start(1), match.end(1)
    for match in _IN_HEADER.finditer(text):
        value = match[1]
        if not is_harmless(value) and is_unusual(value) and any(map(str.isdigit, value)):
            yield "authorization header", match.start(1), match.end(1)
    yield from _behind_options(text)
    yield from _behind_users(text)
    yield from _behind_names(text)


def _behind_options(text: str) -> Iterator[Place]:
    if " -" not in text and "pass:" not in text:
        return
    for match in _AS_OPTION.finditer(text):
        name = match.lastgroup or ""
        value = match[name]
        if is_harmless(value) or (name == "p" and not _is_strong(value)):
            continue
        yield "password", match.start(name), match.end(name)


def _behind_users(text: str) -> Iterator[Place]:
    for pattern in (_BEHIND_A_USER, _RC):
        for match in pattern.finditer(text):
            value = match[1].rstrip(".!?*")
            if is_unusual(value) and is_random(value) and not is_harmless(value):
                yield "password", match.start(1), match.start(1) + len(value)


def _behind_names(text: str) -> Iterator[Place]:
    behind_last = 0
    for name in _names(text):
        if name.start() < behind_last:
            continue
        rest = _REST_OF_NAME.match(text, name.end())
        for place in _behind(text, name, rest.end() if rest else name.end()):
            behind_last = place[2]
            yield place


def _names(text: str) -> Iterator[re.Match[str]]:
    """Of what is secret itself, not of its file, its length or its public half."""
    lowered = _lowered(text)
    for name in _NAME.finditer(lowered):
        if name[0] in _ONLY_AS_WORDS and _is_within_a_word(text, name):
            continue
        if _OF_ANYBODY.search(lowered, max(0, name.start() - _BEFORE_CHARACTERS), name.start()):
            continue
        if name[0] in _OF_SESSIONS:  # its id is all that a browser needs, and elsewhere only a name
            if _IN_COOKIES.search(lowered, max(0, name.start() - _COOKIE_CHARACTERS), name.start()):
                yield name
            continue
        rest = _REST_OF_NAME.match(lowered, name.end())
        if rest is None or not _NOT_THE_VALUE.match(rest[0]):
            yield name


def _behind(text: str, name: re.Match[str], end: int) -> Iterator[Place]:
    """At most one: the first way of saying it that fits decides."""
    for how, is_secret in _WAYS:
        connector = how.match(text, end, end + _MAX_TAIL_CHARACTERS)
        value = connector and _VALUE.match(text, connector.end(), len(text))
        if connector is None or value is None:
            continue
        given = _Given(
            value[2] or _bare(value[3], connector[0]),
            connector[0],
            text[name.start() - 1 : end] if name.start() else text[:end],
            text[value.end() : value.end() + 1],
            is_quoted=value[2] is not None,
            is_password=name[0] in _PASSWORDS,
        )
        start = value.start(2) if given.is_quoted else value.start(3)
        if len(given.value) >= _LEAST_CHARACTERS and is_secret(given):
            yield _kind_of(name), start, start + len(given.value)
            return
        if how is _ASSIGNED:
            return


def _is_within_a_word(text: str, name: re.Match[str]) -> bool:
    """As `pin` in `spinning`; in `adminPin` and in `smtp_pass` it is a word of its own."""
    before, after = text[max(0, name.start() - 1) : name.start()], text[name.end() : name.end() + 1]
    begins = not before.isalpha() or (before.islower() and text[name.start()].isupper())
    # NOTE: "api key" and "apikey" alike; so is "requirepass".
    joined = name[0] in {"key", "pass"} and not after.isalpha()
    return not ((begins or joined) and not (after.isalpha() and after.islower()))


def named(name: str, value: str) -> str | None:
    """The kind of secret that a value is, as the whole of what stands under a name."""
    text = f'"{name}": "'
    for found_name in _names(text):
        end = len(name) + 1
        given = _Given(
            value, ": ", name, '"', is_quoted=True, is_password=found_name[0] in _PASSWORDS
        )
        if found_name.end() <= end and len(value) >= _LEAST_CHARACTERS and _is_assigned(given):
            return _kind_of(found_name)
    return None


class _Given(NamedTuple):
    value: str
    connector: str
    name: str
    """With the character before it."""
    follows: str
    is_quoted: bool
    is_password: bool


def _is_assigned(given: _Given) -> bool:
    value = given.value
    if is_harmless(value) or value.isdigit() or (given.is_quoted and " " in value.strip()):
        return False
    return _is_password(given) if given.is_password else _is_key(given)


def _is_key(given: _Given) -> bool:
    value = given.value
    name = given.name.lower()
    if "session" in name or "sid" in name:
        return len(value) >= _LEAST_SEED_CHARACTERS and is_random(value) and not is_uuid(value)
    if not is_unusual(value) or len(value) < _LEAST_KEY_CHARACTERS:
        return _is_seed(value) or _is_passphrase(given)
    if is_random(value) or (given.is_quoted and n_cases(value) > _N_CASES_OF_WORDS):
        return True
    return _is_seed(value) or _is_passphrase(given)


def _is_password(given: _Given) -> bool:
    value = given.value
    if given.is_quoted:
        return not is_name(value) or is_random(value)
    if given.follows in {"(", "["} or is_name(value):
        return False
    if is_unusual(value):
        return not is_words(value) or (len(value) >= _LEAST_PASSWORD_CHARACTERS and "-" in value)
    is_setting = given.name.isupper() or given.name[:1] in {"-", ";", "&", "?"}
    return is_setting and "=" in given.connector and len(value) > _LEAST_CHARACTERS


def _is_told(given: _Given) -> bool:
    value = given.value
    if is_harmless(value) or is_name(value) or " " in value or is_uuid(value):
        return False
    if not is_unusual(value):
        return _is_seed(value)
    if is_words(value):  # "read-only" says how it is; three words are a passphrase
        return given.is_password and value.count("-") + value.count("_") > 1
    if given.is_password:
        return any(map(str.isdigit, value)) or n_cases(value) > _N_CASES_OF_WORDS
    return _is_seed(value) or (len(value) >= _LEAST_KEY_CHARACTERS and is_random(value))


_WAYS: tuple[tuple[re.Pattern[str], Callable[[_Given], bool]], ...] = (
    (_PAIRED, _is_assigned),
    (_ASSIGNED, _is_assigned),
    (_TOLD, _is_told),
    (_BESIDE, _is_told),
)


def _is_seed(value: str) -> bool:
    """Base 32, as in one-time passwords."""
    return len(value) >= _LEAST_SEED_CHARACTERS and bool(_BASE32.fullmatch(value))


def _is_passphrase(given: _Given) -> bool:
    """Words that are joined, where "secret" itself is the whole name or its end."""
    is_whole = given.name.lower().endswith(("secret", "passphrase"))
    return given.is_quoted and is_whole and is_words(given.value) and given.value.count("-") > 1


def _bare(value: str, connector: str) -> str:
    """Without the end of the sentence, or the further fields of a query."""
    if connector == "=":
        value = value.partition("&")[0]
    return value.rstrip(".!?*:") or value


def _is_strong(value: str) -> bool:
    return is_unusual(value) and is_random(value) and not value.startswith((".", "/"))


def _kind_of(name: re.Match[str]) -> str:
    if name[0] in _PASSWORDS:
        return "password"
    return next((kind for word, kind in _KINDS_OF_KEYS if word in name[0]), "key")


def _lowered(text: str) -> str:
    """Of the same length, whatever the alphabet."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(one.lower() if len(one.lower()) == 1 else one for one in text)
