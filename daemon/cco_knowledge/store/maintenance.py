"""Keeping the table small and quick: every commit adds files, and a search opens them all.

LanceDB's `optimize` writes the rows of the small files into one, drops what older versions alone
had, and folds the new rows into the indexes. It has no finer step than that, and leaves only
files of a million rows alone: two files that the same indexes cover become one, so that every other
run rewrites a small table. Each fold adds a part to the vectors' index that a large table has, and
those keep its files apart. Between folds the small files of such a table are gathered.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cco_knowledge import faults, process_memory
from cco_knowledge.errors import KnowledgeError, StorageFull, StoreFailed, Unavailable
from cco_knowledge.jobs import Advance
from cco_knowledge.metrics import StoreWork
from cco_knowledge.store import vector_indexes
from cco_knowledge.store.durability import Disk
from cco_knowledge.store.failures import translated
from cco_knowledge.store.forcing import Forcing
from cco_knowledge.store.gathering import MOST_ROWS, gather
from cco_knowledge.store.vector_indexes import VectorIndexes
from cco_knowledge.timestamps import clock_has_jumped

_MAX_COMMITS = 256
_QUIET_S = 1.0
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


@dataclass(frozen=True, slots=True)
class _Due:
    """After that many commits or rows since the last time. Larger tables wait for more of both."""

    commits: int
    rows_per_commit: int
    rows: int
    rows_share: int


_WHEN_QUIET = _Due(commits=16, rows_per_commit=2000, rows=2000, rows_share=20)
"""As soon as nobody writes. A search over 64 small files takes twice as long as over one; rewriting
10,000 rows takes 0.2 s and both cores. A full-text search looks through rows that its index does
not cover one by one, 2.4 µs each."""
_AT_ONCE = _Due(commits=64, rows_per_commit=500, rows=10_000, rows_share=4)
"""At 32, a client that stores without a pause met it in more than one store of twenty; at 128, a
search takes three times as long as over one file. Beside 100,000 rows, 200 double the time."""

_FOLD_ROWS = 4096
_FOLD_COMMITS = 1024
"""Of a table with indexes of vectors: a fold brings the others up to date as well, which takes
seconds where there are a million rows. Until then new rows are looked at one by one."""
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
        self._commits = 0
        """Since small files became one."""
        self._versions = 0
        self._rows = 0
        """Both since the last fold."""
        self._stored = 0
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

    def after_commit(self, n_rows: int = 1, n_commits: int = 1) -> None:
        self._commits += n_commits
        self._versions += n_commits
        self._rows += n_rows
        self._stored += n_rows
        if self._work.compaction_failures_in_a_row:  # the pause goes on
            return
        self._cancel_waiting()
        if self._is_due(_AT_ONCE):
            self._start()
        elif self._is_due(_WHEN_QUIET):
            self._wait(_QUIET_S)

    async def take_over(self) -> None:
        """Count what an earlier process left behind."""
        stats = await self._owner.table().stats()
        indexes = await self._owner.table().list_indices()
        unindexed = max((index.num_unindexed_rows or 0 for index in indexes), default=0)
        self._stored = int(stats["num_rows"]) - unindexed
        self.after_commit(unindexed, int(stats["fragment_stats"]["num_fragments"]))

    async def look(self) -> None:
        """At whether there is something to do that no commit has brought."""
        if await self._owner.due_vector_indexes():
            self._wait(_QUIET_S)

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

    def _is_due(self, due: _Due) -> bool:
        if self._owner.vector_indexes:
            return self._commits >= due.commits or self._is_fold_due()
        commits = min(max(due.commits, self._stored // due.rows_per_commit), _MAX_COMMITS)
        rows = max(due.rows, self._stored // due.rows_share)
        return self._commits >= commits or self._rows >= rows

    def _is_fold_due(self) -> bool:
        """Of a table with indexes of vectors, where gathering does not do."""
        return self._rows >= _FOLD_ROWS or self._versions >= _FOLD_COMMITS

    def _wait(self, seconds: float) -> None:
        self._cancel_waiting()
        if not self._is_closed:
            self._waiting = asyncio.get_running_loop().call_later(seconds, self._start)

    def _cancel_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _start(self) -> None:
        self._waiting = None
        if not (self._running or self._is_closed):
            self._task(self._by_itself())

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

    async def _by_itself(self) -> None:
        with contextlib.suppress(KnowledgeError):  # logged, counted, and tried again
            if self._is_due(_WHEN_QUIET) or self._work.compaction_failures_in_a_row:
                is_large = bool(self._owner.vector_indexes) and not self._is_fold_due()
                if is_large:
                    await self._gather(min(self._rows + _AT_ONCE.commits, MOST_ROWS))
                else:
                    await self._fold_beside_stores()
                    await self._owner.alone(self._reopen)
            await self._index_vectors()

    async def _gather(self, n_rows: int = MOST_ROWS) -> None:
        """By itself no more than the indexes do not cover yet: the others would lose theirs."""

        async def work() -> None:
            with translated("gathering"):
                await gather(self._owner.table(), n_rows)
                await self._forcing.force(self._owner.table())

        commits = self._commits
        await self._owner.alone(work)
        self._commits -= commits
        self._versions += 1

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
        commits, versions, rows = self._commits, self._versions, self._rows
        try:
            await self._fold_files(delete_unverified=delete_unverified)
        except KnowledgeError as error:
            if isinstance(error, StoreFailed):  # perhaps an index of vectors cannot be updated
                with contextlib.suppress(KnowledgeError), translated("index"):
                    for column in vector_indexes.HAS_VECTORS:
                        await self._owner.drop_vector_index(column)
            self._work.compaction_failed(error.reason)
            self._retry(error)
            raise
        self._work.compacted()
        self._commits -= commits
        self._versions -= versions
        self._rows -= rows

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
        self._wait(pause_s)
