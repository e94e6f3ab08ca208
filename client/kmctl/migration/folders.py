"""Where the old tables lie: pure paths, nothing is opened."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge_client import InvalidParams

_SUFFIX = ".lance"


@dataclass(frozen=True, slots=True)
class Found:
    path: Path
    """The `<table>.lance` folder."""


@dataclass(frozen=True, slots=True)
class NothingThere:
    path: Path
    why: str
    """For people."""


def find(source: Path) -> list[Found | NothingThere]:
    """All tables at or below `source`, sorted by path; one that links reach twice comes once.

    `source` is a table's own folder, or any folder above. Raises InvalidParams.
    """
    if not source.is_dir():
        why = "is not a folder" if source.exists() else "does not exist"
        raise InvalidParams(f"{source} {why}. Give a table's folder, or a folder above tables.")
    places = list(_below(source)) if source.suffix != _SUFFIX else [_table(source)]
    return sorted(places, key=lambda place: os.fsencode(place.path))


def _below(source: Path) -> Iterator[Found | NothingThere]:
    """Nearest first, so that of two ways to a table the shortest is the one that is given."""
    seen: set[tuple[int, int]] = {_identity(source)}
    waiting = [source]
    while waiting:
        folder = waiting.pop(0)
        children = _children(folder)
        if isinstance(children, NothingThere):
            yield children
            continue
        for child in children:
            if not _is_folder(child) or _identity(child) in seen:
                continue
            seen.add(_identity(child))
            if child.suffix == _SUFFIX:
                yield _table(child)
            else:
                waiting.append(child)


def _children(folder: Path) -> list[Path] | NothingThere:
    try:
        children = sorted(folder.iterdir(), key=os.fsencode)
    except OSError as error:
        return NothingThere(folder, f"a folder that cannot be read: {error.strerror}")
    return children or NothingThere(folder, "an empty folder")


def _table(folder: Path) -> Found | NothingThere:
    has_file = any(files for _, _, files in os.walk(folder))
    return Found(folder) if has_file else NothingThere(folder, "a table folder without any file")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # nobody may look
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
