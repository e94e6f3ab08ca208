"""Keeping the table in few files: every commit adds one, and a search opens them all."""

import asyncio
import logging
from typing import Any

from cco_knowledge.store.native import panics_caught

_COMMITS = 32
"""After this many commits the small files become one, as soon as nobody writes. A search over 160
of them takes 5 times as long as over one; rewriting 10,000 rows takes 0.15 s and both cores."""
_MAX_COMMITS = 128
"""After this many it begins at once. At 32, a client that stores without a pause met it in more
than one store of twenty."""
_QUIET_S = 1.0
_ROWS_PER_COMMIT = 2000
"""Larger tables wait for more commits, because each compaction rewrites the table."""
_KEPT_VERSIONS_MS = 10 * 60 * 1000
"""Old versions stay for readers that hold one; the daemon's own take seconds."""

_log = logging.getLogger(__name__)


class Compaction:
    """Runs in the background beside inserts; the writer calls `finish` before other changes."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._commits = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._running: asyncio.Task[None] | None = None

    def after_commit(self) -> None:
        self._commits += 1
        self._cancel_waiting()
        if self._commits >= _MAX_COMMITS:
            self._start()
        elif self._commits >= _COMMITS:
            self._waiting = asyncio.get_running_loop().call_later(_QUIET_S, self._start)

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
        begun_at = self._commits
        try:
            with panics_caught():
                if begun_at < await self._table.count_rows(None) / _ROWS_PER_COMMIT:
                    return
                await self._table.optimize(cleanup_since_ms=_KEPT_VERSIONS_MS)
        except (RuntimeError, ValueError, OSError) as error:
            # The table stays whole; the next commits try again.
            _log.warning("compaction failed: %s", type(error).__name__)
        self._commits -= begun_at
