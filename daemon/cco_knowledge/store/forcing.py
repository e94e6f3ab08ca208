"""Which version of the table is surely on the disk, and the way back to it.

A commit is acknowledged once its version is forced to the disk. Where forcing fails, the kernel
takes what it could not write for written, so that a later success proves nothing: whatever came
since the last forced version is in doubt, and no later version may stand on it. Nothing is
acknowledged any more until the table was set back to that version, and that was forced.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, Literal, TypeVar

from cco_knowledge.errors import Unavailable
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.kept_files import KeptFiles

_T = TypeVar("_T")
Durability = Literal["full", "process"]

_log = logging.getLogger(__name__)


class Forcing:
    """Owns the links to the files that the last forced version needs while they may go."""

    def __init__(self, disk: Disk, disk_thread: Executor, durability: Durability) -> None:
        self.kept = KeptFiles(disk.table)
        self.is_in_doubt = False
        self.when_in_doubt: Callable[[], None] = lambda: None
        """Is called each time that forcing failed."""
        self._disk = disk
        self._disk_thread = disk_thread
        self._is_full = durability == "full"
        self._version = 0

    @property
    def version(self) -> int:
        """The newest that is surely on the disk."""
        return self._version

    def check(self) -> None:
        """Raises Unavailable while something is in doubt."""
        if self.is_in_doubt:
            raise Unavailable(
                "The disk has lost a write. Nothing is changed until the store is set back to what "
                "is surely on the disk; it is tried again and again. Reads go on."
            )

    async def keep(self, table: Any) -> bool:
        """What the present version needs stays until `let_go`, whatever LanceDB removes.

        False where the file system has no links. Raises OSError, Unavailable.
        """
        has_links = await self._on_disk_thread(self._keep)
        await self.force(table)
        return has_links

    async def let_go(self) -> None:
        """What has come since `keep` is forced."""
        await self._on_disk_thread(self.kept.let_go)

    async def force(self, table: Any) -> None:
        """Returns when the table's present version is on the disk. Raises OSError."""
        # NOTE: before: compaction may commit another one while the disk is at work.
        version = int(await table.version())
        try:
            await self._on_disk_thread(self._force)
        except OSError:
            if self.is_in_doubt:
                self.when_in_doubt()
            raise
        self._version = max(self._version, version)

    async def take_back(self, reopen: Callable[[], Awaitable[Any]]) -> None:
        """Set the table back to the last forced version. Call it while nothing changes the table.

        Raises OSError, or what LanceDB raises: it is in doubt as before.
        """
        if not self.is_in_doubt:
            return
        await self._on_disk_thread(self.kept.bring_back)
        table = await reopen()
        await table.checkout(self._version)
        await table.restore()
        version = int(await table.version())
        await self._on_disk_thread(self._disk.sync)
        _log.error(
            "a write was lost by the disk: version %d of the table is in force again, as %d",
            self._version,
            version,
        )
        self._version, self.is_in_doubt = version, False
        await self.let_go()

    async def end(self) -> None:
        """All of it is on the disk, whatever the durability. Raises OSError, Unavailable."""
        self.check()
        await self._on_disk_thread(self._disk.sync)

    def _keep(self) -> bool:
        self.check()
        try:
            self.kept.keep()
        except OSError:
            self.kept.let_go()
            return False
        return True

    def _force(self) -> None:
        self.check()
        if not self._is_full:
            return
        self.kept.keep_new()
        try:
            self._disk.sync()
        except OSError:
            self.is_in_doubt = True
            raise

    async def _on_disk_thread(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk_thread, work)
