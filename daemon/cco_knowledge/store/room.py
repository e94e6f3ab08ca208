"""Room on the disk: a reserve that stores leave alone, and a ballast against who does not."""

import contextlib
import logging
import os
from pathlib import Path

from cco_knowledge.errors import StorageFull

_RESERVE_BYTES = 64 << 20
_RESERVE_PARTS = 16
"""Or that part of the file system, where it is a small one."""
_BALLAST_BYTES = 2 << 20
"""A delete writes 12 KB on a small table, and 4 KB for each of up to 256 files on the largest."""
_BALLAST_PARTS = 64
_NAME = ".ballast"

_log = logging.getLogger(__name__)


class Room:
    """Of the file system that a folder is on.

    Stores end while the reserve is left, so that deletes and compactions, which make room in the
    end, have some. Another process may take the reserve too. Then the ballast goes, a file that
    has its blocks; it comes back with the room.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / _NAME
        facts = os.statvfs(folder)
        total_bytes = facts.f_frsize * facts.f_blocks
        self.reserve_bytes = min(_RESERVE_BYTES, total_bytes // _RESERVE_PARTS)
        self.ballast_bytes = min(_BALLAST_BYTES, total_bytes // _BALLAST_PARTS)
        self._was_full = False
        self._keeps_ballast = False

    def free_bytes(self) -> int:
        facts = os.statvfs(self._folder)
        return facts.f_frsize * facts.f_bavail

    @property
    def is_full(self) -> bool:
        """For stores."""
        return self.free_bytes() < self.reserve_bytes

    def check(self) -> None:
        """Raises StorageFull where only the reserve is left. Takes 2 µs."""
        is_full = self.is_full
        if is_full != self._was_full:
            self._was_full = is_full
            told = "is full: stores are refused" if is_full else "has room again: stores go on"
            _log.warning("the disk %s (free: %d MiB)", told, self.free_bytes() >> 20)
        if is_full:
            raise StorageFull(
                f"The disk is full: less than {self.reserve_bytes >> 20} MiB are free, which are "
                "kept for deletes and compaction. Nothing was stored. Make room, then try again."
            )

    def keep_ballast(self) -> None:
        """From now on: where the table of a daemon is."""
        self.make_way()
        self._keeps_ballast = True
        self.take_ballast()

    def take_ballast(self) -> None:
        """Where there is none, and room for it. Blocks for a moment."""
        if not self._keeps_ballast or self._ballast.exists():
            return
        if self.free_bytes() < self.reserve_bytes + self.ballast_bytes:
            return
        try:
            _allocate(self._ballast, self.ballast_bytes)
        except OSError as error:
            _log.warning("no ballast is kept on the disk: %s", error.strerror)
            self.drop_ballast()

    def make_way(self) -> None:
        """Drop the ballast where a delete might need it."""
        if self.free_bytes() < self.ballast_bytes and self._ballast.exists():
            self.drop_ballast()
            _log.warning("the disk is wholly full; the ballast was given up for what makes room")

    def drop_ballast(self) -> None:
        with contextlib.suppress(OSError):
            self._ballast.unlink(missing_ok=True)


def _allocate(path: Path, n_bytes: int) -> None:
    """Blocks of the disk, not a hole in a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, 0, n_bytes)
        else:  # macOS
            os.write(descriptor, bytes(n_bytes))
    finally:
        os.close(descriptor)
