"""Keeping the table in few files: every commit adds one, and a search opens them all."""

import asyncio
import logging
from typing import Any

from cco_knowledge.metrics import StoreWork
from cco_knowledge.store.native import panics_caught

_COMMITS = 16
"""After this many commits the small files become one, as soon as nobody writes. A search over 64 of
them takes twice as long as over one; rewriting 10,000 rows takes 0.2 s and both cores."""
_MAX_COMMITS = 64
"""After this many it begins at once. At 32, a client that stores without a pause met it in more
than one store of twenty; at 128, a search takes three times as long as over one."""
_ROWS = 2000
"""The same after this many rows, or a twentieth of the table: a full-text search looks through rows
that its index does not cover one by one, 2.4 µs each."""
_MAX_ROWS = 5 * _ROWS
_ROWS_SHARE = 20
_QUIET_S = 1.0
_ROWS_PER_COMMIT = 2000
"""Larger tables wait for more commits, because each compaction rewrites the table."""
_KEPT_VERSIONS_MS = 2 * 60 * 1000
"""Old versions stay for readers that hold one; the daemon's own take seconds. Each is a copy of the
table as it was compacted."""

_log = logging.getLogger(__name__)


class Compaction:
    """Runs in the background beside inserts; the writer calls `finish` before other changes."""

    def __init__(self, table: Any, work: StoreWork) -> None:
        self._table = table
        self._work = work
        self._commits = 0
        self._rows = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def after_commit(self, n_rows: int = 1, n_commits: int = 1) -> None:
        self._commits += n_commits
        self._rows += n_rows
        self._cancel_waiting()
        if self._commits >= _MAX_COMMITS or self._rows >= _MAX_ROWS:
            self._start()
        elif self._commits >= _COMMITS or self._rows >= _ROWS:
            self._waiting = asyncio.get_running_loop().call_later(_QUIET_S, self._start)

    async def take_over(self) -> None:
        """Count what an earlier process left behind."""
        stats = await self._table.stats()
        indexes = await self._table.list_indices()
        self.after_commit(
            n_rows=max((index.num_unindexed_rows or 0 for index in indexes), default=0),
            n_commits=int(stats["fragment_stats"]["num_fragments"]),
        )

    async def finish(self) -> None:
        self._cancel_waiting()
        if self._running is not None:
            await self._running

    def _start(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="compaction")

    def _cancel_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    async def _run(self) -> None:
        commits, rows = self._commits, self._rows
        try:
            with panics_caught():
                n_stored = await self._table.count_rows(None)
                if commits < n_stored / _ROWS_PER_COMMIT and rows < n_stored / _ROWS_SHARE:
                    return
                await self._table.optimize(cleanup_since_ms=_KEPT_VERSIONS_MS)
                self._work.compactions += 1
        except (RuntimeError, ValueError, OSError) as error:
            # The table stays whole; the next commits try again.
            self._work.compaction_failures += 1
            _log.warning("compaction failed: %s", type(error).__name__)
        self._commits -= commits
        self._rows -= rows
