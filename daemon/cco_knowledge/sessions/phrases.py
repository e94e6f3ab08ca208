"""Phrases as regular expressions.

A list of them is written as words and phrases parted by ` ; ` and lines. Each is a regular
expression; `~` stands for up to three words, `&` for `we` and `let's`, `@` for a colon and what
precedes it.
"""

import re

_UP_TO_3_WORDS = r"(?:[\w'-]+ ){0,3}?"
_WE = r"(?:we|let's|let us|we'll|we will|we're going to|(?:i|we) want to|i'll) "
_COLON = r"[^:]{0,40}:"


def pattern(words: str, before: str = r"(?<![\w-])") -> re.Pattern[str]:
    parts = [part.strip() for line in words.splitlines() for part in line.split(" ; ")]
    choice = "|".join(
        part.replace("&", _WE).replace("~", _UP_TO_3_WORDS).replace("@", _COLON)
        for part in parts
        if part
    )
    return re.compile(rf"{before}(?:{choice})(?![\w-])", re.IGNORECASE)


_SMALL_WORDS = (
    r"(?:(?:ok(?:ay)?|so|well|and|then|right|alright|hmm?|yeah|yes|no|also|but|now|great|sure"
    r"|clear|good"
    r"|sounds good|done|fine|noted|all right|got it|perfect|thanks|gut|dann|und|ja|nein|also|klar"
    r"|verstanden|gern|bueno|vale|entonces|pues|sí|y|perfecto|bien|alors|donc|oui|et|d'accord)"
    r"[,.:!]?\s+){0,3}"
)


def first(words: str) -> re.Pattern[str]:
    """At the beginning, whatever small words precede."""
    return pattern(words, rf"\A\W*{_SMALL_WORDS}")


def label(words: str) -> re.Pattern[str]:
    return re.compile(rf"\W*(?:\w+ ){{0,3}}(?:{words})\b[^:]{{0,40}}:", re.IGNORECASE)
