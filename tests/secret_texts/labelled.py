"""The labelled texts: those with a secret, and those without."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
_LEAST_HALVED_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Positive:
    kind: str
    half: str
    text: str
    secret: str

    def is_readable_in(self, text: str) -> bool:
        """The secret, or one half of it."""
        middle = len(self.secret) // 2
        halves = (self.secret[:middle], self.secret[middle:])
        return self.secret in text or (
            len(self.secret) >= _LEAST_HALVED_CHARACTERS and any(half in text for half in halves)
        )


def positives() -> list[Positive]:
    """Secrets stand in the file in parts, so that no scanner of a host takes it for a leak."""
    made = []
    for one in _read("positives.json"):
        secret = "".join(one["secret"])
        text = one["before"] + secret + one["after"]
        made.append(Positive(one["kind"], one["half"], text, secret))
    return made


def negatives() -> list[dict[str, str]]:
    """Each with `kind`, `half` and `text`."""
    texts: list[dict[str, str]] = _read("negatives.json")
    return texts


def _read(name: str) -> Any:
    return json.loads((_FOLDER / name).read_text("utf-8"))
