"""Taking out of a text what tells whose machine it comes from."""

import os
import platform
import pwd
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_OTHER_PATH = re.compile(r"(?<![\w>.])~?/[^\s'\"`,;:)]+")


@dataclass(frozen=True, slots=True)
class Privacy:
    replaced: tuple[tuple[re.Pattern[str], str], ...]
    """In this order: a path before the one above it."""

    def scrub(self, text: str) -> str:
        for pattern, name in self.replaced:
            text = pattern.sub(name, text)
        return _OTHER_PATH.sub("<path>", text)


def privacy_of(home: Path, others: Iterable[str] = ()) -> Privacy:
    """The home is `<home>`; no other path is kept, nor any of `others`, the user or the host."""
    texts = {
        **{text: "<path>" if text.startswith("/") else "<private>" for text in others},
        str(home): "<home>",
        str(Path.home()): "~",
        _user(): "<user>",
        platform.node(): "<host>",
    }
    longest_first = sorted(filter(None, texts), key=len, reverse=True)
    return Privacy(tuple((_whole(text), texts[text]) for text in longest_first))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a number
        return ""


def _whole(text: str) -> re.Pattern[str]:
    """Not as a part of a longer word; a path may stand right after one."""
    before = "" if text.startswith("/") else r"(?<!\w)"
    return re.compile(rf"{before}{re.escape(text)}(?!\w)")
