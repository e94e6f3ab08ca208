"""What a value says of itself: whether it is a placeholder, a reference, or like noise. Pure."""

import re
from itertools import pairwise

_LEAST_UNUSUAL_CHARACTERS = 6
_LEAST_RANDOM_CHARACTERS = 16
_LEAST_DIFFERENT_CHARACTERS = 3
_N_CASES_OF_NAMES = 2
_CHANGES_A_CHARACTER = 0.38
"""Noise of letters and digits changes its case at 0.6 of its characters, names at 0.3."""
_PLACEHOLDER = re.compile(
    r"[*x•.…_#?0-]+|.*(?:xxxx|\*\*\*\*|\.\.\.).*"
    r"|\W*(?:(?:your|my|the|some|new|old|an?|this|insert|enter|replace)[ _-].*"
    r"|.*[_-](?:here|goes|example|placeholder|token|key|secret|password)"
    r"|required|optional|string|str|none|null|nil|true|false|bool|boolean|bytes|text|secretstr"
    r"|redacted|removed|hidden|masked|empty|unset|missing|invalid|wrong|expired|present|change"
    r"[_-]?(?:me|it|this)|example|placeholder|pass(?:word|wd|phrase)?|passwort|contraseña|secret"
    r"|token|todo|tbd|undefined|default|dummy|sample|value|username|user|key|api[_-]?key)\W*",
    re.IGNORECASE | re.DOTALL,
)
_REFERENCE = re.compile(
    r"[$%<\[{/~@&|(]|!\w|\.{1,2}/|\\[\"'$]|(?!otpauth)[a-z][\w+.-]*://|[a-z]:\\"
    r"|\w+(?:\.\w+)*[\[(]|(?:process|os|self|this|config|settings|env|secrets|vault|op|aws|arn"
    r"|kms|file|ref\+vault|var|local|data|module|params?|args|request|req|ctx|form|body|sys)\b[.:/]",
    re.IGNORECASE,
)
"""Where a secret stands, not the secret."""
_NAME = re.compile(r"[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)+[?!;,]?")
_WORDS_ONLY = re.compile(r"[^\W\d_]+(?:[-_][^\W\d_]+)*")
_CASES = (re.compile(r"[a-z]"), re.compile(r"[A-Z]"), re.compile(r"\d"), re.compile(r"[^\w\s./:-]"))
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f-]+|[0-9A-F-]+")
_MAX_JUDGED_CHARACTERS = 200


def is_harmless(value: str) -> bool:
    """It stands for a secret, or says where one is."""
    head = value[:_MAX_JUDGED_CHARACTERS]
    return bool(
        _PLACEHOLDER.fullmatch(head)
        or _REFERENCE.match(head)
        or len(set(head)) < _LEAST_DIFFERENT_CHARACTERS
    )


def is_name(value: str) -> bool:
    """Of something in a program, as `form.password.data`."""
    return bool(_NAME.fullmatch(value[:_MAX_JUDGED_CHARACTERS])) and not is_random(value)


def is_words(value: str) -> bool:
    """Only letters, perhaps several words joined."""
    return bool(_WORDS_ONLY.fullmatch(value[:_MAX_JUDGED_CHARACTERS]))


def is_hex(value: str) -> bool:
    return bool(_HEX.fullmatch(value))


def is_uuid(value: str) -> bool:
    return bool(_UUID.fullmatch(value))


def is_unusual(value: str) -> bool:
    """No word of a language is like it."""
    return len(value) >= _LEAST_UNUSUAL_CHARACTERS and n_cases(value) > 1


def is_random(value: str) -> bool:
    """As no name in a program is."""
    head = value[:_MAX_JUDGED_CHARACTERS]
    if n_cases(head) > _N_CASES_OF_NAMES:
        return len(head) < _LEAST_RANDOM_CHARACTERS or is_noise(head)
    return len(head) >= _LEAST_RANDOM_CHARACTERS and (
        is_noise(head) or (is_hex(head) and any(map(str.isdigit, head)))
    )


def is_noise(value: str) -> bool:
    """Case and digits change as often as they do by chance."""
    classes = [_class_of(character) for character in value]
    changes = sum(one != other for one, other in pairwise(classes))
    return any(map(str.isdigit, value)) and changes >= _CHANGES_A_CHARACTER * (len(value) - 1)


def n_cases(value: str) -> int:
    """Of small letters, capitals, digits and other marks."""
    return sum(pattern.search(value) is not None for pattern in _CASES)


def _class_of(character: str) -> int:
    if character.isdigit():
        return 0
    if not character.isalpha():
        return 3
    return 1 if character.islower() else 2
