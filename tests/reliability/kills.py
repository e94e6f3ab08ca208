"""Clients that change the store, and a daemon that is killed in the middle of it, again and again.

At a random moment or at a point of `cco_knowledge.faults`. Prints one JSON object; exit 1 if a
start failed, an acknowledged entry was lost or is there twice, or a deleted one came back.
"""

import argparse
import itertools
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  # before the daemon's modules, as in conftest

from cco_knowledge import faults
from cco_knowledge_client import KnowledgeClient, KnowledgeError
from entries import listed
from faulty import Faults
from process import Daemon, DidNotStart
from reliability.acts import Client
from reliability.homes import home_with_model, machine

_CLIENTS = 4
_LONGEST_S = 10.0
"""Until a planned point has to be reached; else it is killed there and then."""
_LATEST_RANDOM_S = 1.5
_AT_A_POINT = 0.6
"""Of all kills."""
_PASSES = {"embedding.call": 8}
_OTHER_PASSES = 2
_BETWEEN_UPKEEP_S = 0.2
_VERIFY_EVERY = 25
_RANDOM = "random moment"
_UPKEEP = ("system.optimize", "system.backup", "system.optimize")


@dataclass(frozen=True, slots=True)
class _Plan:
    point: str = _RANDOM
    at_pass: int = 0

    @property
    def line(self) -> str | None:
        return f"{self.point} kill {self.at_pass}" if self.at_pass else None

    @property
    def comes_at_the_start(self) -> bool:
        return self.point.startswith("start.")


@dataclass(slots=True)
class _Run:
    rng: random.Random
    home: Path
    file: Faults
    clients: list[Client]
    kills: Counter[str] = field(default_factory=Counter)
    start_s: list[float] = field(default_factory=list)
    n_doubts: int = 0
    found: list[str] = field(default_factory=list)
    """What is wrong, with the number of the round."""

    def round(self, number: int) -> None:
        """Start, compare with what was before, work, kill."""
        planned = self._plan()
        self.file.set(*([planned.line] if planned.line and planned.comes_at_the_start else []))
        daemon = self._started(number, planned)
        try:
            self._check(number, daemon)
            self.file.set(*([planned.line] if planned.line else []))
            self._work_until_killed(daemon, planned)
        finally:
            daemon.discard()

    def end(self, number: int) -> None:
        self.file.set()
        daemon = self._started(number, _Plan())
        try:
            self._check(number, daemon)
            self._verify(number, daemon)
            daemon.stop()
        finally:
            daemon.discard()

    def _plan(self) -> _Plan:
        if self.rng.random() >= _AT_A_POINT:
            return _Plan()
        point = self.rng.choice(sorted(faults.POINTS))
        return _Plan(point, self.rng.randint(1, _PASSES.get(point, _OTHER_PASSES)))

    def _started(self, number: int, planned: _Plan) -> Daemon:
        begun_s = time.monotonic()
        daemon = Daemon(self.home, environment=self.file.environment).start()
        try:
            daemon.wait_ready()
        except DidNotStart as error:
            daemon.discard()
            if not planned.comes_at_the_start:
                self.found.append(f"round {number}: no start: {error}")
                raise
            self.kills[planned.point] += 1
            self.file.set()
            return self._started(number, _Plan())
        self.start_s.append(time.monotonic() - begun_s)
        return daemon

    def _work_until_killed(self, daemon: Daemon, planned: _Plan) -> None:
        ended = threading.Event()
        socket = daemon.socket_path
        works: list[Callable[[], None]] = [
            *(lambda client=client: client.work(socket, ended) for client in self.clients),
            lambda: _keep_up(socket, ended),
        ]
        threads = [threading.Thread(target=work) for work in works]
        for thread in threads:
            thread.start()
        moment_s = self.rng.uniform(0.0, _LATEST_RANDOM_S)
        died_by_itself = _has_ended(daemon, _LONGEST_S if planned.line else moment_s)
        daemon.kill()
        ended.set()
        for thread in threads:
            thread.join()
        self.kills[planned.point if died_by_itself else _RANDOM] += 1

    def _check(self, number: int, daemon: Daemon) -> None:
        self._compare(number, daemon)
        with KnowledgeClient(daemon.socket_path, timeout_s=60) as knowledge:
            for client in self.clients:
                client.try_again(knowledge)
        self._compare(number, daemon)
        if number % _VERIFY_EVERY == 0:
            self._verify(number, daemon)

    def _compare(self, number: int, daemon: Daemon) -> None:
        found = listed(daemon, limit=1000, include_superseded=True)
        for client in self.clients:
            own = [entry for entry in found if entry["project_id"] == client.name]
            wrong = client.expected.faults(own, client.doubts)
            wrong += [f"refused: {refusal}" for refusal in client.refusals]
            client.refusals.clear()
            self.n_doubts += len(client.doubts)
            self.found += [f"round {number}: {one}" for one in wrong]

    def _verify(self, number: int, daemon: Daemon) -> None:
        job = daemon.call("job.wait", {"id": daemon.call("system.verify")["id"]})
        problems = job["result"]["problems"] if job["result"] else [job["error"]]
        self.found += [f"round {number}: verify: {problem}" for problem in problems]


def run(seed: int, rounds: int, tell: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """The same seed makes the same acts and plans; which of them is under way at a kill differs."""
    rng = random.Random(seed)
    with home_with_model() as home:
        clients = [Client(f"client{n}", random.Random(rng.random())) for n in range(_CLIENTS)]
        played = _Run(rng, home, Faults(home / "faults"), clients)
        for number in range(1, rounds + 1):
            played.round(number)
            tell(f"{number} of {rounds}: {dict(played.kills)}, wrong: {len(played.found)}\n")
            if len(played.found) > 20:  # the rest would only repeat it
                break
        played.end(number)
        return {
            "seed": seed,
            "rounds": number,
            "kills": dict(sorted(played.kills.items())),
            "acknowledged": sum(client.n_acknowledged for client in clients),
            "in_doubt": played.n_doubts,
            "start_s": {
                "median": round(statistics.median(played.start_s), 2),
                "most": round(max(played.start_s), 2),
            },
            "wrong": played.found,
        }


def is_sound(report: dict[str, Any]) -> bool:
    return not report["wrong"]


def _keep_up(socket_path: Path, ended: threading.Event) -> None:
    """Compactions and backups beside the clients, until nobody answers."""
    with KnowledgeClient(socket_path, timeout_s=60) as knowledge, suppress(KnowledgeError):
        for method in itertools.cycle(_UPKEEP):
            if ended.wait(_BETWEEN_UPKEEP_S):
                return
            knowledge.call("job.wait", {"id": knowledge.call(method)["id"]})


def _has_ended(daemon: Daemon, within_s: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        daemon.wait(within_s)
        return True
    return False


def _tell(line: str) -> None:
    sys.stderr.write(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=500)
    options = parser.parse_args()
    report = run(options.seed, options.rounds, _tell)
    sys.stdout.write(json.dumps({"machine": machine(), "kills": report}, indent=1) + "\n")
    return int(not is_sound(report))


if __name__ == "__main__":
    sys.exit(main())
