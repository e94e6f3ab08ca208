"""How quick a running daemon is, on entries of a project of its own that are gone afterwards."""

import itertools
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cco_knowledge_client import KnowledgeClient, KnowledgeError

PROJECT = "kmctl-bench"
_VOCABULARY = """
service worker queue cache index table schema client server deploy release branch latency
throughput retry backoff timeout gateway cookie payload migration shard replica snapshot metric
alert dashboard pipeline container cluster policy role
"""
_ENTRY_WORDS = 30
_QUERY_WORDS = 6
_SEARCHES = 0.7
_PAGE = 1000

Connect = Callable[[], KnowledgeClient]


@dataclass(slots=True)
class Benchmark:
    """One run. What it stored is found again by its session, whatever interrupted it."""

    connect: Connect
    n_entries: int
    n_clients: int
    seconds: float
    seed: int = 1
    session: str = field(default_factory=lambda: f"bench-{secrets.token_hex(6)}")
    _is_interrupted: bool = False

    def run(self) -> dict[str, Any]:
        """What was stored is deleted whatever happens.

        Raises:
            KnowledgeError
            KeyboardInterrupt: once the calls at work are answered. Only then is it known what
                is stored.
        """
        with self.connect() as knowledge, self._cleared() as cleared, self._interrupts_kept():
            operations = self._one_caller(knowledge)
            mixed, n_failed = self._many_callers()
        return {
            "project_id": PROJECT,
            "entries": self.n_entries,
            "clients": self.n_clients,
            "seed": self.seed,
            "operations": {**operations, "mixed": mixed},
            "failed": n_failed,
            "deleted": cleared.n_entries,
        }

    def _one_caller(self, knowledge: KnowledgeClient) -> dict[str, Any]:
        texts = _texts(self.seed, self.session, _ENTRY_WORDS)
        queries = _texts(self.seed + 1, "", _QUERY_WORDS)
        fields = self._fields
        ids = [knowledge.store(next(texts), **fields).id]
        again = next(queries)
        batch = [{"text": next(texts), **fields} for _ in range(self.n_entries)]
        calls: dict[str, Callable[[], object]] = {
            "ping": knowledge.ping,
            "store": lambda: ids.append(knowledge.store(next(texts), **fields).id),
            "search": lambda: knowledge.search(next(queries)),
            "search in the project": lambda: knowledge.search(next(queries), project_id=PROJECT),
            "get": lambda: knowledge.get([ids[-1]]),
            "query": lambda: knowledge.query(project_id=PROJECT, limit=20),
        }
        # One after the other in turn: what else the machine does then hits all alike.
        samples = {name: list[float]() for name in calls}
        for _ in range(self.n_entries):
            for name, call in calls.items():
                samples[name].append(self._seconds(call))
        samples["the same search again"] = [
            self._seconds(lambda: knowledge.search(again)) for _ in range(self.n_entries + 1)
        ][1:]
        stored = self._seconds(lambda: knowledge.store_batch(batch))
        samples[f"batch of {self.n_entries}"] = [stored]
        return {name: _figures(of, sum(of)) for name, of in samples.items()}

    def _many_callers(self) -> tuple[dict[str, Any], int]:
        """70% search, 30% store; how many calls failed, too."""
        samples: list[float] = []
        failures: list[str] = []
        is_over = threading.Event()
        callers = [
            threading.Thread(target=self._caller, args=(number, is_over, samples, failures))
            for number in range(self.n_clients)
        ]
        begun = time.perf_counter()
        for caller in callers:
            caller.start()
        while not self._is_interrupted and time.perf_counter() - begun < self.seconds:
            is_over.wait(min(0.1, self.seconds))
        is_over.set()
        for caller in callers:
            caller.join()
        self._raise_if_interrupted()
        return _figures(samples, time.perf_counter() - begun), len(failures)

    def _caller(
        self, number: int, is_over: threading.Event, samples: list[float], failures: list[str]
    ) -> None:
        source = random.Random(self.seed + number)  # noqa: S311  # no secret
        texts = _texts(self.seed + number, f"{self.session} {number}", _ENTRY_WORDS)
        queries = _texts(self.seed + 1_000 + number, "", _QUERY_WORDS)
        with self.connect() as knowledge:
            while not is_over.is_set():
                begun = time.perf_counter()
                try:
                    if source.random() < _SEARCHES:
                        knowledge.search(next(queries))
                    else:
                        knowledge.store(next(texts), **self._fields)
                except KnowledgeError as error:
                    failures.append(error.reason)
                    is_over.wait(0.1)  # a daemon that refuses is not asked again at once
                else:
                    samples.append(time.perf_counter() - begun)

    def _seconds(self, call: Callable[[], object]) -> float:
        self._raise_if_interrupted()
        begun = time.perf_counter()
        call()
        return time.perf_counter() - begun

    def _raise_if_interrupted(self) -> None:
        if self._is_interrupted:
            raise KeyboardInterrupt

    @contextmanager
    def _interrupts_kept(self) -> Iterator[None]:
        def keep(_number: int, _frame: object) -> None:
            self._is_interrupted = True

        before = signal.signal(signal.SIGINT, keep)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @property
    def _fields(self) -> Any:
        return {"project_id": PROJECT, "session_id": self.session, "agent": "kmctl"}

    @contextmanager
    def _cleared(self) -> Iterator["_Cleared"]:
        """Deletes what the block has stored, over a connection of its own."""
        cleared = _Cleared()
        try:
            yield cleared
        finally:
            with self.connect() as knowledge:
                cleared.n_entries = _delete(knowledge, self.session)


@dataclass(slots=True)
class _Cleared:
    n_entries: int = 0


def _delete(knowledge: KnowledgeClient, session: str) -> int:
    n_deleted = 0
    while True:
        page = knowledge.query(project_id=PROJECT, session_id=session, limit=_PAGE)
        if not page.results:
            return n_deleted
        n_deleted += knowledge.delete([entry.id for entry in page.results])


def _texts(seed: int, beginning: str, n_words: int) -> Iterator[str]:
    """All different: an equal one would not be stored, nor searched for."""
    source, words = random.Random(seed), _VOCABULARY.split()  # noqa: S311  # no secret
    for number in itertools.count():
        yield " ".join([beginning, str(number), *source.choices(words, k=n_words)]).strip()


def _figures(samples: Sequence[float], wall_s: float) -> dict[str, Any]:
    ordered = sorted(samples)
    n = len(ordered)
    ranks = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {
        "calls": n,
        **{
            name: round(1000 * ordered[min(int(n * rank), n - 1)], 3) if n else None
            for name, rank in ranks.items()
        },
        "per_s": round(n / wall_s, 1) if n else None,
    }
