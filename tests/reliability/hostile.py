"""What a well-behaved client sees while many others do their worst. Prints one JSON object.

First it works alone, then beside the bad clients, then alone again: the daemon has to be as before.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import model_cache
from cco_knowledge_client import KnowledgeClient
from process import Daemon, wait_until
from reliability import bad_clients

_PROCESSES = 4
_ENTRIES = 200
_PAUSE_S = 0.01
_SAMPLE_S = 0.1
_RECOVERY_S = 120.0
"""Calls that bad clients have left behind are still answered, one after the other."""


@dataclass(slots=True)
class Latencies:
    seconds: dict[str, list[float]] = field(default_factory=dict)

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[None]:
        begun_s = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - begun_s)

    def report(self) -> dict[str, dict[str, float]]:
        return {name: _quantiles(times) for name, times in self.seconds.items()}


def _quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    at = {"p50_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0}
    return {
        "n": len(ordered),
        **{
            name: round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part))], 1)
            for name, part in at.items()
        },
    }


@dataclass(slots=True)
class GoodClient:
    """Searches, reads and stores, one after the other, and checks each answer."""

    path: Path
    latencies: Latencies = field(default_factory=Latencies)
    errors: Counter[str] = field(default_factory=Counter)
    n: int = 0

    def work(self, is_over: Callable[[], bool]) -> None:
        with KnowledgeClient(self.path, timeout_s=60) as knowledge:
            while not is_over():
                self._round(knowledge)
                time.sleep(_PAUSE_S)  # as somebody who thinks; waits for nothing

    def _round(self, knowledge: KnowledgeClient) -> None:
        self.n += 1
        text = f"what the good client learned in round {self.n} of {id(self)}"
        try:
            with self.latencies.of("store"):
                stored = knowledge.store(text, project_id="good")
            with self.latencies.of("get"):
                found = knowledge.get([stored.id])
            assert [entry.text for entry in found.entries] == [text]
            with self.latencies.of("search"):
                hits = knowledge.search(f"round {self.n} of the good client", project_id="good")
            assert len(hits) >= min(self.n, 10)
        except Exception as error:  # noqa: BLE001  # each is a finding, and counted
            self.errors[f"{type(error).__name__}: {error}"[:200]] += 1


@dataclass(slots=True)
class Watched:
    """The daemon's memory and open files, looked at all the time."""

    pid: int
    peak_bytes: int = 0
    most_files: int = 0
    _end: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, resident_bytes(self.pid))
        self.most_files = max(self.most_files, open_files(self.pid))

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        def look_again() -> None:
            while not self._end.wait(_SAMPLE_S):
                self.look()

        thread = threading.Thread(target=look_again)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()


def resident_bytes(pid: int) -> int:
    pages = int((Path("/proc") / str(pid) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


@contextlib.contextmanager
def bad_crowd(
    path: Path, kinds: list[str], clients: int, seed: int, came: Counter[str]
) -> Iterator[None]:
    """`clients` bad clients in a few processes; `came` learns how often each kind connected."""
    context = multiprocessing.get_context("spawn")
    names = [kinds[number % len(kinds)] for number in range(clients)]
    crowds = []
    for number in range(_PROCESSES):
        ours, theirs = context.Pipe()
        arguments = (path, names[number::_PROCESSES], seed + number, theirs)
        process = context.Process(target=bad_clients.crowd, args=arguments)
        process.start()
        crowds.append((process, ours))
    try:
        yield
    finally:
        for _, ours in crowds:
            ours.send("end")
        for process, ours in crowds:
            came.update(ours.recv())
            process.join()


def measure(
    daemon: Daemon, *, seed: int, seconds: float, clients: int, kinds: list[str]
) -> dict[str, Any]:
    pid = daemon.pid
    with KnowledgeClient(daemon.socket_path, timeout_s=600) as knowledge:
        filling = [
            {"text": f"{n} " + "words of an entry that fills the table", "project_id": "full"}
            for n in range(_ENTRIES)
        ]
        knowledge.call("knowledge.store_batch", {"items": filling})
    good = {name: GoodClient(daemon.socket_path) for name in ("quiet", "loaded", "after")}
    good["quiet"].work(_after(seconds))
    before = {"memory_bytes": resident_bytes(pid), "open_files": open_files(pid)}
    sys.stderr.write(f"quiet: {json.dumps(good['quiet'].latencies.report())}\n")
    watched, came = Watched(pid), Counter[str]()
    with watched.watching(), bad_crowd(daemon.socket_path, kinds, clients, seed, came):
        good["loaded"].work(_after(seconds))
    sys.stderr.write(f"loaded: {json.dumps(good['loaded'].latencies.report())}\n")
    begun_s = time.monotonic()
    wait_until(lambda: _is_as_before(daemon), limit_s=_RECOVERY_S)
    recovered_s = time.monotonic() - begun_s
    good["after"].work(_after(min(seconds, 10.0)))
    report = {name: client.latencies.report() for name, client in good.items()}
    return {
        "seed": seed,
        "seconds": seconds,
        "clients": clients,
        "kinds": len(kinds),
        **report,
        "ratio_p95": {
            name: round(report["loaded"][name]["p95_ms"] / quiet["p95_ms"], 2)
            for name, quiet in report["quiet"].items()
            if name in report["loaded"]
        },
        "errors": {name: dict(client.errors) for name, client in good.items() if client.errors},
        "before": before,
        "peak": {"memory_bytes": watched.peak_bytes, "open_files": watched.most_files},
        "after_it": {"memory_bytes": resident_bytes(pid), "open_files": open_files(pid)},
        "recovered_s": round(recovered_s, 1),
        "came": dict(sorted(came.items())),
    }


def _after(seconds: float) -> Callable[[], bool]:
    end_s = time.monotonic() + seconds
    return lambda: time.monotonic() > end_s


def _is_as_before(daemon: Daemon) -> bool:
    status = daemon.call("system.status")
    return bool(status["connections"] == 1 and not status["queue"])


def run(
    *, seed: int = 1, seconds: float = 60.0, clients: int = 200, kinds: list[str] | None = None
) -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="kh-", dir="/tmp"))  # short, for the socket
    (home / "models").mkdir(mode=0o700)
    model = model_cache.make_model(model_cache.ARCHIVE)
    shutil.copyfile(model, home / "models" / model.name)
    daemon = Daemon(home).start().wait_ready()
    try:
        chosen = kinds or list(bad_clients.KINDS)
        return measure(daemon, seed=seed, seconds=seconds, clients=clients, kinds=chosen)
    finally:
        daemon.stop()
        daemon.discard()
        shutil.rmtree(home)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--kinds", nargs="*", choices=sorted(bad_clients.KINDS))
    options = parser.parse_args()
    sys.stdout.write(json.dumps(run(**vars(options)), indent=1) + "\n")


if __name__ == "__main__":
    main()
