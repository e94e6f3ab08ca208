"""What can be read of a table's folder beside its rows: versions and transactions."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kmctl.migration.transactions import (
    Change,
    Fragment,
    Malformed,
    Message,
    Version,
    footer_of,
    message_at,
)

_INVERTED_DIGITS = 20
_HIGHEST = 2**64 - 1
_PREFERENCE = {"reserve": 0, "append": 2, "overwrite": 3, "restore": 3, "merge": 3, "project": 3}


@dataclass(frozen=True, slots=True)
class Problem:
    where: str
    """A file's name within the table's folder, or "" for the whole table."""
    why: str
    """For people."""
    n_rows_lost: int | None
    """None: cannot be known."""


@dataclass(slots=True)
class History:
    """What can be read of a table's folder beside its rows."""

    folder: Path
    base: Version | None
    """The newest version with a readable manifest."""
    damaged: dict[int, bytes]
    """The manifests of newer versions, which cannot be read: their bytes."""
    changes: list[Change]
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "History":
        history = cls(folder, None, {}, [])
        history._read_manifests()
        history._read_changes()
        return history

    def _read_manifests(self) -> None:
        paths = manifest_paths(self.folder)
        latest = _parsed(self.folder / "_latest.manifest", None)
        for number in sorted(paths, reverse=True):
            if latest is not None and latest.number >= number:
                break
            self.base = _parsed(paths[number], number)
            if self.base is not None:
                return
            self.damaged[number] = _bytes_of(paths[number])
            why = "This manifest, which lists the data files of a version, cannot be read."
            self.problems.append(Problem(within(self.folder, paths[number]), why, 0))
        self.base = latest

    def _read_changes(self) -> None:
        found: dict[str, Change] = {}
        for path in files_in(self.folder / "_transactions", ".txn"):
            try:
                change = Change.parse(_bytes_of(path), path.name)
            except Malformed:
                why = "This record of a change cannot be read."
                self.problems.append(Problem(within(self.folder, path), why, None))
            else:
                found[change.uuid] = change
        for data in self.damaged.values():
            inline = _inline_change(data)
            if inline is not None:
                found.setdefault(inline.uuid, inline)
        self.changes = sorted(found.values(), key=_order)

    def committed_names(self) -> frozenset[str]:
        """Of the transactions that made a version with a readable manifest."""
        names = set()
        for path in manifest_paths(self.folder).values():
            try:
                data = _bytes_of(path)
                names.add(message_at(data, footer_of(data)[0]).text(12))
            except Malformed:
                continue
        return frozenset(names)

    def versions(self, numbers: Iterable[int]) -> dict[int, Version]:
        found = {number: manifest_of(self.folder, number) for number in set(numbers)}
        return {number: version for number, version in found.items() if version is not None}

    def named_files(self) -> set[str]:
        """Data files that some transaction or readable manifest speaks of."""
        fragments = [one for change in self.changes for one in change.new_fragments()]
        fragments += [one for change in self.changes for one in change.numbered_fragments()]
        if self.base is not None:
            for number in manifest_paths(self.folder):
                version = manifest_of(self.folder, number)
                fragments += version.fragments if version is not None else ()
            fragments += self.base.fragments
        return {path for fragment in fragments for path in fragment.paths}

    def older_deletion(self, fragment: Fragment) -> bytes | None:
        """The newest list of deleted rows of the same data that is there, but for its own."""
        versions = self.versions(manifest_paths(self.folder)).values()
        told = [one for version in versions for one in version.fragments]
        told += [one for change in self.changes for one in change.changed_fragments()]
        own = fragment.deletion_path
        same = [
            one
            for one in told
            if (one.id, one.paths) == (fragment.id, fragment.paths)
            and one.deletion_path not in (None, own)
            and _size(self.folder / str(one.deletion_path))
            and _n_deleted(one) < _n_deleted(fragment)
        ]
        return max(same, key=_n_deleted).deletion if same else None


def manifest_of(folder: Path, number: int) -> Version | None:
    """Of one version, if its manifest can be read."""
    path = manifest_paths(folder).get(number)
    return None if path is None else _parsed(path, number)


def is_newest(folder: Path, number: int) -> bool:
    """Whether that version is the newest, and its manifest one.

    Lance takes a manifest of zeros for a table without columns.
    """
    newest = max(manifest_paths(folder), default=None)
    return newest == number and manifest_of(folder, number) is not None


def _order(change: Change) -> tuple[int, int, str]:
    return change.read_version, _PREFERENCE.get(change.kind, 1), change.uuid


def manifest_paths(folder: Path) -> dict[int, Path]:
    """By version; one naming scheme counts down from the highest number."""
    paths = {}
    for path in files_in(folder / "_versions", ".manifest"):
        if path.stem.isascii() and path.stem.isdigit():
            number = int(path.stem)
            paths[_HIGHEST - number if len(path.stem) == _INVERTED_DIGITS else number] = path
    return paths


def _parsed(path: Path, number: int | None) -> Version | None:
    try:
        version = Version.parse(_bytes_of(path))
    except Malformed:
        return None
    return version if number in (None, version.number) else None


def _inline_change(manifest: bytes) -> Change | None:
    """Newer writers put the transaction at the start of the manifest, too."""
    try:
        return Change.of(message_at(manifest, 0))
    except Malformed:
        return None


def files_in(folder: Path, suffix: str) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.suffix == suffix), key=os.fsencode)


def _bytes_of(path: Path) -> bytes:
    """Nothing where nothing can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _n_deleted(fragment: Fragment) -> int:
    return Message(fragment.deletion or b"").number(4)


def within(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
