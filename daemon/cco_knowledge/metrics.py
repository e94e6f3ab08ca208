"""What is counted while the daemon works. Plain numbers, for `rpc/exposition.py` to show.

All of it lives on the event loop, so nothing needs a lock.
"""

import asyncio
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
_LAG_EVERY_S = 1.0


@dataclass(slots=True)
class Durations:
    """A histogram: how many took at most each of `BOUNDS_S`, and how many took longer."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds

    @property
    def n(self) -> int:
        return sum(self.counts)

    def copy(self) -> "Durations":
        return Durations(list(self.counts), self.sum_s)


@dataclass(slots=True)
class CallCounts:
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By method and outcome."""
    waiting: Durations = field(default_factory=Durations)
    work: dict[str, Durations] = field(default_factory=dict)
    """By method, of the calls that reached their handler."""

    def count(self, method: str, outcome: str, waited_s: float, worked_s: float | None) -> None:
        """`worked_s` is None for a call that was refused before."""
        self.outcomes[method, outcome] += 1
        self.waiting.observe(waited_s)
        if worked_s is not None:
            self.work.setdefault(method, Durations()).observe(worked_s)

    def copy(self) -> "CallCounts":
        work = {method: durations.copy() for method, durations in self.work.items()}
        return CallCounts(self.outcomes.copy(), self.waiting.copy(), work)


@dataclass(frozen=True, slots=True)
class EmbeddingWork:
    passages: int
    tokens: int
    seconds: float
    """Of all threads together."""


@dataclass(slots=True)
class StoreWork:
    commits: Durations = field(default_factory=Durations)
    rows: int = 0
    """Written as new; not those that were changed."""
    compactions: int = 0
    compaction_failures: int = 0
    compaction_failures_in_a_row: int = 0
    last_compaction_failure: str | None = None
    """The reason, until one succeeds again."""
    commits_taken_back: int = 0
    """Of which the disk lost a write."""
    indexes_rebuilt: int = 0
    """Because they were damaged."""

    def compacted(self) -> None:
        self.compactions += 1
        self.compaction_failures_in_a_row = 0
        self.last_compaction_failure = None

    def compaction_failed(self, reason: str) -> None:
        self.compaction_failures += 1
        self.compaction_failures_in_a_row += 1
        self.last_compaction_failure = reason

    @contextmanager
    def commit(self, n_rows: int = 0) -> Iterator[None]:
        """Around a commit, until it is on the disk. One that fails is not counted."""
        begun_s = time.perf_counter()
        yield
        self.commits.observe(time.perf_counter() - begun_s)
        self.rows += n_rows

    def copy(self) -> "StoreWork":
        return replace(self, commits=self.commits.copy())


@dataclass(slots=True)
class BackupWork:
    made: int = 0
    failures: int = 0


async def measure_loop_lag(lags: Durations) -> None:
    """Until cancelled: how much later than it should a timer rings."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + _LAG_EVERY_S
        await asyncio.sleep(_LAG_EVERY_S)
        lags.observe(max(0.0, loop.time() - due_s))
