"""Mixed calls of 16 clients over both framings for a while. Prints one JSON object.

Exit 1 if an error came that the contract does not promise, an acknowledged entry was lost, or
memory, threads or open files of the daemon grew all the time.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  # before the daemon's modules, as in conftest

from cco_knowledge.rpc.errors import CODES
from entries import listed
from process import Daemon
from reliability.homes import home_with_model, machine
from restarts.load import RawCaller
from wire import FRAMINGS, RpcError

_CLIENTS = 16
_OWN_ENTRIES = 100
_PROMISED = frozenset(CODES) - {"internal"}
_LEAST_SAMPLES = 8
_WORDS = [
    "backup",
    "release",
    "index",
    "worker",
    "deadline",
    "cache",
    "review",
    "migration",
    "token",
    "socket",
]
_GROWTH = {"resident_bytes": 32 << 20, "threads": 64, "open_files": 40}
"""Over the second half; LanceDB's own threads come and go by dozens: docs/measuring.md."""


_Call = tuple[str, dict[str, Any], Callable[[Any], None]]
"""A method, its params, and what hears of the result."""


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    resident_bytes: int
    threads: int
    open_files: int


@dataclass(slots=True)
class _Client:
    number: int
    caller: RawCaller
    rng: random.Random
    own: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    broken: list[str] = field(default_factory=list)

    def work(self, until_s: float) -> None:
        while time.monotonic() < until_s:
            method, params, hear = self._next()
            begun_s = time.perf_counter()
            try:
                result = self.caller.call(method, params)
            except RpcError as error:
                self.outcomes[method, error.reason] += 1
            except Exception as error:  # noqa: BLE001  # whatever it is, nobody promised it
                self.broken.append(f"{method}: {type(error).__name__}")
            else:
                self.outcomes[method, "ok"] += 1
                self.ms[method].append((time.perf_counter() - begun_s) * 1000)
                hear(result)
        self.caller.close()

    def _next(self) -> _Call:
        if len(self.own) > _OWN_ENTRIES:
            gone = self.rng.sample(self.own, 20)
            return "knowledge.delete", {"ids": gone}, lambda _: self._forget(gone)
        makers = {
            self._search: 40,
            self._store: 20,
            self._list: 8,
            self._get: 8,
            self._update: 6,
            self._batch: 3,
            self._wrong: 10,
        }
        return self.rng.choices(list(makers), list(makers.values()))[0]()

    def _search(self) -> _Call:
        method = self.rng.choice(["knowledge.search"] * 9 + ["knowledge.context"])
        name = "query" if method == "knowledge.search" else "task"
        return method, {name: self._text()}, _ignore

    def _store(self) -> _Call:
        return "knowledge.store", self._item(), lambda result: self.own.append(result["id"])

    def _batch(self) -> _Call:
        return "knowledge.store_batch", {"items": [self._item() for _ in range(5)]}, self._keep

    def _list(self) -> _Call:
        if self.rng.random() < 0.1:
            return "knowledge.stats", {}, _ignore
        return "knowledge.query", {"limit": 20, "project_id": self._project}, _ignore

    def _get(self) -> _Call:
        ids = self.rng.sample(self.own, min(len(self.own), 3)) or ["nobody"]
        return "knowledge.get", {"ids": ids}, self._check_found if self.own else _ignore

    def _update(self) -> _Call:
        one = self.rng.choice(self.own or ["nobody"])
        return "knowledge.update", {"id": one, "text": self._text()}, _ignore

    def _wrong(self) -> _Call:
        method, params = self.rng.choice(_WRONG)
        return method, params, _ignore

    @property
    def _project(self) -> str:
        return f"client-{self.number}"

    def _item(self) -> dict[str, Any]:
        return {"text": self._text(), "project_id": self._project}

    def _text(self) -> str:
        return f"{' '.join(self.rng.choices(_WORDS, k=8))} {self.rng.getrandbits(40):x}"

    def _keep(self, result: Any) -> None:
        self.own += [one["id"] for one in result["results"] if "id" in one]

    def _check_found(self, result: Any) -> None:
        if result["missing"]:
            self.broken.append("an acknowledged entry is missing")

    def _forget(self, gone: Sequence[str]) -> None:
        self.gone |= set(gone)
        self.own = [one for one in self.own if one not in self.gone]


_WRONG: list[tuple[str, dict[str, Any]]] = [
    ("knowledge.nothing", {}),
    ("knowledge.store", {"text": ""}),
    ("knowledge.update", {"id": "nobody", "text": "x"}),
    ("knowledge.search", {"query": "x", "limit": 0}),
    ("knowledge.delete", {"type": "general", "expect": 987_654}),
]


def _ignore(_result: object) -> None:
    pass


def run(seed: int, seconds: float, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    with home_with_model() as home:
        daemon = Daemon(home).start().wait_ready()
        try:
            return _run(daemon, seed, seconds, tell)
        finally:
            daemon.stop()
            daemon.discard()


def _run(daemon: Daemon, seed: int, seconds: float, tell: Callable[[str], None]) -> dict[str, Any]:
    clients = [
        _Client(
            number,
            RawCaller(daemon.socket_path, FRAMINGS[number % 2]),
            random.Random(f"{seed}-{number}"),
        )
        for number in range(_CLIENTS)
    ]
    begun_s = time.monotonic()
    until_s = begun_s + seconds
    threads = [threading.Thread(target=client.work, args=[until_s]) for client in clients]
    for thread in threads:
        thread.start()
    samples, pause = [_sample(daemon.pid, begun_s)], threading.Event()
    while any(thread.is_alive() for thread in threads):
        pause.wait(max(0.25, seconds / 600))
        samples.append(_sample(daemon.pid, begun_s))
        tell(f"{samples[-1]}\n")
    return _report(daemon, seed, clients, samples)


def _report(
    daemon: Daemon, seed: int, clients: Sequence[_Client], samples: Sequence[_Sample]
) -> dict[str, Any]:
    outcomes = sum((client.outcomes for client in clients), Counter[tuple[str, str]]())
    there = [entry["id"] for entry in listed(daemon, limit=1000)]
    own = {one for client in clients for one in client.own}
    gone = {one for client in clients for one in client.gone}
    growth = _growth(samples)
    return {
        "seed": seed,
        "seconds": round(samples[-1].at_s, 1),
        "calls": outcomes.total(),
        "outcomes": {f"{method} {outcome}": n for (method, outcome), n in sorted(outcomes.items())},
        "unpromised": {
            f"{method} {outcome}": n
            for (method, outcome), n in outcomes.items()
            if outcome not in _PROMISED | {"ok"}
        },
        "broken": [one for client in clients for one in client.broken][:20],
        "lost": len(own - set(there)),
        "twice": len(there) - len(set(there)),
        "came_back": len(gone & set(there)),
        "ms": _latencies(clients),
        "growth_in_second_half": growth,
        "grows": [name for name, most in _GROWTH.items() if growth.get(name, 0) > most],
        "first": _as_json(samples[len(samples) // 2]),
        "last": _as_json(samples[-1]),
    }


def is_sound(report: dict[str, Any]) -> bool:
    wrong = ("unpromised", "broken", "lost", "twice", "came_back", "grows")
    return not any(report[name] for name in wrong)


def _latencies(clients: Sequence[_Client]) -> dict[str, dict[str, float]]:
    methods = sorted({method for client in clients for method in client.ms})
    took = {m: sorted(ms for client in clients for ms in client.ms.get(m, [])) for m in methods}
    return {
        method: {
            "p50": round(ms[len(ms) // 2], 1),
            "p95": round(ms[len(ms) * 95 // 100], 1),
            "most": round(ms[-1], 1),
        }
        for method, ms in took.items()
    }


def _growth(samples: Sequence[_Sample]) -> dict[str, int]:
    """By the slope of the second half."""
    half = samples[len(samples) // 2 :]
    if len(half) < _LEAST_SAMPLES:
        return {}
    moments = [sample.at_s for sample in half]
    lasted_s = moments[-1] - moments[0]
    return {
        name: round(
            statistics.linear_regression(moments, [getattr(sample, name) for sample in half]).slope
            * lasted_s
        )
        for name in _GROWTH
    }


def _sample(pid: int, begun_s: float) -> _Sample:
    process = Path("/proc") / str(pid)
    status = (process / "status").read_text("ascii", "replace")
    facts = dict(line.split(":", 1) for line in status.splitlines())
    return _Sample(
        round(time.monotonic() - begun_s, 1),
        int(facts["VmRSS"].split()[0]) << 10,
        int(facts["Threads"]),
        sum(1 for _ in (process / "fd").iterdir()),
    )


def _as_json(sample: _Sample) -> dict[str, float]:
    return {
        "at_s": sample.at_s,
        "resident_bytes": sample.resident_bytes,
        "threads": sample.threads,
        "open_files": sample.open_files,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    report = run(options.seed, options.minutes * 60)
    sys.stdout.write(json.dumps({"machine": machine(), "load": report}, indent=1) + "\n")
    return int(not is_sound(report))


if __name__ == "__main__":
    sys.exit(main())
