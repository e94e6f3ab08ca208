"""All that is measured, at one moment."""

import asyncio
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cco_knowledge import __version__, process_memory
from cco_knowledge.backing_up import Backups
from cco_knowledge.backups import shelf
from cco_knowledge.embedding.engine import Engine, EngineFacts
from cco_knowledge.errors import KnowledgeError
from cco_knowledge.jobs import Jobs
from cco_knowledge.metrics import BackupWork, CallCounts, Durations, EmbeddingWork, StoreWork
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import StoreFacts

_TABLE_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class EngineSeen:
    model: str
    facts: EngineFacts
    work: EmbeddingWork


@dataclass(frozen=True, slots=True)
class StoreSeen:
    work: StoreWork
    table: StoreFacts | None
    """None when the table cannot be asked now."""
    is_full: bool


@dataclass(frozen=True, slots=True)
class BackupsSeen:
    work: BackupWork
    newest_at_s: float
    """Since the epoch; 0: there is none."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    uptime_s: float
    calls: CallCounts
    in_progress: int
    jobs: Mapping[tuple[str, str], int]
    """Those that ended, by kind and state."""
    n_unfinished_jobs: int
    connections: int
    loop_lag: Durations
    resident_bytes: int
    cpu_s: float
    n_threads: int
    """0 where the system does not tell."""
    open_files: int
    disk_free_bytes: int
    engine: EngineSeen | None
    """None while it is loaded, as the store."""
    store: StoreSeen | None
    backups: BackupsSeen | None
    redactions: Mapping[str, int]
    """By kind of secret."""
    version: str = __version__


@dataclass(frozen=True, slots=True)
class Observed:
    """What there is from the start."""

    dispatcher: Dispatcher
    jobs: Jobs
    loop_lag: Durations
    home: Path
    begun_s: float
    """On the monotonic clock."""


async def take(
    observed: Observed,
    n_connections: int,
    engine: Engine | None,
    store: LanceStore | None,
    backups: Backups | None,
    redactions: Mapping[str, int],
) -> Snapshot:
    store_seen = await _look_at(store) if store is not None else None
    return Snapshot(
        uptime_s=time.monotonic() - observed.begun_s,
        calls=observed.dispatcher.calls.copy(),
        in_progress=len(observed.dispatcher.in_flight),
        jobs=dict(observed.jobs.ended),
        n_unfinished_jobs=observed.jobs.n_unfinished,
        connections=n_connections,
        loop_lag=observed.loop_lag.copy(),
        resident_bytes=process_memory.resident_bytes(),
        cpu_s=time.process_time(),
        n_threads=_n_threads(),
        open_files=sum(1 for _ in Path("/dev/fd").iterdir()) - 1,  # but the one that lists them
        disk_free_bytes=shutil.disk_usage(observed.home).free,
        engine=EngineSeen(engine.identity.name, engine.facts(), engine.work()) if engine else None,
        store=store_seen,
        backups=await asyncio.to_thread(_look_at_backups, backups) if backups else None,
        redactions=dict(redactions),
    )


def _n_threads() -> int:
    """Those of libraries too, which `threading` does not know."""
    tasks = Path("/proc/self/task")
    return sum(1 for _ in tasks.iterdir()) if tasks.is_dir() else 0


def _look_at_backups(backups: Backups) -> BackupsSeen:
    made = [backup.manifest.created for backup in shelf.backups_in(backups.folder)]
    newest_at_s = datetime.fromisoformat(made[-1]).timestamp() if made else 0.0
    return BackupsSeen(replace(backups.work), newest_at_s)


async def _look_at(store: LanceStore) -> StoreSeen:
    """A store that fails or hangs is what the other figures are needed for."""
    try:
        async with asyncio.timeout(_TABLE_LIMIT_S):
            table = await store.facts()
    except (KnowledgeError, TimeoutError):
        table = None
    return StoreSeen(store.work.copy(), table, is_full=store.is_full)
