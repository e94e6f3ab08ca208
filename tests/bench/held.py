"""What is nearest, and what has the words: from memory, and by LanceDB, one after the other.

Prints medians as JSON: `python -m bench.held`.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from bench.stand import QUERY_WORDS
from bench.texts import texts
from cco_knowledge.process_memory import keep_large_blocks, tune_allocator
from cco_knowledge.store.held import Held
from cco_knowledge.store.interface import ANY, Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.terms import terms
from cco_knowledge.types import EmbeddedEntry, Entry, Filters, ModelIdentity, Passage, Vector
from real_store import silent

_N_ENTRIES = (1_000, 5_000, 10_000, 19_000)
_SAMPLES = 40
_ROWS_AT_ONCE = 1_000
_DIM = 384
_PROJECTS = 50
_DEPTH = 100
_ONE_PROJECT = Filters(project_ids=("p1",), include_superseded=True)


def _draft(number: int, text: str, vector: Vector) -> Draft:
    entry = Entry(
        f"e{number}", text, "general", f"p{number % _PROJECTS}", "s", "a", _TIMESTAMP, b"{}"
    )
    return Draft(EmbeddedEntry(entry, [Passage(0, len(text), vector)]), "store", False)


_TIMESTAMP = "2026-11-27T10:00:00.000Z"


def _vectors() -> Iterator[Vector]:
    source = np.random.default_rng(1)
    while True:
        for numbers in source.standard_normal((_ROWS_AT_ONCE, _DIM), np.float32):
            yield Vector((numbers / np.linalg.norm(numbers)).tobytes())


async def _ms(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Wall and processor time."""
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    await work()
    return (time.perf_counter() - begun_s) * 1000, (time.process_time() - cpu_s) * 1000


async def _compared(
    store: LanceStore, drafts: Iterator[Draft], vectors: Iterator[Vector]
) -> dict[str, Any]:
    samples: dict[str, list[tuple[float, float]]] = {}
    queries = [terms(text) for text in texts(2 * _SAMPLES, words=QUERY_WORDS, seed=2)]
    for _ in range(_SAMPLES):
        for name, filters in {"one_project": _ONE_PROJECT, "all": ANY}.items():
            await store.insert([next(drafts)])

            async def nearest(filters: Filters = filters) -> None:
                await store.nearest(next(vectors), filters, _DEPTH)

            samples.setdefault(f"{name}_held_after_a_store", []).append(await _ms(nearest))
            samples.setdefault(f"{name}_held", []).append(await _ms(nearest))
            with mock.patch.object(Held, "index", return_value=None):
                samples.setdefault(f"{name}_lancedb", []).append(await _ms(nearest))
            query = queries.pop()

            async def matching(
                filters: Filters = filters, query: Sequence[str] = tuple(query)
            ) -> None:
                await store.matching(query, filters, _DEPTH)

            samples.setdefault(f"{name}_words_held", []).append(await _ms(matching))
            with mock.patch.object(Held, "index", return_value=None):
                samples.setdefault(f"{name}_words_lancedb", []).append(await _ms(matching))
    return {
        name: {
            "p50_ms": round(statistics.median(wall for wall, _ in of_each), 2),
            "cpu_ms": round(statistics.median(cpu for _, cpu in of_each), 2),
        }
        for name, of_each in samples.items()
    }


async def _measure() -> dict[str, Any]:
    vectors = _vectors()
    drafts = map(_draft, count(), texts(sum(_N_ENTRIES), words=(30, 30), seed=1), vectors)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = ModelIdentity("made up", "0" * 64, _DIM)
        store = await LanceStore.open(Path(folder) / "knowledge", model, 32 << 20)
        stored = 0
        for n_entries in _N_ENTRIES:
            while stored < n_entries:
                some = list(islice(drafts, _ROWS_AT_ONCE))
                stored += len(await store.insert(some))
            await store.optimize(silent)
            found[f"{n_entries}"] = await _compared(store, drafts, vectors)
        await store.close()
    return found


def main() -> None:
    tune_allocator()
    keep_large_blocks()  # as LanceDB's copies need it
    sys.stdout.write(json.dumps(asyncio.run(_measure()), indent=1) + "\n")


if __name__ == "__main__":
    main()
