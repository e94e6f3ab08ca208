"""1 to 32 clients, 70% searches and 30% stores; and the rate of the same work without a server."""

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.bare import CORES, Bare
from bench.figures import ms, spent, spread
from bench.stand import QUERY_WORDS, Options, Stand, stand
from bench.texts import texts
from cco_knowledge_client import KnowledgeClient, KnowledgeError

_CLIENTS = (1, 2, 4, 10, 32)
_SEARCHES = 0.7
_APPENDED_AT_ONCE = 10
_ENTRY_WORDS = (30, 30)


def run(options: Options) -> dict[str, Any]:
    numbers = (10,) if options.short else _CLIENTS
    seconds = options.count(20, 6)
    by_number: dict[str, Any] = {}
    with stand(options) as measured, Bare(measured.table_folder) as bare:
        for query in texts(20, words=QUERY_WORDS, seed=options.seed):  # what only the first pay
            measured.knowledge.search(query)
        for number in numbers:
            rates = [_bare_rate(bare, options.seed + number, seconds / 4)]
            by_number[str(number)] = _mixed(measured, number, seconds, options.seed)
            rates.append(_bare_rate(bare, options.seed + 100 + number, seconds / 4))
            bare_rate = sum(rates) / len(rates)
            by_number[str(number)] |= {
                "bare_rate": round(bare_rate, 1),
                "rate_to_bare": round(by_number[str(number)]["rate"] / bare_rate, 3),
            }
        return {
            "seconds": seconds,
            "clients": by_number,
            "ratios": {"bare_to_10_clients": round(1 / by_number["10"]["rate_to_bare"], 3)},
        }


def _operations(seed: int) -> Iterator[tuple[bool, str]]:
    """Without an end: whether it is a search, and its text."""
    source = random.Random(seed)
    while True:
        text = texts(1, words=_ENTRY_WORDS, seed=source.getrandbits(32))[0]
        is_search = source.random() < _SEARCHES
        yield is_search, " ".join(text.split()[2:8]) if is_search else text


def _mixed(measured: Stand, n_clients: int, seconds: float, seed: int) -> dict[str, Any]:
    """Every client calls in turn; then each acknowledged entry must be there once."""
    project = f"mixed-{n_clients}"
    taken = _Taken()
    until = time.monotonic() + seconds
    begun = time.monotonic()
    with spent(measured.daemon.pid) as cost:
        clients = [
            threading.Thread(
                target=_client,
                args=(measured.daemon.socket_path, project, until, 1_000 * seed + number, taken),
            )
            for number in range(n_clients)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    took_s = time.monotonic() - begun
    there = _ids(measured.knowledge, project)
    return {
        "rate": round((len(taken.searches_ms) + len(taken.stores_ms)) / took_s, 1),
        "ms": spread(taken.searches_ms + taken.stores_ms),
        "search_ms": spread(taken.searches_ms),
        "store_ms": spread(taken.stores_ms),
        "errors": len(taken.errors),
        "first_errors": taken.errors[:3],
        "acknowledged": len(taken.acknowledged),
        "lost": len(set(taken.acknowledged) - set(there)),
        "twice": len(there) - len(set(there)),
        **cost.figures(),
    }


class _Taken:
    def __init__(self) -> None:
        self.searches_ms: list[float] = []
        self.stores_ms: list[float] = []
        self.acknowledged: list[str] = []
        self.errors: list[str] = []


def _client(socket: Path, project: str, until: float, seed: int, taken: _Taken) -> None:
    with KnowledgeClient(socket, timeout_s=60) as knowledge:
        for number, (is_search, text) in enumerate(_operations(seed)):
            if time.monotonic() >= until:
                return
            try:
                if is_search:
                    taken.searches_ms.append(ms(knowledge.search, text))
                else:
                    begun = time.perf_counter()
                    stored = knowledge.store(f"{seed}.{number} {text}", project_id=project)
                    taken.stores_ms.append((time.perf_counter() - begun) * 1000)
                    taken.acknowledged.append(stored.id)
            except KnowledgeError as error:
                taken.errors.append(f"{error.reason}: {error}")


def _ids(knowledge: KnowledgeClient, project: str) -> list[str]:
    ids: list[str] = []
    cursor = None
    while True:
        page = knowledge.query(project_id=project, limit=1_000, order_by="id", cursor=cursor)
        ids += [entry.id for entry in page.results]
        cursor = page.next_cursor
        if cursor is None:
            return ids


def _bare_rate(bare: Bare, seed: int, seconds: float) -> float:
    """Operations a second of one caller a core that wait for nobody.

    Each core embeds and looks by meaning; what it stores it appends ten at a time, because as many
    clients' stores would come together.
    """
    until = time.monotonic() + seconds

    def work(core: int) -> int:
        return asyncio.run(_bare_operations(bare, core, _operations(seed + core), until))

    begun = time.monotonic()
    with ThreadPoolExecutor(CORES) as threads:
        n_done = sum(threads.map(work, range(CORES)))
    return n_done / (time.monotonic() - begun)


async def _bare_operations(
    bare: Bare, core: int, operations: Iterator[tuple[bool, str]], until: float
) -> int:
    n_done = 0
    waiting: list[tuple[str, Any]] = []
    for is_search, text in operations:
        if time.monotonic() >= until:
            break
        vector = bare.model.embed_on(core, text)
        if is_search:
            await bare.nearest(vector)
        else:
            waiting.append((text, vector))
        if len(waiting) == _APPENDED_AT_ONCE:
            await bare.append(*zip(*waiting, strict=True))
            waiting.clear()
        n_done += 1
    return n_done
