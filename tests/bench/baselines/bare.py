"""The daemon's model and table in one process, without a server."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from bench.baselines.serve import LIMIT, Contender, Note, Vectors, serve
from cco_knowledge.embedding.engine import load_engine
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.models import resolve_model
from cco_knowledge.process_memory import keep_large_blocks, tune_allocator
from cco_knowledge.store.interface import ANY, Draft
from cco_knowledge.store.lance import LanceStore
from cco_knowledge.types import EmbeddedEntry, Entry, Filters, Passage, Vector

_T = TypeVar("_T")
_CACHE_BYTES = 32 << 20
_QUEUE = 1_000
_FILL = 1_000
_WHEN = "2026-11-01T00:00:00.000Z"


class Bare(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._engine = load_engine(
            resolve_model(options["model"], folder),
            threads=min(os.cpu_count() or 1, 4),
            queue_size=_QUEUE,
            cache_size=0,
        )
        opening = LanceStore.open(folder / "table", self._engine.identity, _CACHE_BYTES)
        self._store = self._wait(opening)

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        passages = [
            [Passage(0, len(note.text), Vector(vectors.of(number).tobytes()))]
            for number, note in enumerate(notes)
        ]
        for first in range(0, len(notes), _FILL):
            some = slice(first, first + _FILL)
            self._wait(self._insert(notes[some], passages[some]))

    def store(self, note: Note) -> None:
        self._wait(self._embed_and_insert([note], Priority.STORE))

    def batch(self, notes: Sequence[Note]) -> None:
        self._wait(self._embed_and_insert(notes, Priority.BULK))

    def search(self, query: str, project: str | None) -> list[str]:
        return self._wait(self._search(query, project))

    def embed(self, texts: Sequence[str]) -> None:
        self._wait(self._embed(texts, Priority.BULK))

    def close(self) -> None:
        self._wait(self._store.close())
        self._wait(self._engine.close())

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        running: Future[_T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return running.result()

    async def _embed(self, texts: Sequence[str], priority: Priority) -> list[Sequence[Passage]]:
        return await asyncio.gather(
            *(self._engine.embed_document(text, priority) for text in texts)
        )

    async def _embed_and_insert(self, notes: Sequence[Note], priority: Priority) -> None:
        await self._insert(notes, await self._embed([note.text for note in notes], priority))

    async def _insert(self, notes: Sequence[Note], passages: Sequence[Sequence[Passage]]) -> None:
        drafts = [
            Draft(EmbeddedEntry(_entry(note), of_note), "store", has_given_timestamp=True)
            for note, of_note in zip(notes, passages, strict=True)
        ]
        for outcome in await self._store.insert(drafts):
            if isinstance(outcome, Exception):
                raise outcome

    async def _search(self, query: str, project: str | None) -> list[str]:
        vector = await self._engine.embed(query, as_query=True)
        filters = ANY if project is None else Filters((project,), include_superseded=True)
        nearest = await self._store.nearest(vector, filters, LIMIT)
        return [entry.id for entry in await self._store.get([match.id for match in nearest])]


def _entry(note: Note) -> Entry:
    return Entry(note.id, note.text, "general", note.project, "unknown", "unknown", _WHEN, b"{}")


if __name__ == "__main__":
    tune_allocator()
    keep_large_blocks()  # for LanceDB's copies of the vectors
    serve(Bare)
