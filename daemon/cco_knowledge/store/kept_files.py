"""What old versions alone had stays, as links, until the new version is on the disk.

LanceDB removes them in the same call that writes the new files, and syncs neither: power that
fails in between would take both. What is stored meanwhile is linked as well, before it is forced:
the version that it was stored with may be among the old ones a moment later.
"""

import contextlib
import logging
import os
import shutil
from pathlib import Path

from cco_knowledge.store.durability import Disk

_log = logging.getLogger(__name__)

_UNFINISHED = ".tmp"
"""So begin the names of files that LanceDB is writing; of a writer that was killed they stay."""


class KeptFiles:
    """Hard links in a folder beside the table; they take no room of their own."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self._is_keeping = False

    @property
    def _links(self) -> Path:
        """Named after the table's folder itself: another one in its place has other files."""
        return self._table.with_suffix(f".kept-{self._table.stat().st_ino}")

    def keep(self) -> None:
        """From now on. Raises OSError where the file system has no hard links."""
        self._is_keeping = True
        self.keep_new()

    def keep_new(self) -> None:
        """What has come since then. Raises OSError."""
        if not self._is_keeping:
            return
        links = self._links
        for file in _files(self._table):
            link = links / file.relative_to(self._table)
            link.parent.mkdir(parents=True, exist_ok=True)
            # It is there already, or a commit has renamed it, or compaction removed it.
            with contextlib.suppress(FileExistsError, FileNotFoundError):
                os.link(file, link)

    def is_there(self) -> bool:
        return self._links.exists()

    def let_go(self) -> None:
        """The new version is on the disk."""
        self._is_keeping = False
        for links in self._table.parent.glob(f"{self._table.stem}.kept-*"):
            shutil.rmtree(links, ignore_errors=True)

    def bring_back(self) -> int:
        """How many files had gone. Older versions than needed do no harm."""
        n_missing = 0
        links = self._links
        for link in _files(links):
            file = self._table / link.relative_to(links)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                os.link(link, file)
                n_missing += 1
        return n_missing


def clear_up(disk: Disk) -> bool:
    """After a crash, before anything is opened. Whether it was in the middle of a compaction."""
    table = disk.table
    if not table.exists():
        return False
    kept = KeptFiles(table)
    was_keeping = kept.is_there()
    n_back = kept.bring_back()
    if n_back:
        disk.sync()
    kept.let_go()
    n_unfinished = _remove_unfinished(table)
    if n_back or n_unfinished:
        _log.warning(
            "a daemon ended in the middle of its work: %d files of the table were brought back, "
            "%d unfinished ones removed",
            n_back,
            n_unfinished,
        )
    return was_keeping


def _remove_unfinished(table: Path) -> int:
    unfinished = list(table.rglob(f"{_UNFINISHED}*"))
    for file in unfinished:
        file.unlink(missing_ok=True)
    return len(unfinished)


def _files(folder: Path) -> list[Path]:
    return [
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if not name.startswith(_UNFINISHED)
    ]
