"""What is nearest: from memory, and by LanceDB comparing all, in one store, one after the other.

Prints medians as JSON: `python -m bench.held_vectors`.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from cco_knowledge.process_memory import keep_large_blocks, tune_allocator
from cco_knowledge.store.held import Held
from cco_knowledge.store.interface import ANY, Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import EmbeddedEntry, Entry, Filters, ModelIdentity, Passage, Vector
from real_store import silent

_N_ENTRIES = (1_000, 5_000, 10_000, 19_000)
_SAMPLES = 40
_ROWS_AT_ONCE = 1_000
_DIM = 384
_PROJECTS = 50
_DEPTH = 100
_ONE_PROJECT = Filters(project_ids=("p1",), include_superseded=True)


def _draft(number: int, vector: Vector) -> Draft:
    text = f"number {number}"
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
    store: LanceStore, vectors: Iterator[Vector], numbers: Iterator[int]
) -> dict[str, Any]:
    samples: dict[str, list[tuple[float, float]]] = {}
    for _ in range(_SAMPLES):
        for name, filters in {"one_project": _ONE_PROJECT, "all": ANY}.items():
            await store.insert([_draft(next(numbers), next(vectors))])

            async def nearest(filters: Filters = filters) -> None:
                await store.nearest(next(vectors), filters, _DEPTH)

            samples.setdefault(f"{name}_held_after_a_store", []).append(await _ms(nearest))
            samples.setdefault(f"{name}_held", []).append(await _ms(nearest))
            with mock.patch.object(Held, "index", return_value=None):
                samples.setdefault(f"{name}_lancedb", []).append(await _ms(nearest))
    return {
        name: {
            "p50_ms": round(statistics.median(wall for wall, _ in of_each), 2),
            "cpu_ms": round(statistics.median(cpu for _, cpu in of_each), 2),
        }
        for name, of_each in samples.items()
    }


async def _measure() -> dict[str, Any]:
    numbers, vectors = count(), _vectors()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = ModelIdentity("made up", "0" * 64, _DIM)
        store = await LanceStore.open(Path(folder) / "knowledge", model, 32 << 20)
        stored = 0
        for n_entries in _N_ENTRIES:
            while stored < n_entries:
                some = [_draft(next(numbers), next(vectors)) for _ in range(_ROWS_AT_ONCE)]
                stored += len(await store.insert(some))
            await store.optimize(silent)
            found[f"{n_entries}"] = await _compared(store, vectors, numbers)
        await store.close()
    return found


def main() -> None:
    tune_allocator()
    keep_large_blocks()  # as LanceDB's copies need it
    sys.stdout.write(json.dumps(asyncio.run(_measure()), indent=1) + "\n")


if __name__ == "__main__":
    main()
