"""Many single stores through the socket, with some searches and deletes. Prints one JSON object.

What has to stay bounded is looked at all the time: files and versions of the table, the disk,
and the daemon's open files, threads and memory.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import model_cache
from bench.texts import texts
from cco_knowledge_client import KnowledgeClient
from process import Daemon, wait_until
from prometheus_text import measured

_SAMPLES = 200
_DELETE_EVERY = 10
_SEARCH_EVERY = 20


@dataclass(frozen=True, slots=True)
class Sample:
    at_s: float
    entries: int
    fragments: int
    versions: int
    unindexed_rows: int
    disk_bytes: int
    """With what was deleted and is still open."""
    live_bytes: int
    """Of the present version, small files included."""
    open_files: int
    threads: int
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Soak:
    stores: int
    seconds: float
    samples: Sequence[Sample]
    after_optimize: Sample

    def most(self, name: str) -> int:
        return max(int(getattr(sample, name)) for sample in self.samples)

    def disk_factors(self) -> list[float]:
        """The disk of each sample over what its entries take once all is compacted."""
        row_bytes = self.after_optimize.disk_bytes / self.after_optimize.entries
        return [sample.disk_bytes / (sample.entries * row_bytes) for sample in self.samples]


def soak(
    daemon: Daemon,
    n_stores: int,
    n_samples: int = _SAMPLES,
    tell: Callable[[Sample], None] = lambda _: None,
) -> Soak:
    """Ends when maintenance has nothing left to do, and then optimizes."""
    begun_s = time.monotonic()
    samples = []
    ids: list[str] = []
    with KnowledgeClient(daemon.socket_path, timeout_s=600) as knowledge:
        for number, text in enumerate(texts(n_stores, words=(8, 16), seed=1), start=1):
            ids.append(knowledge.store(text, project_id=f"project-{number % 20}").id)
            if number % _DELETE_EVERY == 0:
                knowledge.call("knowledge.delete", {"ids": [ids[number // 2]]})
            if number % _SEARCH_EVERY == 0:
                knowledge.search(text[:40], limit=5)
            if number % max(1, n_stores // n_samples) == 0:
                samples.append(_sample(daemon, knowledge, begun_s))
                tell(samples[-1])
        seconds = time.monotonic() - begun_s
        wait_until(lambda: _sample(daemon, knowledge, begun_s).fragments <= 16, limit_s=300)
        samples.append(_sample(daemon, knowledge, begun_s))
        knowledge.call("job.wait", {"id": knowledge.call("system.optimize")["id"]})
        return Soak(n_stores, seconds, samples, _sample(daemon, knowledge, begun_s))


def _sample(daemon: Daemon, knowledge: KnowledgeClient, begun_s: float) -> Sample:
    stats = knowledge.call("knowledge.stats")
    storage = stats["storage"]
    process = Path("/proc") / str(daemon.pid)
    return Sample(
        at_s=round(time.monotonic() - begun_s, 1),
        entries=stats["total_records"],
        fragments=storage["fragments"],
        versions=storage["versions"],
        unindexed_rows=storage["unindexed_rows"],
        disk_bytes=storage["bytes"] + _deleted_bytes(process),
        live_bytes=int(measured(daemon.socket_path).value("cco_knowledge_table_live_bytes")),
        open_files=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        resident_bytes=knowledge.call("system.status")["rss_bytes"],
    )


def _deleted_bytes(process: Path) -> int:
    n_bytes = 0
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if str(descriptor.readlink()).endswith(" (deleted)"):
                n_bytes += descriptor.stat().st_size
    return n_bytes


def report(seen: Soak) -> dict[str, object]:
    factors = seen.disk_factors()
    large = factors[len(factors) // 20 :]
    return {
        "stores": seen.stores,
        "seconds": round(seen.seconds, 1),
        "most": {
            name: seen.most(name)
            for name in (
                *("fragments", "versions", "unindexed_rows"),
                *("open_files", "threads", "resident_bytes"),
            )
        },
        "disk_over_compacted": {
            "most": round(max(large), 2),
            "median": round(sorted(large)[len(large) // 2], 2),
            "over_2": sum(factor > 2 for factor in large),
            "of": len(large),
            "at_the_end": round(factors[-1], 2),
        },
        "after_optimize": asdict(seen.after_optimize),
        "samples": [asdict(sample) for sample in seen.samples],
    }


def _tell(sample: Sample) -> None:
    sys.stderr.write(json.dumps(asdict(sample)) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stores", type=int, default=20_000)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="ks-", dir="/tmp"))  # short, for the socket
    (home / "models").mkdir(mode=0o700)
    model = model_cache.make_model(model_cache.ARCHIVE)
    shutil.copyfile(model, home / "models" / model.name)
    daemon = Daemon(home).start().wait_ready()
    try:
        seen = soak(daemon, options.stores, tell=_tell)
        sys.stdout.write(json.dumps(report(seen), indent=1) + "\n")
    finally:
        daemon.stop()
        daemon.discard()
        shutil.rmtree(home)


if __name__ == "__main__":
    main()
