"""Tables as they were found damaged, each with a report of what was made of it.

Files are links, which take no room until the table has moved on.
"""

import os
from datetime import datetime
from pathlib import Path

import msgspec

from cco_knowledge.backups import files

UNFINISHED = ".unfinished-"
REPORT = "report.json"


class PutAside(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the table that is not in force any more."""

    version: int
    why: str
    """What kind of error reading it brought."""
    rows: int | None
    """That it says it has; None where not even that can be read."""
    missing_ids: tuple[str, ...] = ()
    """Of entries that the version in force has not, where their ids can be read; the first 1000."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    created: str
    """RFC 3339, UTC."""
    software: str
    """The version of the daemon that wrote it."""
    table_version: int
    """That is in force now."""
    rows: int
    put_aside: tuple[PutAside, ...]
    """Newest first."""

    @property
    def missing_ids(self) -> list[str]:
        return sorted({entry_id for each in self.put_aside for entry_id in each.missing_ids})


def put_in(quarantine: Path, data: Path, report: Report) -> Path:
    """The table as it is in `data`, and the report. On the disk when this returns."""
    quarantine.mkdir(mode=0o700, exist_ok=True)
    with files.unfinished_folder(quarantine, UNFINISHED) as unfinished:
        files.link_all(data, files.table_files(data), unfinished)
        descriptor = os.open(unfinished / REPORT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(report), indent=1))
            file.flush()
            os.fsync(descriptor)
        files.sync_folders(unfinished)
        place = unfinished.rename(_free(quarantine, datetime.fromisoformat(report.created)))
        files.sync_folder(quarantine)
    return place


def all_in(quarantine: Path) -> list[tuple[Path, Report | None]]:
    """Oldest first; None for a report that cannot be read."""
    if not quarantine.is_dir():
        return []
    places = sorted(path for path in quarantine.iterdir() if not path.name.startswith("."))
    return [(place, _report_of(place)) for place in places]


def _report_of(place: Path) -> Report | None:
    try:
        return msgspec.json.decode((place / REPORT).read_bytes(), type=Report)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _free(quarantine: Path, moment: datetime) -> Path:
    name = f"{moment:%Y%m%dT%H%M%SZ}"
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(quarantine / each for each in names if not (quarantine / each).exists())
