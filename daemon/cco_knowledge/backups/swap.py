"""A restored table takes the place of the one that is there, by renames, in the data folder.

Whenever it is interrupted, `settle` at the next start leaves one of the two in place, whole:

    .restoring-x/table    table                      being made; the store is not touched
    .restored/table       table                      whole and checked; still the old store
    .restored/table                  before-x/table  the new one is to be moved in
                          table      before-x/table  done
"""

import contextlib
import shutil
from datetime import UTC, datetime
from pathlib import Path

from cco_knowledge.backups import files
from cco_knowledge.backups.manifest import TABLE_FOLDER

STAGING = ".restoring-"
KEPT = "before-restore-"
_DECIDED = ".restored"


def swap_in(data: Path, staged: Path) -> Path | None:
    """Where the table is now that was there, if one was. Call it with the home's lock held."""
    decided = data / _DECIDED
    staged.rename(decided)
    files.sync_folder(data)
    kept = None
    if (data / TABLE_FOLDER).exists():
        kept = _new_folder(data, f"{KEPT}{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        (data / TABLE_FOLDER).rename(kept / TABLE_FOLDER)
        files.sync_folder(kept)
        files.sync_folder(data)
    _move_in(data)
    return kept


def settle(data: Path) -> None:
    """End what an interrupted restore began. Call it with the home's lock held."""
    decided = data / _DECIDED
    if (decided / TABLE_FOLDER).exists() and not (data / TABLE_FOLDER).exists():
        _move_in(data)
    shutil.rmtree(decided, ignore_errors=True)
    files.sweep(data, STAGING)
    for kept in data.glob(f"{KEPT}*"):
        with contextlib.suppress(OSError):  # most are not empty
            kept.rmdir()


def _move_in(data: Path) -> None:
    decided = data / _DECIDED
    (decided / TABLE_FOLDER).rename(data / TABLE_FOLDER)
    files.sync_folder(data)
    decided.rmdir()


def _new_folder(parent: Path, name: str) -> Path:
    for number in range(1, 1000):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(name)
