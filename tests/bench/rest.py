"""What a daemon takes that nobody asks anything: CPU, and how often it wakes up."""

import time
from pathlib import Path
from typing import Any

from bench.figures import cpu_s
from bench.stand import Options, stand

_SETTLED_S = 5.0
"""So long without work it has been when the measuring begins."""


def run(options: Options) -> dict[str, Any]:
    seconds = options.count(60, 10)
    with stand(options) as measured:
        measured.knowledge.search("which database did we choose")
        pid = measured.daemon.pid
        _settle(pid)
        begun, begun_cpu, begun_wakes = time.monotonic(), cpu_s(pid), _wakes(pid)
        time.sleep(seconds)
        took_s = time.monotonic() - begun
        return {
            "seconds": round(took_s, 1),
            "percent_of_a_core": round(100 * (cpu_s(pid) - begun_cpu) / took_s, 3),
            "wakes_per_s": round(_woken_since(begun_wakes, pid) / took_s, 1),
        }


def _settle(pid: int) -> None:
    """Until the calibration and the folding that a start or a search begins are over."""
    while True:
        begun = cpu_s(pid)
        time.sleep(_SETTLED_S)
        if cpu_s(pid) - begun < 0.01 * _SETTLED_S:
            return


def _wakes(pid: int) -> dict[str, int]:
    """By thread: how often it went to sleep by itself."""
    return {
        task.name: int(line.split()[1])
        for task in Path(f"/proc/{pid}/task").iterdir()
        for line in (task / "status").read_text("ascii").splitlines()
        if line.startswith("voluntary_ctxt_switches")
    }


def _woken_since(begun: dict[str, int], pid: int) -> int:
    """Without threads that have ended meanwhile."""
    return sum(wakes - begun.get(thread, 0) for thread, wakes in _wakes(pid).items())
