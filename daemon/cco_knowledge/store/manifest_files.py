"""The files that say what each version of a table is."""

from pathlib import Path

LAST_VERSION = 2**64 - 1
"""Manifests are named after what is left to it, so that the newest comes first."""
_DIGITS = 20


def newest_first(table: Path) -> list[tuple[int, Path]]:
    """With the numbers of their versions."""
    found = [(_version_of(path), path) for path in (table / "_versions").glob("*.manifest")]
    numbered = [(version, path) for version, path in found if version is not None]
    return sorted(numbered, reverse=True)


def _version_of(path: Path) -> int | None:
    if not path.stem.isdecimal():
        return None
    number = int(path.stem)
    return LAST_VERSION - number if len(path.stem) == _DIGITS else number
