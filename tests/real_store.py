"""A store of its own in a folder, with made-up vectors, for tests below the socket."""

import contextlib
import math
import random
import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from cco_knowledge.store.interface import Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import EmbeddedEntry, Entry, ModelIdentity, Passage, Vector

MODEL = ModelIdentity("made up", "0" * 64, 16)
_WORDS = [f"word{number}" for number in range(400)]


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[LanceStore]:
    store = await LanceStore.open(folder, MODEL, 32 << 20)
    try:
        yield store
    finally:
        await store.close()


def drafts(numbers: Sequence[int], **fields: str) -> list[Draft]:
    return [draft(number, **fields) for number in numbers]


def draft(number: int, *, supersedes: Sequence[str] = (), **fields: str) -> Draft:
    """Entry `e<number>`; every tenth has a second passage."""
    source = random.Random(number)
    text = f"number {number} " + " ".join(source.choices(_WORDS, k=20))
    entry = Entry(
        id=f"e{number}",
        text=text,
        type=fields.get("type", "general" if number % 3 else "decision"),
        project_id=fields.get("project_id", f"p{number % 4}"),
        session_id=f"s{number // 10}",
        agent="claude",
        timestamp=f"2026-11-27T10:00:00.{number % 1000:03}Z",
        metadata=b'{"file":"a%d.py"}' % (number % 7),
    )
    middle = len(text) // 2
    spans = [(0, middle + 5), (middle, len(text))] if number % 10 == 0 else [(0, len(text))]
    passages = [Passage(start, end, _vector(source)) for start, end in spans]
    return Draft(EmbeddedEntry(entry, passages), "return", False, supersedes)


def _vector(source: random.Random) -> Vector:
    numbers = [source.gauss(0, 1) for _ in range(MODEL.dim)]
    length = math.hypot(*numbers)
    return Vector(struct.pack(f"{MODEL.dim}f", *(number / length for number in numbers)))


def silent(_done: int, _total: int | None) -> None:
    """Who is told of the progress, and does not care."""
