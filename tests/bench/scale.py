"""Searches and stores in tables of up to a million rows. Prints one JSON object.

Each table is filled without embedding (`made_up_table.py`), opened by the daemon's own store in
this process, which makes what indexes it wants, and then by a daemon.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import model_cache
from bench.figures import ms, spread
from bench.made_up_table import Bases, bases, fill
from bench.stand import Options
from bench.texts import texts
from cco_knowledge.process_memory import resident_bytes, tune_allocator
from cco_knowledge.store.interface import ANY
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import Filters, Vector
from cco_knowledge_client import KnowledgeClient
from process import Daemon

_DEPTH = 100
"""As many candidates as a search asks for."""
_TOP = 10
_CACHE_BYTES = 32 << 20
_QUIET_S = 2.0
FILTERS = {
    "plain": Filters(),
    "one project of 50": Filters(project_ids=("project-20",)),
    "one type, a fifth": Filters(types=("decision",)),
    "project and type": Filters(project_ids=("project-20",), types=("decision",)),
    "newest day": Filters(since="2026-11-26T00:00:00.000Z"),
}


async def in_one_process(folder: Path, of: Bases, n_queries: int) -> dict[str, object]:
    """By the daemon's own store: its indexes, recall, and what a search takes."""
    begun = time.perf_counter()
    store = await LanceStore.open(folder, of.identity, _CACHE_BYTES)
    opened_s = time.perf_counter() - begun
    queries = [Vector(bytes(query)) for query in of.queries[:n_queries]]
    try:
        meanwhile = await _while_indexing(store, queries)
        return {
            "opened_s": round(opened_s, 2),
            "searches_while_indexing": meanwhile,
            "indexes": store.vector_indexes.n_parts,
            "searches": {name: await _asked(store, queries, f) for name, f in FILTERS.items()},
            "resident_mb": resident_bytes() >> 20,
        }
    finally:
        await store.close()


async def _while_indexing(store: LanceStore, queries: Sequence[Vector]) -> dict[str, object]:
    """Until the maintenance has been at rest for a moment."""
    ms: list[float] = []
    begun = rest_since = time.perf_counter()
    while time.perf_counter() - rest_since < _QUIET_S:
        ms.append(await _ms(lambda: store.nearest(queries[len(ms) % len(queries)], ANY, _DEPTH)))
        if store.is_in_upkeep:
            rest_since = time.perf_counter()
        await asyncio.sleep(0.02)
    return {"seconds": round(rest_since - begun, 1), "ms": spread(ms)}


async def _asked(
    store: LanceStore, queries: Sequence[Vector], filters: Filters
) -> dict[str, object]:
    """Exact searches and those by the index in turn, so that the machine's mood hits both."""
    ms: list[float] = []
    exact_ms: list[float] = []
    hits = wanted = 0
    for query in queries:
        begun = time.perf_counter()
        found = await store.nearest(query, filters, _DEPTH)
        ms.append((time.perf_counter() - begun) * 1000)
        begun = time.perf_counter()
        exact = await store.nearest(query, filters, _DEPTH, exact=True)
        exact_ms.append((time.perf_counter() - begun) * 1000)
        best = {match.id for match in exact[:_TOP]}
        hits += len(best & {match.id for match in found[:_TOP]})
        wanted += len(best)
    return {"recall": round(hits / wanted, 4), "ms": spread(ms), "exact_ms": spread(exact_ms)}


def over_the_socket(home: Path, of: Bases, n_queries: int, n_stores: int) -> dict[str, object]:
    begun = time.perf_counter()
    daemon = Daemon(home).start().wait_ready()
    ready_s = time.perf_counter() - begun
    try:
        with KnowledgeClient(daemon.socket_path, timeout_s=600) as knowledge:
            return {
                "ready_s": round(ready_s, 2),
                "search_ms": {
                    mode: spread(
                        [
                            ms(knowledge.search, text, limit=10, mode=mode)
                            for text in of.query_texts[:n_queries]
                        ]
                    )
                    for mode in ("hybrid", "vector")
                },
                "store_ms": spread(_stores(knowledge, n_stores)),
                "optimize": _optimized(knowledge),
                "storage": knowledge.call("knowledge.stats")["storage"],
                "resident_mb": int(knowledge.call("system.status")["rss_bytes"]) >> 20,
            }
    finally:
        daemon.stop()
        daemon.discard()


def _stores(knowledge: KnowledgeClient, n_stores: int) -> list[float]:
    return [
        ms(knowledge.store, text, project_id="project-3", type="decision")
        for text in texts(n_stores, words=(30, 30), seed=17)
    ]


def _optimized(knowledge: KnowledgeClient) -> dict[str, object]:
    begun = time.perf_counter()
    knowledge.call("job.wait", {"id": knowledge.call("system.optimize")["id"]})
    return {"seconds": round(time.perf_counter() - begun, 1)}


async def _ms(work: Callable[[], Awaitable[object]]) -> float:
    begun = time.perf_counter()
    await work()
    return (time.perf_counter() - begun) * 1000


def measure(n_rows: int, n_queries: int, n_stores: int, seed: int) -> dict[str, object]:
    home = Path(tempfile.mkdtemp(prefix="kz-", dir="/tmp"))  # short, for the socket
    try:
        (home / "models").mkdir(mode=0o700)
        model = model_cache.make_model(model_cache.ARCHIVE)
        shutil.copyfile(model, home / "models" / model.name)
        with asyncio.Runner() as runner:
            of = runner.run(bases())
            begun = time.perf_counter()
            runner.run(fill(home / "knowledge", n_rows, of, seed))
            filled_s = time.perf_counter() - begun
            inside: dict[str, Any] = runner.run(in_one_process(home / "knowledge", of, n_queries))
        return {
            "rows": n_rows,
            "filled_s": round(filled_s, 1),
            "in_one_process": inside,
            "over_the_socket": over_the_socket(home, of, n_queries, n_stores),
        }
    finally:
        shutil.rmtree(home)


def run(options: Options) -> dict[str, Any]:
    """By the number of rows. The figures of the largest table take minutes."""
    sizes = (25_000,) if options.short else (10_000, 100_000, 1_000_000)
    n_queries, n_stores = options.count(100, 20), options.count(200, 20)
    return {str(n): measure(n, n_queries, n_stores, options.seed) for n in sizes}


def main() -> None:
    tune_allocator()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--stores", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for n_rows in options.rows:
        told = measure(n_rows, options.queries, options.stores, options.seed)
        sys.stdout.write(json.dumps(told | {"seed": options.seed}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
