"""Backups from outside of the daemon: found, read back, opened, copied."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cco_knowledge.backups import files
from cco_knowledge.backups.manifest import (
    TABLE_FOLDER,
    Manifest,
    read_manifest,
    write_manifest,
)
from cco_knowledge.backups.shelf import UNFINISHED
from cco_knowledge.errors import BackupUnusable
from cco_knowledge.paths import Home
from cco_knowledge_client import InvalidParams, KnowledgeError

Draw = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A folder that a store can come from."""

    path: Path
    manifest: Manifest | None
    """None of a copy that somebody made by hand: there are no sums to check it by."""
    is_own: bool
    """It lies in the home, so that its files may be shared with the store."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What opening and scanning a table gave."""

    rows: int
    schema_version: int
    known_schema_version: int
    """The newest that this version of the daemon knows."""
    model: dict[str, Any]


def find(name: str, home: Home) -> Source:
    """A backup by its name, or any folder by its path. Raises InvalidParams or BackupUnusable."""
    path = home.backups / name
    if not path.is_dir():
        path = Path(name).expanduser().absolute()
    if not (path / TABLE_FOLDER).is_dir():
        raise InvalidParams(
            f"{name} is neither the name of a backup nor a folder that holds {TABLE_FOLDER}. "
            "The names: kmctl backup --list"
        )
    is_own = path.resolve().is_relative_to(home.path.resolve())
    return Source(path, read_manifest(path), is_own)


def read_all(source: Source, draw: Draw) -> None:
    """Every file against its sum, where there are sums. Raises BackupUnusable."""
    if source.manifest is not None:
        follow(files.checked(source.path, source.manifest), draw, source.manifest.bytes)


def scan(source: Source, folder: Path | None = None) -> Contents:
    """Open the table in the source, or in a copy of it, and read every row.

    Raises BackupUnusable.
    """
    report = _report(folder or source.path)
    if "unreadable" in report:
        raise BackupUnusable(
            f"The table in {source.path} cannot be read ({report['unreadable']}). "
            "Take another one: kmctl backup --list"
        )
    report.pop("table_version")
    contents = Contents(**report)
    if source.manifest is not None and contents.rows != source.manifest.rows:
        raise BackupUnusable(
            f"The backup {source.path} holds {contents.rows} entries, and {source.manifest.rows} "
            "when it was made. Take another one: kmctl backup --list"
        )
    return contents


def take_over(source: Source, target: Path, draw: Draw) -> None:
    """The table into the folder `target`: linked within the home, else copied; then read back.

    Raises:
        BackupUnusable: a file does not hold what it did when the backup was made.
    """
    names = files.table_files(source.path)
    total_bytes = files.size_of(source.path, names)
    if source.is_own:
        files.link_all(source.path, names, target)
    else:
        follow(files.copy_all(source.path, names, target), draw, total_bytes)
    if source.manifest is not None:
        reading = files.checked(target, source.manifest)
    else:
        reading = files.read_back(target, names, [])
    try:
        follow(reading, draw, total_bytes)
    except BackupUnusable as error:
        raise BackupUnusable(error.message.replace(str(target), str(source.path))) from error
    files.sync_folders(target)


def copy_into(source: Source, folder: Path, draw: Draw) -> Path:
    """A copy of a backup below `folder`, read back and scanned. It has its name once it is whole.

    Raises BackupUnusable, or OSError, and leaves nothing then.
    """
    assert source.manifest is not None  # noqa: S101  # the daemon has just made it
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    final = folder / source.path.name
    if final.exists():
        raise InvalidParams(f"{final} exists already.")
    files.sweep(folder, UNFINISHED)
    with files.unfinished_folder(folder, UNFINISHED) as unfinished:
        take_over(replace(source, is_own=False), unfinished, draw)
        scan(source, unfinished)
        write_manifest(unfinished, source.manifest)
        files.sync_folders(unfinished)
        unfinished.rename(final)
        files.sync_folder(folder)
    return final


def follow(steps: Iterator[int], draw: Draw, total_bytes: int) -> None:
    done = 0
    for n_bytes in steps:
        done += n_bytes
        draw(done, total_bytes)


def _report(folder: Path) -> dict[str, Any]:
    """By a process of the daemon's: kmctl opens no table itself."""
    # -P: a random.py in the current folder is not the standard library's.
    command = [sys.executable, "-P", "-m", "cco_knowledge", "--scan", str(folder)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    try:
        report: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        how = f"exit {ended.returncode}"
        raise KnowledgeError(f"The table in {folder} could not be scanned: {how}.") from error
    return report
