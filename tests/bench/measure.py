"""The daemon's promises, measured on a real daemon over its socket. Prints one JSON object.

The baseline is the same model and table called in this process, without a server: each search
over the socket is followed by the same kind of search there, so that the machine's mood hits
both alike. Absolute times depend on the machine; the ratio is what to compare.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.texts import texts
from cco_knowledge.embedding.engine import Engine, load_engine
from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS, pull_model, resolve_model
from cco_knowledge.process_memory import tune_allocator
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.lance import LanceStore
from cco_knowledge_client import KnowledgeClient

_BATCH = 100
_CLIENTS = 10
_THREADS = min(os.cpu_count() or 1, 4)
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "cco-knowledge/models"


def main() -> None:
    options = _options()
    tune_allocator()
    home = Path(tempfile.mkdtemp(prefix="km-"))
    try:
        sys.stdout.write(json.dumps(_measure(home, options), indent=2) + "\n")
    finally:
        shutil.rmtree(home)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=1_000)
    parser.add_argument("--stores", type=int, default=300)
    parser.add_argument("--clients-s", type=float, default=60.0, help="length of the mixed load")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _measure(home: Path, options: argparse.Namespace) -> dict[str, object]:
    (home / "models").mkdir()
    model = pull_model(KNOWN_MODELS[DEFAULT_MODEL], _CACHE, lambda _done, _total: None)
    shutil.copy(model, home / "models")
    daemon = _Daemon(home)
    report: dict[str, object] = {"machine": _machine(), "options": vars(options)}
    with KnowledgeClient(daemon.socket, timeout_s=600) as knowledge:
        report["fill"] = _fill(knowledge, options)
        report["search"] = _searches(knowledge, home, options)
        report["resident_mb_after_searches"] = _resident_mb(knowledge)
        report["store_one_ms"] = _stores(knowledge, options)
        report["batch_of_100_short"] = _batches(knowledge, home, options)
    report["clients"] = _mixed(daemon.socket, options)
    daemon.stop()
    report["start"] = _starts(home)
    return report


class _Daemon:
    def __init__(self, home: Path) -> None:
        self.socket = home / "knowledge.sock"
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cco_knowledge", "--home", home, "--ready-fd", str(writing)],
            pass_fds=[writing],
            stderr=(home / "stderr").open("ab"),
        )
        os.close(writing)
        with os.fdopen(reading) as pipe:
            answer = pipe.readline()
        if '"ready"' not in answer:
            raise SystemExit(f"the daemon did not start: {answer}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def _fill(knowledge: KnowledgeClient, options: argparse.Namespace) -> dict[str, float]:
    items = [
        {"text": text, "project_id": f"project-{number % 50}"}
        for number, text in enumerate(texts(options.entries, words=(20, 60), seed=options.seed))
    ]
    begun = time.perf_counter()
    for first in range(0, len(items), _BATCH):
        knowledge.call("knowledge.store_batch", {"items": items[first : first + _BATCH]})
    return {"entries_per_s": round(len(items) / (time.perf_counter() - begun), 1)}


def _searches(
    knowledge: KnowledgeClient, home: Path, options: argparse.Namespace
) -> dict[str, object]:
    shutil.copytree(home / "knowledge", home / "copy")
    engine = _engine(home)
    queries = iter(texts(5 * options.searches, words=(3, 10), seed=options.seed + 1))
    kinds: dict[str, dict[str, Any]] = {
        "vector": {"mode": "vector"},
        "hybrid": {},
        "text": {"mode": "text"},
        "hybrid_in_one_project": {"project_id": "project-7"},
    }
    served_ms: dict[str, list[float]] = {kind: [] for kind in kinds}
    with asyncio.Runner() as runner:
        store = runner.run(LanceStore.open(home / "copy", engine.identity, 32 << 20))

        async def direct(query: str) -> None:
            vector = await engine.embed(query, as_query=True)
            nearest = await store.nearest(vector, ANY, 10)
            await store.get([match.id for match in nearest])

        direct_ms = []
        for _ in range(options.searches):
            for kind, params in kinds.items():
                served_ms[kind].append(_ms(knowledge.search, next(queries), limit=10, **params))
            direct_ms.append(_ms(lambda query: runner.run(direct(query)), next(queries)))
        repeated_ms = [_ms(knowledge.search, "the same again", limit=10) for _ in range(100)]
        runner.run(store.close())
        runner.run(engine.close())
    return {
        "over_the_socket_ms": {kind: _spread(samples) for kind, samples in served_ms.items()},
        "vector_in_one_process_ms": _spread(direct_ms),
        "p50_ratios": {
            "vector_to_one_process": _ratio(served_ms["vector"], direct_ms),
            "hybrid_to_vector": _ratio(served_ms["hybrid"], served_ms["vector"]),
            "filtered_to_hybrid": _ratio(served_ms["hybrid_in_one_project"], served_ms["hybrid"]),
        },
        "same_query_again_ms": _spread(repeated_ms),
    }


def _stores(knowledge: KnowledgeClient, options: argparse.Namespace) -> dict[str, float]:
    fresh = texts(options.stores, words=(20, 60), seed=options.seed + 2)
    return _spread([_ms(knowledge.store, text, project_id="one") for text in fresh])


def _batches(
    knowledge: KnowledgeClient, home: Path, options: argparse.Namespace
) -> dict[str, object]:
    engine = _engine(home)
    durations_ms, tokens = [], []
    for round_number in range(5):
        batch = texts(100, words=(10, 20), seed=options.seed + 10 + round_number)
        items = [{"text": text, "project_id": "short"} for text in batch]
        durations_ms.append(_ms(knowledge.call, "knowledge.store_batch", {"items": items}))
        tokens.append(sum(len(engine._model.tokens(text)) for text in batch))
    asyncio.run(engine.close())
    return {
        "ms": _spread(durations_ms),
        "tokens": round(statistics.mean(tokens)),
        "ms_per_token": round(sum(durations_ms) / sum(tokens), 3),
    }


def _mixed(socket: Path, options: argparse.Namespace) -> dict[str, object]:
    """Every client stores and searches in turn; then every acknowledged id must be there once."""
    acknowledged: list[str] = []
    errors: list[str] = []
    latencies_ms: list[float] = []
    until = time.monotonic() + options.clients_s

    def client(number: int) -> None:
        source = random.Random(options.seed + number)
        with KnowledgeClient(socket, timeout_s=60) as knowledge:
            count = 0
            while time.monotonic() < until:
                count += 1
                text = texts(1, words=(20, 60), seed=source.getrandbits(32))[0]
                try:
                    if source.random() < 0.7:
                        latencies_ms.append(_ms(knowledge.search, text[:40]))
                    else:
                        begun = time.perf_counter()
                        stored = knowledge.store(f"{number}.{count} {text}", project_id="mixed")
                        latencies_ms.append((time.perf_counter() - begun) * 1000)
                        acknowledged.append(stored.id)
                except Exception as error:  # noqa: BLE001  # counted and shown
                    errors.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with KnowledgeClient(socket, timeout_s=60) as knowledge:
        stored_ids = _all_ids(knowledge, "mixed")
    return {
        "clients": _CLIENTS,
        "seconds": options.clients_s,
        "operations_per_s": round(len(latencies_ms) / options.clients_s, 1),
        "ms": _spread(latencies_ms),
        "errors": len(errors),
        "first_errors": errors[:3],
        "acknowledged": len(acknowledged),
        "lost": len(set(acknowledged) - set(stored_ids)),
        "twice": len(stored_ids) - len(set(stored_ids)),
    }


def _all_ids(knowledge: KnowledgeClient, project: str) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        params = {"project_id": project, "limit": 1000, "order_by": "id", "cursor": cursor}
        page: dict[str, Any] = knowledge.call("knowledge.query", params)
        ids += [entry["id"] for entry in page["results"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return ids


def _starts(home: Path) -> dict[str, object]:
    """From process start to the first answered search, files warm."""
    seconds, resident = [], []
    for _ in range(5):
        begun = time.perf_counter()
        daemon = _Daemon(home)
        with KnowledgeClient(daemon.socket) as knowledge:
            knowledge.search("which database did we choose")
            seconds.append(time.perf_counter() - begun)
            resident.append(_resident_mb(knowledge))
        daemon.stop()
    return {
        "first_search_answered_s": {
            "median": round(statistics.median(seconds), 2),
            "max": round(max(seconds), 2),
        },
        "resident_mb": statistics.median(resident),
    }


def _engine(home: Path) -> Engine:
    spec = resolve_model(DEFAULT_MODEL, home / "models")
    return load_engine(spec, threads=_THREADS, queue_size=64, cache_size=0)


def _resident_mb(knowledge: KnowledgeClient) -> float:
    return round(int(knowledge.call("system.status")["rss_bytes"]) / 1e6, 1)


def _ms(work: Callable[..., object], *arguments: Any, **named: Any) -> float:
    begun = time.perf_counter()
    work(*arguments, **named)
    return (time.perf_counter() - begun) * 1000


def _ratio(one: Sequence[float], other: Sequence[float]) -> float:
    return round(statistics.median(one) / statistics.median(other), 3)


def _spread(samples: Sequence[float]) -> dict[str, float]:
    ordered = sorted(samples)
    return {
        name: round(ordered[min(int(len(ordered) * part), len(ordered) - 1)], 2)
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))
    }


def _machine() -> dict[str, object]:
    return {"cpu": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}


if __name__ == "__main__":
    main()
