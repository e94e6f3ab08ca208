"""Making a backup: linked while the table stands still, then summed and scanned, at last named."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from cco_knowledge import __version__, faults
from cco_knowledge.backups import files, shelf
from cco_knowledge.backups.manifest import (
    FORMAT,
    FileFacts,
    Kind,
    Manifest,
    write_manifest,
)
from cco_knowledge.backups.shelf import UNFINISHED, Backup
from cco_knowledge.errors import BackupUnusable, StoreFailed
from cco_knowledge.jobs import Advance
from cco_knowledge.store.failures import translated
from cco_knowledge.store.scan import Scanned, Unreadable, scan
from cco_knowledge.timestamps import format_timestamp, utc_now

_T = TypeVar("_T")
StandStill = Callable[[Callable[[], Awaitable[int]]], Awaitable[int]]
"""Runs something while nothing changes the table, and returns what that does."""


async def back_up(
    data: Path,
    backups: Path,
    kind: Kind,
    count_rows: Callable[[], Awaitable[int]],
    *,
    stand_still: StandStill | None = None,
    advance: Advance = lambda _done, _total: None,
) -> Backup:
    """A backup of the table in the folder `data`, proved to hold as many rows as that had.

    It bears its name once it is whole and on the disk. Cancelling leaves nothing.

    Raises:
        StoreFailed, StorageFull: there is no backup.
    """
    with translated("backup"):
        backups.mkdir(mode=0o700, exist_ok=True)
        moment = utc_now()
        with files.unfinished_folder(backups, UNFINISHED) as unfinished:

            async def link() -> int:
                await _in_thread(_link, data, unfinished)
                return await count_rows()

            n_rows = await _uninterrupted(stand_still(link) if stand_still else link())
            await faults.on_a_thread("backup.linked")
            found = await _read_back(unfinished, advance)
            scanned = await _scanned(unfinished, n_rows)
            manifest = _manifest(moment, kind, scanned, found)
            return await _in_thread(_complete, unfinished, manifest)


async def rebuilt(backup: Backup, change: Callable[[Path], Awaitable[None]]) -> Backup:
    """The backup with its table as `change` leaves it, in its place; it is never gone meanwhile.

    Raises:
        StoreFailed, StorageFull: the backup is what it was.
    """
    with translated("backup"):
        folder = backup.path.parent
        with files.unfinished_folder(folder, UNFINISHED) as unfinished:
            await _in_thread(_link, backup.path, unfinished)
            await change(unfinished)
            found = await _read_back(unfinished, lambda _done, _total: None)
            old = backup.manifest
            scanned = await _scanned(unfinished, old.rows)
            made = datetime.fromisoformat(old.created)
            manifest = _manifest(made, old.kind, scanned, found)
            manifest = msgspec.structs.replace(manifest, software=old.software)
            new = await _in_thread(_complete, unfinished, manifest)
        await _in_thread(shelf.remove, backup)
        path = await _in_thread(new.path.rename, backup.path)
        await _in_thread(files.sync_folder, folder)
        return Backup(path, manifest)


def _link(data: Path, target: Path) -> None:
    try:
        names = files.table_files(data)
    except BackupUnusable as error:
        raise StoreFailed(
            "Something in the folder of the table is neither a file nor a folder, so it cannot be "
            "copied. Take it away, then try again."
        ) from error
    files.link_all(data, names, target)


async def _read_back(folder: Path, advance: Advance) -> list[FileFacts]:
    names = await _in_thread(files.files_below, folder)
    total_bytes = await _in_thread(files.size_of, folder, names)
    found: list[FileFacts] = []
    steps = files.read_back(folder, names, found)
    n_read = 0
    advance(0, total_bytes)
    while n_bytes := await _in_thread(_next, steps):
        n_read += n_bytes
        advance(n_read, total_bytes)
    return found


def _next(steps: Iterator[int]) -> int:
    """0 after the last one."""
    return next(steps, 0)


async def _scanned(folder: Path, n_rows: int) -> Scanned:
    try:
        scanned = await scan(folder)
    except Unreadable as error:
        raise StoreFailed(
            f"The backup could not be read back ({error}), so it was not kept. The daemon's log "
            "and the disk may tell more."
        ) from error
    if scanned.rows != n_rows:
        raise StoreFailed(
            f"The backup holds {scanned.rows} rows in place of {n_rows}, so it was not kept."
        )
    return scanned


def _manifest(moment: datetime, kind: Kind, scanned: Scanned, found: list[FileFacts]) -> Manifest:
    return Manifest(
        format=FORMAT,
        created=format_timestamp(moment),
        kind=kind,
        software=__version__,
        schema_version=scanned.schema_version,
        model=scanned.model,
        table_version=scanned.table_version,
        rows=scanned.rows,
        bytes=sum(file.bytes for file in found),
        files=tuple(found),
    )


def _complete(unfinished: Path, manifest: Manifest) -> Backup:
    backups = unfinished.parent
    write_manifest(unfinished, manifest)
    faults.at("backup.written")
    files.sync_folders(unfinished)
    name = shelf.free_name(backups, datetime.fromisoformat(manifest.created), manifest.kind)
    path = unfinished.rename(backups / name)
    files.sync_folder(backups)
    return Backup(path, manifest)


async def _uninterrupted(work: Awaitable[_T]) -> _T:
    """The result of work that goes on when its caller is cancelled; that waits for its end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def _in_thread(work: Callable[..., _T], *arguments: object) -> _T:
    return await _uninterrupted(asyncio.to_thread(work, *arguments))
