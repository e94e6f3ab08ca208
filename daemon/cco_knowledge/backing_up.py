"""Backups of the running store: when somebody asks, and by themselves while something changes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cco_knowledge.backups import shelf
from cco_knowledge.backups.manifest import Kind
from cco_knowledge.backups.shelf import Backup
from cco_knowledge.config import BackupConfig
from cco_knowledge.errors import KnowledgeError
from cco_knowledge.jobs import Advance
from cco_knowledge.metrics import BackupWork
from cco_knowledge.store.backup import back_up
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.timestamps import utc_now

_LOOKS_EACH_S = 60.0
"""By the wall clock, which goes on while a laptop sleeps."""
_QUIET_S = 5.0
_LONGEST_WAIT_FOR_QUIET_S = 1800.0
_LONGEST_RETRY_S = 3600.0
_PARTS = 10
"""None of these is longer than this part of the time between two backups."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BackupFacts:
    newest: Backup | None
    """Whoever asked for it."""
    is_current: bool
    """Nothing has changed since."""
    next_at: datetime | None
    """None where none is scheduled."""
    failed_at: datetime | None
    """Of the last scheduled one, if it failed."""


class Backups:
    """Those of one store. Only one is made at a time."""

    def __init__(self, store: LanceStore, data: Path, folder: Path, config: BackupConfig) -> None:
        self.config = config
        """May be changed while the schedule is followed."""
        self.folder = folder
        self.work = BackupWork()
        self._store = store
        self._data = data
        self._one_at_a_time = asyncio.Lock()
        self._looked_at: datetime | None = None
        self._failed_at: datetime | None = None

    async def make(self, kind: Kind, advance: Advance = lambda _done, _total: None) -> Backup:
        """Raises StoreFailed or StorageFull: there is no backup."""
        async with self._one_at_a_time:
            try:
                backup = await back_up(
                    self._data,
                    self.folder,
                    kind,
                    lambda: self._store.count(ANY),
                    stand_still=self._store.alone,
                    advance=advance,
                )
            except KnowledgeError:
                self.work.failures += 1
                raise
        self.work.made += 1
        self._failed_at = None
        _log.info("backup %s holds %d entries", backup.name, backup.manifest.rows)
        return backup

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """None is made or removed until the end."""
        async with self._one_at_a_time:
            yield

    async def facts(self) -> BackupFacts:
        return await asyncio.to_thread(self._facts)

    async def follow_schedule(self, n_calls: Callable[[], int]) -> None:
        """Runs until cancelled.

        `n_calls` so far: while they come, a backup that is due waits a little.
        """
        while True:
            await asyncio.sleep(self._at_most(_LOOKS_EACH_S))  # the start comes first
            try:
                if self._every_s:
                    await self._look(n_calls)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next one is due
                self._failed_at = utc_now()
                name = type(error).__name__
                _log.error("the scheduled backup failed and is tried again: %s", name)

    async def _look(self, n_calls: Callable[[], int]) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if not self._is_due(await asyncio.to_thread(shelf.backups_in, self.folder)):
            return
        await self._until_quiet(n_calls)
        # The same again would only push out older ones that differ.
        if not (await self.facts()).is_current:
            await self.make("scheduled")
        async with self.at_rest():
            await asyncio.to_thread(self._remove_expired)
        self._looked_at, self._failed_at = utc_now(), None

    def _facts(self) -> BackupFacts:
        backups = shelf.backups_in(self.folder)
        newest = backups[-1] if backups else None
        return BackupFacts(
            newest,
            is_current=newest is not None and shelf.holds(newest, self._data),
            next_at=self._next_at(backups) if self._every_s else None,
            failed_at=self._failed_at if self._every_s else None,
        )

    def _next_at(self, backups: list[Backup]) -> datetime:
        if self._failed_at is not None:
            return self._failed_at + timedelta(seconds=self._at_most(_LONGEST_RETRY_S))
        made = [b.manifest.created for b in backups if b.manifest.kind == "scheduled"]
        moments = [datetime.fromisoformat(moment) for moment in made[-1:]]
        last = max([*moments, *([self._looked_at] if self._looked_at else [])], default=None)
        # A new home has nothing to lose yet, nor is one of before this version in a hurry.
        last = last or self._folder_made_at()
        return last + timedelta(seconds=self._every_s)

    def _folder_made_at(self) -> datetime:
        try:
            return datetime.fromtimestamp(self.folder.stat().st_mtime, UTC)
        except FileNotFoundError:
            return utc_now()

    def _is_due(self, backups: list[Backup]) -> bool:
        """Also where the last one is from the future: a clock was wrong then, or is now."""
        now, due = utc_now(), self._next_at(backups)
        return now >= due or due - now > timedelta(seconds=self._every_s)

    async def _until_quiet(self, n_calls: Callable[[], int]) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._at_most(_LONGEST_WAIT_FOR_QUIET_S)
        seen = -1
        while seen != n_calls() and loop.time() < until_s:
            seen = n_calls()
            await asyncio.sleep(self._at_most(_QUIET_S))

    def _remove_expired(self) -> None:
        for backup in shelf.expired(shelf.backups_in(self.folder), self.config.keep):
            shelf.remove(backup)

    @property
    def _every_s(self) -> float:
        return self.config.every_hours * 3600

    def _at_most(self, seconds: float) -> float:
        return min(seconds, self._every_s / _PARTS) if self._every_s else seconds
