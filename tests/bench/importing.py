"""Many entries by `kmctl import`, beside the rate at which the bare model embeds the same texts."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.bare import BareModel
from bench.figures import disk_mb, memory_mb, spent
from bench.stand import TYPICAL_WORDS, Options, stand
from bench.texts import texts
from process import clean_environment

_COMPARED = 500
_ROOTS = ("daemon", "client")


def run(options: Options) -> dict[str, Any]:
    """`--entries` says how many."""
    entries = texts(options.entries, words=TYPICAL_WORDS, seed=options.seed + 6)
    bare = BareModel()
    with stand(options, entries=0) as measured:
        file = measured.home / "import.jsonl"
        with file.open("w") as lines:
            for text in entries:
                lines.write(json.dumps({"text": text, "project_id": "imported"}) + "\n")
        rates = [_bare_rate(bare, entries[:_COMPARED])]
        with spent(measured.daemon.pid) as taken:
            _import(measured.home, file)
        rates.append(_bare_rate(bare, entries[-_COMPARED:]))
        held = memory_mb(measured.daemon.pid)
        n_there = measured.knowledge.stats().total_records
        bare.close()
        rate = len(entries) / taken.wall_s
        bare_rate = sum(rates) / len(rates)
        return {
            "entries": len(entries),
            "missing": len(entries) - n_there,
            "rate": round(rate, 1),
            "bare_embedding_rate": round(bare_rate, 1),
            "rate_to_bare_embedding": round(rate / bare_rate, 3),
            **taken.figures(),
            "memory_mb": held,
            "disk_mb": disk_mb(measured.table_folder),
        }


def _import(home: Path, file: Path) -> None:
    root = Path(__file__).parents[2]
    environment = clean_environment(home)
    environment["PYTHONPATH"] = ":".join(str(root / part) for part in _ROOTS)
    command = [sys.executable, "-m", "kmctl", "import", str(file), "--home", str(home), "--json"]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def _bare_rate(bare: BareModel, some: list[str]) -> float:
    begun = time.perf_counter()
    bare.embed_many(some)
    return len(some) / (time.perf_counter() - begun)
