"""Forcing commits to the disk: LanceDB itself never does."""

import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cco_knowledge import faults
from cco_knowledge.errors import Unavailable
from cco_knowledge.store.room import Room

_DARWIN_F_FULLFSYNC = 51
_STUCK_AFTER_S = 10.0
"""So long no step takes on a disk that is well, however slow it is."""


class Disk:
    """The file system below a folder.

    LanceDB writes several files a commit and syncs none of them; which ones is its own affair, so
    the whole file system is synced: syncfs(2), 1.1 ms here. On macOS (not run there yet) sync(2)
    schedules the writes and F_FULLFSYNC on one file waits for the drive.
    """

    def __init__(self, folder: Path, table: str = "knowledge") -> None:
        self._folder = folder
        self.table = folder / f"{table}.lance"
        self.room = Room(folder)
        self._descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._begun_s: dict[object, float] = {}

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Around a step that takes a moment, unless the disk hangs."""
        step = object()
        self._begun_s[step] = time.monotonic()
        try:
            yield
        finally:
            del self._begun_s[step]

    @property
    def is_stuck(self) -> bool:
        now_s = time.monotonic()
        return any(now_s - begun_s > _STUCK_AFTER_S for begun_s in list(self._begun_s.values()))

    def check_moving(self) -> None:
        """Raises Unavailable: who waited behind a step that hangs would only wait longer."""
        if self.is_stuck:
            raise Unavailable(
                f"A write has not come back from the disk for {_STUCK_AFTER_S:.0f} s, so nothing "
                "is changed now. Look at the disk, then try again."
            )

    def check_present(self) -> None:
        """Raises OSError when the folder was removed: LanceDB would make another in its place."""
        if os.fstat(self._descriptor).st_nlink == 0:
            raise OSError(errno.ENOENT, "the data folder was removed")

    def sync(self) -> None:
        """Returns when all that was written is on the disk. Blocks; releases the GIL."""
        with self.at_work():
            faults.at("store.sync")
            self._sync()
        faults.at("store.synced")

    def _sync(self) -> None:
        if sys.platform == "darwin":
            os.sync()
            fcntl.fcntl(self._descriptor, _DARWIN_F_FULLFSYNC)
        elif self._libc.syncfs(self._descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    def forget(self) -> None:
        """Let the next reads come from the disk, not from memory that it may never have got.

        A write that failed leaves pages that count as written. macOS has no such call; they are
        read as they are there.
        """
        for folder, _, names in os.walk(self.table):
            for name in names:
                descriptor = os.open(Path(folder, name), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    if sys.platform != "darwin":
                        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
                finally:
                    os.close(descriptor)

    def measure(self) -> tuple[int, int]:
        """Bytes of the tables in the folder, and their versions.

        Not of other folders: the daemon before this one kept its own below the same place.
        """
        size_bytes = n_versions = 0
        # Not with rglob: compaction removes files and folders meanwhile, and os.walk lets them go.
        tables = (os.walk(table) for table in self._folder.glob("*.lance"))
        for folder, _, names in itertools.chain.from_iterable(tables):
            n_versions += sum(name.endswith(".manifest") for name in names)
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    size_bytes += Path(folder, name).stat().st_size
        return size_bytes, n_versions

    def table_files(self) -> set[Path]:
        """All that LanceDB never writes to again."""
        found = (Path(folder, name) for folder, _, names in os.walk(self.table) for name in names)
        return {file for file in found if file.suffix != ".json"}

    def close(self) -> None:
        os.close(self._descriptor)
