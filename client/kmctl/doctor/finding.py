"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kmctl.doctor.setup import Setup

State = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    what: str
    state: State = "ok"
    fix: str | None = None
    """A command line."""
    mend: Callable[[], str] | None = None
    """Does it, where that is safe, and says what it did. Raises OSError."""


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    looks_at: str
    why: str
    examine: Callable[[Setup], Finding]
    """May raise OSError: then nobody can tell."""


def warning(what: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
    return Finding(what, "warning", fix, mend)


def error(what: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
    return Finding(what, "error", fix, mend)
