"""The folder `backups` of a home: what is there, what it costs, what may go."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cco_knowledge.backups import files
from cco_knowledge.backups.manifest import TABLE_FOLDER, Kind, Manifest, read_manifest
from cco_knowledge.errors import BackupUnusable

UNFINISHED = ".unfinished-"


@dataclass(frozen=True, slots=True)
class Backup:
    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.path.name


def backups_in(folder: Path) -> list[Backup]:
    """The complete ones with a readable manifest, oldest first."""
    return sorted(_backups(folder), key=lambda backup: (backup.manifest.created, backup.name))


def _backups(folder: Path) -> Iterator[Backup]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.name.startswith(".") or not path.is_dir():
            continue
        try:
            manifest = read_manifest(path)
        except (BackupUnusable, OSError):
            continue
        if manifest is not None:
            yield Backup(path, manifest)


def free_name(folder: Path, moment: datetime, kind: Kind) -> str:
    """Sorted by name is sorted by time."""
    name = f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{kind}"
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(each for each in names if not (folder / each).exists())


def expired(backups: Sequence[Backup], keep: int) -> list[Backup]:
    """The scheduled ones beyond the newest `keep`; never one that somebody asked for."""
    scheduled = [backup for backup in backups if backup.manifest.kind == "scheduled"]
    return scheduled[: max(0, len(scheduled) - keep)]


def remove(backup: Backup) -> None:
    """At no moment does half of it look like a backup."""
    going = backup.path.rename(backup.path.with_name(f"{UNFINISHED}{backup.name}"))
    shutil.rmtree(going, ignore_errors=True)


def sweep(folder: Path) -> None:
    """What a process that was killed left unfinished."""
    files.sweep(folder, UNFINISHED)


def holds(backup: Backup, data: Path) -> bool:
    """Whether the table in the folder `data` has not changed since.

    Every commit leaves a file whose name nothing else has.
    """
    known = {file.path for file in backup.manifest.files}
    try:
        return known.issuperset(files.table_files(data))
    except FileNotFoundError:  # compaction, which is a change
        return False


def pinned_bytes(folder: Path, data: Path) -> int:
    """What deleting all backups would give back: files that the table no longer has."""
    live = {(facts.st_dev, facts.st_ino) for facts in _facts(data / TABLE_FOLDER)}
    kept = {(facts.st_dev, facts.st_ino): facts.st_size for facts in _facts(folder)}
    return sum(size for inode, size in kept.items() if inode not in live)


def _facts(folder: Path) -> Iterator[os.stat_result]:
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                yield Path(parent, name).lstat()
            except FileNotFoundError:  # compaction, or the end of a backup
                continue
