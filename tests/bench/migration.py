"""How fast old records come in, against the engine's own bulk rate. Prints one JSON object.

The baseline is `embedding.embed` of texts of the same kind, on the same daemon, right before and
right after the migration. `cpu_ratio` compares the daemon's CPU seconds a text, which the other
users of a shared machine change less than the time by the clock.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import lance
import psutil
import pyarrow as pa

from bench.texts import texts
from cco_knowledge_client import KnowledgeClient
from outcome import Kmctl

_EMBEDDED_AT_ONCE = 256
_LIMIT_S = 3600
_DIM = 384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--embedded", type=int, default=1_024, help="texts before and after")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="km-"))
    try:
        result = _measure(home, options.records, options.embedded)
        sys.stdout.write(json.dumps(result, indent=2) + "\n")
    finally:
        shutil.rmtree(home)


def _measure(home: Path, n_records: int, n_embedded: int) -> dict[str, Any]:
    source = home / "old"
    _write_table(source / "shop", texts(n_records, words=(20, 60), seed=1))
    kmctl = Kmctl(home / "home")
    _checked(kmctl("model", "pull", "all-MiniLM-L6-v2"))
    _checked(kmctl("start", "--detach"))
    try:
        daemon = psutil.Process(kmctl.json("status")["pid"])
        before = _embed(kmctl, daemon, texts(n_embedded, words=(20, 60), seed=2))
        timer = _Timer(daemon)
        with kmctl.begin("migrate", str(source), "--json") as running:
            report = json.loads(running.communicate(timeout=_LIMIT_S)[0])
        migrated = timer.rate(report["stored"])
        after = _embed(kmctl, daemon, texts(n_embedded, words=(20, 60), seed=3))
    finally:
        kmctl("stop")
    return {
        "records": n_records,
        "stored": report["stored"],
        "failed": report["failed"],
        "searches_missed": len(report["searches"]["missed"]),
        "embedded_before": before.rounded(),
        "embedded_after": after.rounded(),
        "migrated": migrated.rounded(),
        "ratio": round(2 * migrated.a_second / (before.a_second + after.a_second), 3),
        "cpu_ratio": round((before.cpu_ms + after.cpu_ms) / 2 / migrated.cpu_ms, 3),
    }


@dataclass(frozen=True, slots=True)
class _Rate:
    a_second: float
    cpu_ms: float
    """The daemon's, a text."""

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 1) for name, value in asdict(self).items()}


class _Timer:
    def __init__(self, daemon: psutil.Process) -> None:
        self._daemon = daemon
        self._cpu_s = self._used_s()
        self._begun = time.perf_counter()

    def rate(self, n_texts: int) -> _Rate:
        elapsed_s = time.perf_counter() - self._begun
        cpu_s = self._used_s() - self._cpu_s
        return _Rate(n_texts / elapsed_s, cpu_s * 1000 / n_texts)

    def _used_s(self) -> float:
        times = self._daemon.cpu_times()
        return float(times.user + times.system)


def _embed(kmctl: Kmctl, daemon: psutil.Process, all_texts: Sequence[str]) -> _Rate:
    with KnowledgeClient(kmctl.home / "knowledge.sock", timeout_s=_LIMIT_S) as knowledge:
        knowledge.embed(all_texts[:8])
        timer = _Timer(daemon)
        for start in range(8, len(all_texts), _EMBEDDED_AT_ONCE):
            knowledge.embed(all_texts[start : start + _EMBEDDED_AT_ONCE])
        return timer.rate(len(all_texts) - 8)


def _write_table(folder: Path, all_texts: Sequence[str]) -> None:
    """As the old tool would have: its columns, its ids and its hash of a vector left at 1."""
    names = ("id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata")
    rows = [
        (f"decision-{number}-x", text, "decision", "shop", "unknown", "cli", _TIME, "{}")
        for number, text in enumerate(all_texts)
    ]
    columns: dict[str, Any] = {
        name: pa.array(values, pa.string())
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    numbers = pa.array([1.0] * (_DIM * len(rows)), pa.float32())
    columns["vector"] = pa.FixedSizeListArray.from_arrays(numbers, _DIM)
    lance.write_dataset(pa.table(columns), str(folder / "orchestra_knowledge.lance"))


def _checked(outcome: Any) -> None:
    if outcome.code != 0:
        sys.exit(outcome.err)


_TIME = "2025-11-13T09:00:08.000Z"

if __name__ == "__main__":
    main()
