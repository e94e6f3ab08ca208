"""Keeping the table small and quick: every commit adds files, and a search opens them all.

LanceDB's `optimize` writes the rows of the small files into one, drops what older versions alone
had, and folds the new rows into the indexes. It has no finer step than that, and leaves only
files of a million rows alone: two files that the same indexes cover become one, so that every other
run rewrites a small table. Each fold adds a part to the vectors' index that a large table has, and
those keep its files apart. Between folds the small files are gathered.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from cco_knowledge import faults, process_memory
from cco_knowledge.errors import KnowledgeError, StorageFull, StoreFailed, Unavailable
from cco_knowledge.jobs import Advance
from cco_knowledge.metrics import StoreWork
from cco_knowledge.store import vector_indexes
from cco_knowledge.store.backlog import QUIET_S, Backlog, Step
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.failures import translated
from cco_knowledge.store.forcing import Forcing
from cco_knowledge.store.gathering import MOST_ROWS, Newest, gather
from cco_knowledge.store.vector_indexes import VectorIndexes
from cco_knowledge.timestamps import clock_has_jumped

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0
"""Between tries that fail; each pause is twice the one before."""
_ROOM_FACTOR = 1.25
"""Old and new files are there together for a moment: measured, the table and its indexes once, and
the indexes once more."""
_KEPT_WITHOUT_LINKS_MS = 2 * 60 * 1000
_RENEWAL_TRIES = 3
"""Once in a test a file of before was left, for a reason that is not known."""
_FOLDS = 2
"""The first folds new rows into the indexes, the second joins what the indexes cover."""


_MOVED_ROWS = 64
"""That changes have written anew, beside those that are new."""
_INDEX_BYTES = 256
"""A row of a new index of vectors, and of what is written on the way to it."""

_log = logging.getLogger(__name__)


class Owner(Protocol):
    """The store, as its maintenance sees it."""

    async def alone(self, work: Callable[[], Awaitable[None]]) -> None:
        """Await `work` while nobody changes the table."""
        ...

    async def reopen(self) -> Any:
        """The table, without what is cached of it; used from now on."""
        ...

    def table(self) -> Any:
        """As it is used now."""
        ...

    @property
    def vector_indexes(self) -> VectorIndexes:
        """Of that table."""
        ...

    async def drop_vector_index(self, column: str) -> None:
        """If there is one."""
        ...

    async def due_vector_indexes(self) -> dict[str, int]:
        """Columns whose index is to be made, and how many rows they have."""
        ...


class Maintenance:
    """One task in the background beside inserts. It begins by itself, or when it is asked to.

    No other change of the table gets along with it: those go inside `no_folding`.
    """

    def __init__(
        self,
        owner: Owner,
        disk: Disk,
        forcing: Forcing,
        work: StoreWork,
    ) -> None:
        self._owner = owner
        self._disk = disk
        self._forcing = forcing
        self._work = work
        self._backlog = Backlog()
        self._newest = Newest()
        self._waiting: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._building: asyncio.Task[None] | None = None
        self._is_closed = False
        self._keeping = asyncio.Lock()
        """Held by who needs the files of a version, or takes them away. Comes before `_folding`."""
        self._folding = asyncio.Lock()

    @property
    def is_running(self) -> bool:
        return bool(self._running or self._waiting)

    def after_commit(self, n_rows: int = 1, *, appended: Any = None) -> None:
        """`appended`: the rows, of a commit that did nothing else."""
        if appended is not None:
            self._newest.appended(appended, self._forcing.version)
        self._backlog.add(n_rows=n_rows)
        self._plan()

    async def take_over(self) -> None:
        """Count what an earlier process left behind."""
        stats = await self._owner.table().stats()
        indexes = await self._owner.table().list_indices()
        unindexed = max((index.num_unindexed_rows or 0 for index in indexes), default=0)
        n_files = int(stats["fragment_stats"]["num_fragments"])
        self._backlog.take_over(
            n_rows=int(stats["num_rows"]), n_unindexed=unindexed, n_files=n_files
        )
        self._plan()

    async def look(self) -> None:
        """At whether there is something to do that no commit has brought."""
        if await self._owner.due_vector_indexes():
            self._wait(QUIET_S, None)

    @asynccontextmanager
    async def no_folding(self) -> AsyncIterator[None]:
        """Wait for what runs; nothing begins before the end."""
        async with self._folding:
            yield

    @asynccontextmanager
    async def files_kept(self) -> AsyncIterator[None]:
        """The files of all versions since the beginning stay until the end; writing goes on."""
        async with self._keeping:
            yield

    async def optimize(self, advance: Advance) -> None:
        """Now, whatever is due.

        Cancelling lets the step that runs come to its end in the background.

        Raises:
            StorageFull, StoreFailed: the table is as it was, or a step better.
        """
        n_rows = int(await self._owner.table().count_rows(None))
        for step in range(_FOLDS):
            advance(step * n_rows // (_FOLDS + 1), n_rows)
            await self._to_the_end(self._fold_beside_stores())
        advance(_FOLDS * n_rows // (_FOLDS + 1), n_rows)
        await self._to_the_end(self._fold_alone())
        await self.look()
        advance(n_rows, n_rows)

    async def renew(self, write: Callable[[], Awaitable[None]]) -> None:
        """Let `write` write the whole table anew, then prove that no file of before is left.

        Raises:
            StorageFull, StoreFailed: the table is whole; old files may still be there.
        """
        before: set[Path] = set()

        async def work() -> None:
            before.update(await asyncio.to_thread(self._disk.table_files))
            with translated("renewal"):
                self._check_room(int((await self._owner.table().stats())["total_bytes"]))
                await write()
            await self._reopen()
            await self._forcing.force(self._owner.table())

        await self._owner.alone(work)
        for _ in range(_RENEWAL_TRIES):
            await self._to_the_end(self._fold_alone())
            if before.isdisjoint(await asyncio.to_thread(self._disk.table_files)):
                await self.look()
                return
        raise StoreFailed("Old files of the table could not be removed yet. Try again.")

    async def close(self) -> None:
        """Finish what was begun; nothing begins any more. The writer has to go on until then."""
        self._is_closed = True
        self._cancel_waiting()
        if self._building is not None:  # its files are left over, and the next start begins anew
            self._building.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _plan(self) -> None:
        """What is to be done next, and when."""
        if self._work.compaction_failures_in_a_row:  # the pause goes on
            return
        self._cancel_waiting()
        self._backlog.is_large = bool(self._owner.vector_indexes)
        if (step := self._backlog.due()) is not None:
            self._start(step)
        elif (later := self._backlog.due_when_quiet()) is not None:
            step, quiet_s = later
            self._wait(quiet_s, step)

    def _wait(self, seconds: float, step: Step | None) -> None:
        self._cancel_waiting()
        if not self._is_closed:
            self._waiting = asyncio.get_running_loop().call_later(seconds, self._start, step)

    def _cancel_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _start(self, step: Step | None) -> None:
        self._waiting = None
        if not (self._running or self._is_closed):
            self._task(self._by_itself(step)).add_done_callback(self._ended)

    def _ended(self, step: "asyncio.Task[None]") -> None:
        """Of one that failed in a way that nobody foresaw, the next commit begins another."""
        if not step.cancelled() and step.exception() is None:
            self._plan()

    def _task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name="maintenance")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        # Its caller may be gone when it fails, and asyncio would log an error that nobody took.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task

    async def _to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        if self._is_closed:
            work.close()
            raise Unavailable("The daemon is stopping.")
        await asyncio.shield(self._task(work))

    async def _by_itself(self, step: Step | None) -> None:
        with contextlib.suppress(KnowledgeError):  # logged, counted, and tried again
            if step == "gather":
                await self._gather(min(self._backlog.n_rows + _MOVED_ROWS, MOST_ROWS))
            elif step == "fold":
                await self._fold_beside_stores()
                await self._owner.alone(self._reopen)
            await self._index_vectors()

    async def _gather(self, n_rows: int = MOST_ROWS) -> None:
        """By itself no more than the indexes do not cover yet: the others would lose theirs."""

        # NOTE: beside appends LanceDB begins it anew after each of them, and comes to no end.
        async def work() -> None:
            before = self._backlog.before()
            with translated("gathering"):
                table = self._owner.table()
                known = self._newest.at(int(await table.version()))
                rows = await gather(table, n_rows, known)
                await self._forcing.force(table)
            self._newest.gathered(rows, self._forcing.version)
            self._backlog.gathered(before)

        async with self._counted_failures():
            await self._owner.alone(work)

    async def _index_vectors(self) -> None:
        """Stores, changes and searches go on meanwhile; a fold would make it fail."""
        async with self._keeping:
            due = await self._owner.due_vector_indexes()
            for column, n_rows in due.items():
                with translated("indexing"):
                    self._check_room(n_rows * _INDEX_BYTES)
                    await self._build(column, n_rows)
                    await self._forcing.force(self._owner.table())
                await self._owner.alone(self._reopen)

    async def _build(self, column: str, n_rows: int) -> None:
        """Ends at once when the store is closed."""
        building = vector_indexes.build(self._owner.table(), column, n_rows)
        self._building = asyncio.create_task(building, name="indexing")
        try:
            await self._building
        finally:
            self._building = None

    async def _fold_beside_stores(self) -> None:
        # NOTE: LanceDB drops files of no version that are older than a week, such as those of a
        # commit that is under way. After a jump of the clock all files are that old.
        if self._owner.vector_indexes:
            await self._gather()
        await (self._fold_alone() if clock_has_jumped() else self._fold())

    async def _fold(self) -> None:
        async with self._keeping, self._folding:
            await self._counted(delete_unverified=False)

    async def _fold_alone(self) -> None:
        """While nobody writes, files that belong to no version are left over from failed writes."""

        async def work() -> None:
            await self._counted(delete_unverified=True)
            await self._reopen()

        async with self._keeping:
            await self._owner.alone(work)

    async def _reopen(self) -> None:
        """LanceDB's caches keep old indexes open, and so their room on the disk: 5% each time.

        It takes 1 ms, and 3 ms more of the next search by words.
        """
        with translated("opening"):
            await self._owner.reopen()

    async def _counted(self, *, delete_unverified: bool) -> None:
        before = self._backlog.before()
        async with self._counted_failures():
            try:
                await self._fold_files(delete_unverified=delete_unverified)
            except StoreFailed:  # perhaps an index of vectors cannot be updated
                with contextlib.suppress(KnowledgeError), translated("index"):
                    for column in vector_indexes.HAS_VECTORS:
                        await self._owner.drop_vector_index(column)
                raise
        self._work.compacted()
        self._backlog.folded(before)

    @asynccontextmanager
    async def _counted_failures(self) -> AsyncIterator[None]:
        try:
            yield
        except KnowledgeError as error:
            self._work.compaction_failed(error.reason)
            self._retry(error)
            raise

    async def _fold_files(self, *, delete_unverified: bool) -> None:
        with translated("compaction"):
            live_bytes = int((await self._owner.table().stats())["total_bytes"])
            self._check_room(live_bytes)
            has_links = await self._forcing.keep(self._owner.table())
            try:
                await faults.on_a_thread("maintenance.linked")
                # NOTE: LanceDB cannot update it where no new row has further passages: it looks
                # for a file that it has not written. It is made anew afterwards.
                await self._owner.drop_vector_index("passages")
                await self._owner.table().optimize(
                    cleanup_since_ms=0 if has_links else _KEPT_WITHOUT_LINKS_MS,
                    delete_unverified=delete_unverified,
                )
                await faults.on_a_thread("maintenance.folded")
            finally:  # of a fold that failed the links would only hold room
                await self._forcing.force(self._owner.table())
                await self._forcing.let_go()
            process_memory.trim()

    def _check_room(self, live_bytes: int) -> None:
        """It may take the reserve: it is kept for this."""
        room = self._disk.room
        needed_bytes = int(live_bytes * _ROOM_FACTOR)
        room.make_way()
        free_bytes = room.free_bytes()
        if free_bytes < needed_bytes:
            raise StorageFull(
                f"Upkeep of the table needs {needed_bytes >> 20} MiB of free space, and "
                f"there are {free_bytes >> 20}. Make room, then try again."
            )

    def _retry(self, error: KnowledgeError) -> None:
        failed = self._work.compaction_failures_in_a_row
        pause_s = min(_FIRST_PAUSE_S * 2 ** (failed - 1), _LONGEST_PAUSE_S)
        _log.warning(
            "folding the files of the table failed, try %d (%s); again in %.0f s",
            failed,
            error.message,
            pause_s,
        )
        self._wait(pause_s, "fold")
