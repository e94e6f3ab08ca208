"""The embedding engine against bare llama.cpp calls in the same process. Prints one JSON object.

Each figure of the engine has its bare one beside it, taken in turn: absolute times are the
machine's. `beside_bulk` is what one origin's queries take while another imports long texts;
`burning` is all of it while other processes want every core.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import model_cache
from bench.stand import Options
from bench.texts import texts
from cco_knowledge.embedding.engine import Engine
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.embedding.native import Context, Model
from cco_knowledge.models import DEFAULT_MODEL, resolve_model
from cco_knowledge.process_memory import tune_allocator
from cco_knowledge.turns import ORIGIN, Origin

_CORES = min(os.cpu_count() or 1, 4)
_QUERY_WORDS, _TEXT_WORDS, _BULK_WORDS = 5, 30, 170
_THROUGHPUT_WORDS = (10, 30, 100, 170)
_BULK_AT_ONCE = 16
_PAUSE_S = 0.01
_ROUNDS = 3

_spec = resolve_model(DEFAULT_MODEL, model_cache.FOLDER)


def run(options: Options) -> dict[str, Any]:
    bench = Bench(options.count(40, 15), options.seed)
    words = (_TEXT_WORDS,) if options.short else _THROUGHPUT_WORDS
    report = {"quiet": asyncio.run(bench.measure(words))}
    with burning():
        report["burning"] = asyncio.run(bench.measure((_TEXT_WORDS,)))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--words", type=int, nargs="*", default=_THROUGHPUT_WORDS)
    parser.add_argument("--no-burning", action="store_true", help="the quiet half alone")
    options = parser.parse_args()
    tune_allocator()
    bench = Bench(options.samples, options.seed)
    report: dict[str, object] = {"cores": _CORES, "seed": options.seed}
    report["quiet"] = asyncio.run(bench.measure(options.words))
    if not options.no_burning:
        with burning():
            report["burning"] = asyncio.run(bench.measure((_TEXT_WORDS,)))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


class Bench:
    def __init__(self, samples: int, seed: int) -> None:
        self._samples = samples
        self._seeds = itertools.count(1000 * seed)
        self._model = Model(_spec.path)
        self._contexts = [
            self._model.new_context(_spec.window_tokens, _spec.pooling) for _ in range(_CORES)
        ]

    async def measure(self, throughput_words: Sequence[int]) -> dict[str, object]:
        model = Model(_spec.path)
        engine = Engine(_spec, model, threads=_CORES, queue_size=1024, cache_size=0)
        engine.warm_up()
        try:
            return {
                "query_ms": await self._alone(engine, _QUERY_WORDS, as_query=True),
                "text_ms": await self._alone(engine, _TEXT_WORDS, as_query=False),
                "texts_per_s": {
                    f"{words} words": await self._throughput(engine, words)
                    for words in throughput_words
                },
                "beside_bulk": await self._beside_bulk(engine),
            }
        finally:
            await engine.close()

    def _texts(self, count: int, words: int) -> list[str]:
        return texts(count, words=(words, words), seed=next(self._seeds))

    async def _alone(self, engine: Engine, words: int, *, as_query: bool) -> dict[str, object]:
        """One after the other; the bare call, with one core, on this very thread."""
        engine_ms, bare_ms = [], []
        for text in self._texts(self._samples, words):
            begun_s = time.perf_counter()
            if as_query:
                await engine.embed(text, as_query=True)
            else:
                await engine.embed_document(text, Priority.STORE)
            engine_ms.append(_ms_since(begun_s))
            tokens = self._model.tokens(text)
            begun_s = time.perf_counter()
            self._contexts[0].embed(tokens, 1)
            bare_ms.append(_ms_since(begun_s))
        return _compared(engine_ms, bare_ms)

    async def _throughput(self, engine: Engine, words: int) -> dict[str, float]:
        count = max(_CORES * 4, 3 * self._samples * _QUERY_WORDS // words)
        engine_s, bare_s = [], []
        for _ in range(_ROUNDS):
            some = self._texts(count, words)
            engine_s.append(await _timed(_all_at_once(engine, some)))
            bare_s.append(await _timed(asyncio.to_thread(self._bare, some)))
        return {
            "engine": round(count / min(engine_s), 1),
            "bare": round(count / min(bare_s), 1),
            "ratio": round(min(bare_s) / min(engine_s), 3),
        }

    def _bare(self, some: Sequence[str]) -> None:
        """The best that llama.cpp gives for many texts: a context and a thread for each core."""
        waiting = iter(some)
        lock = threading.Lock()

        def work(context: Context) -> None:
            while True:
                with lock:
                    text = next(waiting, None)
                if text is None:
                    return
                context.embed(self._model.tokens(text), 1)

        with ThreadPoolExecutor(len(self._contexts)) as pool:
            list(pool.map(work, self._contexts))

    async def _beside_bulk(self, engine: Engine) -> dict[str, object]:
        alone_ms = await self._each(engine, self._texts(self._samples, _QUERY_WORDS))
        bulk = [asyncio.create_task(self._import(engine)) for _ in range(_BULK_AT_ONCE)]
        await asyncio.sleep(_PAUSE_S)
        beside_ms = await self._each(engine, self._texts(self._samples, _QUERY_WORDS))
        for task in bulk:
            task.cancel()
        await asyncio.gather(*bulk, return_exceptions=True)
        return {"alone": _spread(alone_ms), "beside": _spread(beside_ms)}

    async def _import(self, engine: Engine) -> None:
        ORIGIN.set(Origin(1, 1))
        for text in itertools.cycle(self._texts(200, _BULK_WORDS)):
            await engine.embed_document(text, Priority.BULK)

    async def _each(self, engine: Engine, queries: Sequence[str]) -> list[float]:
        ORIGIN.set(Origin(2, 2))
        samples_ms = []
        for query in queries:
            begun_s = time.perf_counter()
            await engine.embed(query, as_query=True)
            samples_ms.append(_ms_since(begun_s))
            await asyncio.sleep(_PAUSE_S)  # as somebody who thinks; waits for nothing
        return samples_ms


async def _all_at_once(engine: Engine, some: Sequence[str]) -> None:
    await asyncio.gather(*(engine.embed_document(text, Priority.BULK) for text in some))


async def _timed(work: Awaitable[object]) -> float:
    begun_s = time.perf_counter()
    await work
    return time.perf_counter() - begun_s


@contextlib.contextmanager
def burning() -> Iterator[None]:
    """A process for each core that wants all of it."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_burn) for _ in range(_CORES)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn() -> None:
    while True:
        sum(range(10_000))


def _ms_since(begun_s: float) -> float:
    return (time.perf_counter() - begun_s) * 1000


def _compared(engine_ms: Sequence[float], bare_ms: Sequence[float]) -> dict[str, object]:
    ratio = statistics.median(engine_ms) / statistics.median(bare_ms)
    return {
        "engine": _spread(engine_ms),
        "bare_one_core": _spread(bare_ms),
        "ratio": round(ratio, 3),
    }


def _spread(samples: Sequence[float]) -> dict[str, float]:
    ordered = sorted(samples)
    return {
        name: round(ordered[min(int(len(ordered) * part), len(ordered) - 1)], 2)
        for name, part in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))
    }


if __name__ == "__main__":
    main()
