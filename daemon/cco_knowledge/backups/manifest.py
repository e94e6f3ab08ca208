"""What a backup says of itself. Its manifest is written last, so a folder that has one is whole."""

import os
from pathlib import Path
from typing import Literal

import msgspec

from cco_knowledge.errors import BackupUnusable
from cco_knowledge.types import ModelIdentity

NAME = "backup.json"
FORMAT = 1
TABLE_FOLDER = "knowledge.lance"
"""Of the table, in the data folder and in each backup: LanceDB can open either of them."""

Kind = Literal["manual", "scheduled", "upgrade"]


class FileFacts(msgspec.Struct, frozen=True):
    path: str
    """Below the backup, with `/`."""
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    created: str
    """RFC 3339, UTC."""
    kind: Kind
    software: str
    """The version of the daemon that made it."""
    schema_version: int
    model: ModelIdentity
    table_version: int
    """LanceDB's number of the last commit in it."""
    rows: int
    bytes: int
    files: tuple[FileFacts, ...]


class _Format(msgspec.Struct):
    format: int


def read_manifest(folder: Path) -> Manifest | None:
    """None where the folder has none, as a copy that somebody made by hand.

    Raises:
        BackupUnusable: it is damaged, or of a newer version.
        OSError: it cannot be read.
    """
    try:
        encoded = (folder / NAME).read_bytes()
    except FileNotFoundError:
        return None
    try:
        if msgspec.json.decode(encoded, type=_Format).format > FORMAT:
            raise BackupUnusable(
                f"The backup {folder} was made by a newer cco-knowledge. Restore it with that one."
            )
        return msgspec.json.decode(encoded, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackupUnusable(
            f"{folder / NAME} is damaged, so nothing in this backup can be relied on. "
            "Take another one: kmctl backup --list"
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """On the disk when this returns, the entry in the folder too."""
    descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        file.flush()
        os.fsync(descriptor)
