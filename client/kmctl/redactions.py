"""What a daemon did not store because it looked like a secret, in one line for people. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def redacted_in_words(redactions: Sequence[Mapping[str, Any]]) -> str:
    """The kinds and how many of each; no value, which the daemon does not tell either."""
    kinds: Counter[str] = Counter()
    for one in redactions:
        kinds[str(one["kind"])] += int(one["count"])
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return f"Replaced by markers, as it looked secret: {told}."
