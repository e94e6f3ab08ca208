"""What every part of the suite tells of its samples, and of what a process took for them."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def ms(work: Callable[..., object], *arguments: Any, **named: Any) -> float:
    """How long one call took."""
    begun = time.perf_counter()
    work(*arguments, **named)
    return (time.perf_counter() - begun) * 1000


def spread(samples_ms: Sequence[float]) -> dict[str, float]:
    """Nearest rank; `rate` is what one caller alone reaches."""
    ordered = sorted(samples_ms)
    n = len(ordered)
    ranks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        "n": n,
        **{name: round(ordered[min(int(n * rank), n - 1)], 3) for name, rank in ranks.items()},
        "rate": round(1000 * n / sum(ordered), 1),
    }


def ratio(one: Sequence[float], other: Sequence[float]) -> float:
    """Of the medians: a pause of the machine in one sample does not move it."""
    return round(statistics.median(one) / statistics.median(other), 3)


@dataclass(slots=True)
class Spent:
    """CPU seconds, filled in when the block has ended."""

    daemon_cpu_s: float = 0.0
    client_cpu_s: float = 0.0
    wall_s: float = 0.0

    def figures(self) -> dict[str, float]:
        return {
            "daemon_cpu_s": round(self.daemon_cpu_s, 3),
            "client_cpu_s": round(self.client_cpu_s, 3),
            "wall_s": round(self.wall_s, 3),
        }


@contextmanager
def spent(pid: int) -> Iterator[Spent]:
    """What the daemon `pid` and this process take in the block."""
    taken = Spent()
    begun = (cpu_s(pid), _own_cpu_s(), time.perf_counter())
    yield taken
    ended = (cpu_s(pid), _own_cpu_s(), time.perf_counter())
    taken.daemon_cpu_s, taken.client_cpu_s, taken.wall_s = (
        after - before for before, after in zip(begun, ended, strict=True)
    )


def cpu_s(pid: int) -> float:
    """All threads, user and system, in whole ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _own_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory_mb(pid: int) -> dict[str, float]:
    """Resident; and proportional, in which a page shared by n processes counts an nth."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    kilobytes = {
        line.split(":")[0]: int(line.split()[1]) for line in rollup.splitlines() if " kB" in line
    }
    return {
        "resident": round(kilobytes["Rss"] * 1024 / 1e6, 1),
        "proportional": round(kilobytes["Pss"] * 1024 / 1e6, 1),
        "private": round((kilobytes["Private_Clean"] + kilobytes["Private_Dirty"]) * 1024 / 1e6, 1),
    }


def disk_mb(folder: Path) -> float:
    """What the files take on the disk; those that are linked twice count once."""
    sizes = {
        (found.st_dev, found.st_ino): found.st_blocks * 512
        for path in folder.rglob("*")
        if not path.is_symlink()
        for found in [path.stat()]
    }
    return round(sum(sizes.values()) / 1e6, 1)
