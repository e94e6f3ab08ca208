"""What old versions alone had stays, as links, until the new version is on the disk.

LanceDB removes them in the same call that writes the new files, and syncs neither: power that
fails in between would take both.
"""

import contextlib
import logging
import os
import shutil
from pathlib import Path

_log = logging.getLogger(__name__)

_UNFINISHED = ".tmp"
"""So begin the names of files that LanceDB is writing; of a writer that was killed they stay."""


class KeptFiles:
    """Hard links in a folder beside the table; they take no room of their own."""

    def __init__(self, table: Path) -> None:
        self._table = table

    @property
    def _links(self) -> Path:
        """Named after the table's folder itself: another one in its place has other files."""
        return self._table.with_suffix(f".kept-{self._table.stat().st_ino}")

    def keep(self) -> None:
        """Raises OSError where the file system has no hard links."""
        self.let_go()
        links = self._links
        for file in _files(self._table):
            link = links / file.relative_to(self._table)
            link.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # a commit has renamed it meanwhile
                os.link(file, link)

    def let_go(self) -> None:
        """The new version is on the disk."""
        for links in self._table.parent.glob(f"{self._table.stem}.kept-*"):
            shutil.rmtree(links, ignore_errors=True)

    def bring_back(self) -> int:
        """After a crash; how many files had gone. Older versions than needed do no harm."""
        n_missing = 0
        links = self._links
        for link in _files(links):
            file = self._table / link.relative_to(links)
            if not file.exists():
                file.parent.mkdir(parents=True, exist_ok=True)
                os.link(link, file)
                n_missing += 1
        self.let_go()
        return n_missing


def clear_up(table: Path) -> None:
    """After a crash, before anything is opened."""
    if not table.exists():
        return
    n_back = KeptFiles(table).bring_back()
    n_unfinished = _remove_unfinished(table)
    if n_back or n_unfinished:
        _log.warning(
            "a daemon ended in the middle of its work: %d files of the table were brought back, "
            "%d unfinished ones removed",
            n_back,
            n_unfinished,
        )


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
