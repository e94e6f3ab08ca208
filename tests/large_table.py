"""Many rows of made-up vectors around centres in a store's folder, quickly, for tests."""

import asyncio
import functools
import math
import random
from array import array
from collections.abc import Sequence
from pathlib import Path

from cco_knowledge.store.lance import LanceStore
from cco_knowledge.store.native import Scannable, lance
from cco_knowledge.store.schema import to_batch
from cco_knowledge.types import EmbeddedEntry, Entry, ModelIdentity, Passage, Vector

MODEL = ModelIdentity("made up", "0" * 64, 64)
PROJECTS = 25
FURTHER = 10_000_000
"""Added to its number it gives the vector of an entry's second passage."""
_CENTRES = 200
_NOISE = 0.3
_ROWS_AT_ONCE = 4000


def near(number: int) -> Vector:
    """The vector of entry `e<number>`, by which alone it is known: between two centres."""
    source = random.Random(number)
    one, other = (_centre(source.randrange(_CENTRES)) for _ in range(2))
    share = source.random()
    numbers = [a + share * b + _NOISE * source.gauss(0, 1) for a, b in zip(one, other, strict=True)]
    length = math.hypot(*numbers)
    return Vector(array("f", [one / length for one in numbers]).tobytes())


@functools.cache
def _centre(number: int) -> list[float]:
    source = random.Random(20_000_000 + number)
    return [source.gauss(0, 1) for _ in range(MODEL.dim)]


def entry(number: int) -> EmbeddedEntry:
    text = f"number {number}" + " cart" * (number % 4)
    return EmbeddedEntry(
        Entry(
            id=f"e{number}",
            text=text,
            type="decision" if number // 3 % 5 else "general",
            project_id=f"p{number // 7 % PROJECTS}",
            session_id=f"s{number // 100}",
            agent="claude",
            timestamp=f"2026-11-{1 + number % 27:02}T10:00:00.000Z",
            metadata=b'{"third": %d}' % (number % 3),
        ),
        [Passage(0, len(text), near(number)), *further(number, len(text))],
    )


def further(number: int, length: int) -> list[Passage]:
    """Every fiftieth entry has one."""
    return [] if number % 50 else [Passage(0, length, near(FURTHER + number))]


def fill(folder: Path, n_rows: int) -> None:
    asyncio.run(_fill(folder, n_rows))


async def _fill(folder: Path, n_rows: int) -> None:
    store = await LanceStore.open(folder, MODEL, 32 << 20)
    await store.close()
    connection = await lance.connect(str(folder), *[None] * 8)
    table = await connection.open_table("knowledge", *[None] * 4)
    schema = await table.schema()
    for begin in range(0, n_rows, _ROWS_AT_ONCE):
        numbers = range(begin, min(begin + _ROWS_AT_ONCE, n_rows))
        await table.add(Scannable(to_batch([*map(entry, numbers)], schema)), "append")
    table.close()
    connection.close()


def ids(numbers: Sequence[int]) -> list[str]:
    return [f"e{number}" for number in numbers]
