"""Setting the table right while it is in use: in the background, until it has succeeded."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Protocol, TypeVar

from cco_knowledge.errors import KnowledgeError, Unavailable
from cco_knowledge.metrics import StoreWork
from cco_knowledge.store import indexes
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.failures import translated
from cco_knowledge.store.forcing import Forcing

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Owner(Protocol):
    """The store, as those see it who mend it."""

    async def alone(self, work: Callable[[], Awaitable[None]]) -> None:
        """Await `work` while nobody changes the table."""
        ...

    async def reopen(self) -> Any:
        """The table, without what is cached of it; used from now on."""
        ...

    async def forget(self) -> None:
        """All that is held of the table's rows."""
        ...

    def table(self) -> Any: ...


class Mending:
    def __init__(self, owner: Owner, disk: Disk, forcing: Forcing, work: StoreWork) -> None:
        self._owner = owner
        self._disk = disk
        self._forcing = forcing
        self._work = work
        self._running: dict[str, asyncio.Task[None]] = {}
        forcing.when_in_doubt = lambda: self._begin("take back", self._take_back())

    async def watched(self, change: Callable[[], Awaitable[_T]]) -> _T:
        """A change reads what it changes."""
        try:
            return await change()
        except (RuntimeError, ValueError, OSError):
            await self.look_at_indexes()
            raise

    async def look_at_indexes(self) -> None:
        """After a read that failed twice.

        Raises:
            Unavailable: it was an index, which is rebuilt now.
        """
        if "rebuild" not in self._running:
            if not await indexes.broken(self._owner.table(), self._disk.table):
                return
            self._begin("rebuild", self._owner.alone(self._rebuild_broken))
        raise Unavailable(
            "An index of the store is damaged and is being rebuilt. Try again in a moment."
        )

    async def rebuild(self, columns: Collection[str]) -> None:
        """Call it while nobody changes the table. Raises StoreFailed, StorageFull."""
        if not columns:
            return
        with translated("index"):
            await indexes.rebuild(self._owner.table(), columns)
            table = await self._owner.reopen()
            await self._forcing.force(table)
        self._work.indexes_rebuilt += len(columns)

    async def close(self) -> None:
        """What has not succeeded by now is for the next start."""
        for task in self._running.values():
            task.cancel()
        if self._running:
            await asyncio.wait(self._running.values())

    async def _rebuild_broken(self) -> None:
        await self.rebuild(await indexes.broken(self._owner.table(), self._disk.table))

    async def _take_back(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while self._forcing.is_in_doubt:
            try:
                await self._owner.alone(self._take_back_now)
            except KnowledgeError:
                _log.error("the lost write could not be taken back; again in %.0f s", pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._work.commits_taken_back += 1

    async def _take_back_now(self) -> None:
        with translated("way back"):
            await self._forcing.take_back(self._owner.reopen)
        await self._owner.forget()

    def _begin(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        if what in self._running:
            work.close()
            return
        task = asyncio.create_task(work, name=what)
        self._running[what] = task
        task.add_done_callback(lambda _: self._running.pop(what))
        # Its failure is logged; asyncio would log an error that nobody took.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
