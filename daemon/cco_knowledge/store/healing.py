"""A damaged table gets back to its newest version that is whole.

What lost power may have taken came after the last version that was forced to the disk, and nobody
was told that it is stored. So the newest version of which every row can be read is the one to go
on with. What was found is kept in the quarantine, with a report.
"""

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cco_knowledge import __version__
from cco_knowledge.backups import files, quarantine
from cco_knowledge.backups.manifest import TABLE_FOLDER
from cco_knowledge.backups.quarantine import PutAside, Report
from cco_knowledge.errors import StartRefused
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.manifest_files import newest_first
from cco_knowledge.store.row_checks import n_damaged
from cco_knowledge.store.scan import Scanned, Unreadable, count_and_ids, scan
from cco_knowledge.store.schema import ALL_COLUMNS
from cco_knowledge.timestamps import format_timestamp, utc_now

_MAX_IDS = 1000
_DAMAGED_ROWS = "damaged rows"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A version of which every row was read."""

    scanned: Scanned
    ids: frozenset[str]
    n_damaged: int
    """Rows that do not hold what was written."""


@dataclass(frozen=True, slots=True)
class _Newer:
    """A version that is not to be in force."""

    version: int
    why: str
    rows: int | None
    ids: frozenset[str]


async def heal(data: Path, disk: Disk, shelf: Path) -> None:
    """Read the table in full, from the disk; set it back where it is damaged.

    `shelf`: the folder of the quarantine. A crash in between leaves what the next start heals.

    Raises:
        Unreadable: no version of it can be read. Nothing was changed.
        StartRefused: the system does not let it be read.
    """
    if not disk.table.exists():
        return
    disk.forget()
    try:
        if (await _seen(data)).n_damaged == 0:
            return
    except Unreadable as damage:
        _log.error("the table cannot be read (%s); looking for its newest whole version", damage)
    in_force, newer = await _newest_whole(data, shelf)
    if newer:  # else rows are damaged in all versions: `kmctl verify` names them
        _set_back(data, disk, shelf, in_force, newer)


def _set_back(data: Path, disk: Disk, shelf: Path, in_force: _Seen, newer: list[_Newer]) -> None:
    version = in_force.scanned.table_version
    report = Report(
        created=format_timestamp(utc_now()),
        software=__version__,
        table_version=version,
        rows=in_force.scanned.rows,
        put_aside=tuple(_told(each, in_force) for each in newer),
    )
    place = quarantine.put_in(shelf, data, report)
    for number, manifest in newest_first(disk.table):
        if number > version:
            manifest.unlink()
    disk.sync()
    _log.error(
        "the table was damaged: %d versions are put aside, version %d with %d entries is in force, "
        "%d entries are known to be missing; what was found and a report: %s",
        len(newer),
        version,
        in_force.scanned.rows,
        len(report.missing_ids),
        place,
    )


async def _newest_whole(data: Path, shelf: Path) -> tuple[_Seen, list[_Newer]]:
    """And what is newer. It is tried out on links."""
    shelf.mkdir(mode=0o700, exist_ok=True)
    files.sweep(shelf, quarantine.UNFINISHED)
    with files.unfinished_folder(shelf, quarantine.UNFINISHED) as trial:
        files.link_all(data, files.table_files(data), trial)
        best: tuple[_Seen, list[_Newer]] | None = None
        newer: list[_Newer] = []
        why = Unreadable("it has no version")
        for version, manifest in newest_first(trial / TABLE_FOLDER):
            try:
                seen = await _seen(trial)
            except Unreadable as damage:
                if best is not None:
                    break
                why = damage
                n_rows, ids = await count_and_ids(trial)
                newer.append(_Newer(version, str(damage), n_rows, ids))
            else:
                # A lost write damages what it brought; what older versions have too, is older.
                if best is not None and seen.n_damaged >= best[0].n_damaged:
                    break
                best = seen, list(newer)
                if seen.n_damaged == 0:
                    break
                newer.append(_Newer(version, _DAMAGED_ROWS, seen.scanned.rows, seen.ids))
            manifest.unlink()
    if best is None:
        with contextlib.suppress(OSError):  # it holds other tables
            shelf.rmdir()
        raise why
    return best


async def _seen(folder: Path) -> _Seen:
    ids: set[str] = set()
    damaged = 0

    def look(batch: Any) -> None:
        nonlocal damaged
        ids.update(batch.column("id").to_pylist())
        if set(ALL_COLUMNS) <= set(batch.schema.names):  # else it is to be upgraded
            damaged += n_damaged(batch)

    try:
        return _Seen(await scan(folder, look), frozenset(ids), damaged)
    except Unreadable as error:
        if error.is_refused:
            raise StartRefused(
                f"The store cannot be read now ({error}): the system does not let it be read. "
                "Nothing was changed. See to the disk, the rights of the files and the limit of "
                "open files, then start again."
            ) from error
        raise


def _told(newer: _Newer, in_force: _Seen) -> PutAside:
    missing = sorted(newer.ids - in_force.ids)
    return PutAside(
        version=newer.version, why=newer.why, rows=newer.rows, missing_ids=tuple(missing[:_MAX_IDS])
    )
