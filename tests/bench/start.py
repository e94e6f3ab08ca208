"""From the start of the process to ready, and to the first hit; files warm."""

import shutil
import statistics
import time
from typing import Any

from bench.figures import cpu_s, memory_mb
from bench.stand import Options, copied, filled
from cco_knowledge_client import KnowledgeClient
from process import Daemon


def run(options: Options) -> dict[str, Any]:
    home = copied(options, filled(options, options.entries))
    ready, first_hit, cpu, memory = [], [], [], []
    for _ in range(options.count(7, 3)):
        begun = time.perf_counter()
        daemon = Daemon(home).start().wait_ready()
        ready.append(time.perf_counter() - begun)
        with KnowledgeClient(daemon.socket_path) as knowledge:
            hits = knowledge.search("which database did we choose")
            first_hit.append(time.perf_counter() - begun)
            cpu.append(cpu_s(daemon.pid))
            memory.append(memory_mb(daemon.pid)["resident"])
        daemon.stop()
        daemon.discard()
        assert hits
    shutil.rmtree(home)
    return {
        "ready_s": _spread(ready),
        "first_hit_s": _spread(first_hit),
        "cpu_s": _spread(cpu),
        "resident_mb": statistics.median(memory),
    }


def _spread(samples: list[float]) -> dict[str, float]:
    return {
        "n": len(samples),
        "p50": round(statistics.median(samples), 3),
        "max": round(max(samples), 3),
    }
