"""What small files cost each search, and what it costs to make one file of them.

Prints CPU time of the whole process, medians, as JSON: `python -m bench.small_files [--entries N]`.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from unittest import mock

from cco_knowledge.process_memory import tune_allocator
from cco_knowledge.store.backlog import Backlog
from cco_knowledge.store.gathering import gather
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import Filters
from real_store import draft, drafts, opened, silent

_N_FILES = (0, 4, 8, 16, 32, 64)
_SAMPLES = 5
_ROWS_AT_ONCE = 1000


async def _cpu_ms(work: Callable[[], Awaitable[object]]) -> float:
    begun_s = time.process_time()
    await work()
    return (time.process_time() - begun_s) * 1000


async def _beside(store: LanceStore, n_files: int, numbers: Iterator[int]) -> dict[str, float]:
    """One sample of each: the search by words twice, since the first one opens the new files."""
    for _ in range(n_files):
        await store.insert([draft(next(numbers))])
    filters = Filters(project_ids=("p1",))

    async def search() -> None:
        await store.matching(["word1", "word2", "word3"], filters, 10)

    async def fold() -> None:
        table = store.table()
        await store.alone(lambda: table.optimize(cleanup_since_ms=0, delete_unverified=False))

    await search()
    searched_ms = await _cpu_ms(search)
    gathered_ms = await _cpu_ms(lambda: store.alone(lambda: gather(store.table(), n_files)))
    folded_ms = await _cpu_ms(fold)
    await store.optimize(silent)
    return {"search_ms": searched_ms, "gather_ms": gathered_ms, "fold_ms": folded_ms}


async def _measure(n_entries: int) -> dict[str, dict[str, float]]:
    numbers = count(n_entries)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder)) as store:
            for first in range(0, n_entries, _ROWS_AT_ONCE):
                await store.insert(drafts(range(first, min(first + _ROWS_AT_ONCE, n_entries))))
            await store.optimize(silent)
            for n_files in _N_FILES:
                samples = [await _beside(store, n_files, numbers) for _ in range(_SAMPLES)]
                found[str(n_files)] = {
                    name: round(statistics.median(sample[name] for sample in samples), 1)
                    for name in samples[0]
                }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1000)
    options = parser.parse_args()
    tune_allocator()
    with (  # nothing by itself
        mock.patch.object(Backlog, "due", return_value=None),
        mock.patch.object(Backlog, "due_when_quiet", return_value=None),
    ):
        found = asyncio.run(_measure(options.entries))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
