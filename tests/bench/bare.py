"""The baseline: the same model and a copy of the same table in this process, without a server.

llama.cpp and LanceDB through the thin layers that the daemon imports too, used as a program would
that has nobody else to think of: no queue, no checks, nothing forced to the disk. One text gets
all cores; of many texts, each core has one.
"""

import asyncio
import itertools
import os
import shutil
import struct
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bench.stand import model
from cco_knowledge.embedding.native import Context, Model
from cco_knowledge.store import schema
from cco_knowledge.store.native import Scannable, lance, pa
from cco_knowledge.store.opening import TABLE
from cco_knowledge.terms import terms
from cco_knowledge.types import EmbeddedEntry, Entry, Passage, Vector

CORES = os.cpu_count() or 1
_WINDOW_TOKENS = 256
"""Of the default model."""
_LIMIT = 10
_DEPTH = 100
_ANSWER = ["id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata"]

_T = TypeVar("_T")


class BareModel:
    """llama.cpp alone, one context a core."""

    def __init__(self) -> None:
        self._model = Model(model())
        self._contexts = [self._model.new_context(_WINDOW_TOKENS, "mean") for _ in range(CORES)]
        self._threads = [ThreadPoolExecutor(1) for _ in range(CORES)]
        self.embed("ready")

    def embed(self, text: str) -> Vector:
        """Of a text that is alone; of one that exceeds the window, of its beginning."""
        pieces = self._pieces(text)
        if len(pieces) > 1:
            return self._embed_pieces(pieces)[0]
        return self._contexts[0].embed(pieces[0], CORES)

    def embed_on(self, core: int, text: str) -> Vector:
        """Beside those on the other cores."""
        vectors = [self._contexts[core].embed(piece, 1) for piece in self._pieces(text)]
        return vectors[0]

    def embed_many(self, texts: Sequence[str]) -> list[Vector]:
        """The first piece of each; all are embedded."""
        pieces = [self._pieces(text) for text in texts]
        vectors = self._embed_pieces(list(itertools.chain.from_iterable(pieces)))
        firsts = itertools.accumulate(map(len, pieces[:-1]), initial=0)
        return [vectors[at] for at in firsts]

    def n_tokens(self, text: str) -> int:
        return len(self._model.tokens(text))

    def close(self) -> None:
        for thread in self._threads:
            thread.shutdown()
        for context in self._contexts:
            context.close()
        self._model.close()

    def _embed_pieces(self, pieces: Sequence[Sequence[int]]) -> list[Vector]:
        """On all cores; each takes the next one when it is done with one."""
        waiting = iter(enumerate(pieces))
        vectors: dict[int, Vector] = {}

        def work(context: Context) -> None:
            for at, piece in waiting:
                vectors[at] = context.embed(piece, 1)

        pairs = zip(self._threads, self._contexts, strict=True)
        for running in [thread.submit(work, context) for thread, context in pairs]:
            running.result()
        return [vectors[at] for at in range(len(pieces))]

    def _pieces(self, text: str) -> list[Sequence[int]]:
        tokens = self._model.tokens(text)
        return [tokens[at : at + _WINDOW_TOKENS] for at in range(0, len(tokens), _WINDOW_TOKENS)]


class Bare:
    """The model, and the table as one handle."""

    def __init__(self, table_folder: Path) -> None:
        self.model = BareModel()
        self._copy = table_folder.with_name(f"{table_folder.name}-bare")
        shutil.copytree(table_folder, self._copy)
        self._runner = asyncio.Runner()
        self._table = self._runner.run(_opened(self._copy))
        self._schema = self._runner.run(_schema(self._table))
        self._n_stored = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.close()
        self.model.close()
        shutil.rmtree(self._copy)

    def search(self, query: str) -> list[str]:
        """By meaning: one query of the table that gives the rows too. The ids, best first."""
        return self.run(self.nearest(self.model.embed(query)))

    def search_both(self, query: str) -> None:
        """By meaning and by words, side by side, and the rows of the best."""
        self.run(self._both(self.model.embed(query), " ".join(terms(query))))

    def get(self, entry_id: str) -> None:
        self.run(self._get(entry_id))

    def store(self, text: str) -> None:
        """Embedded and appended as one row."""
        self.run(self.append([text], [self.model.embed(text)]))

    def store_batch(self, texts: Sequence[str]) -> None:
        self.run(self.append(texts, self.model.embed_many(texts)))

    def vectors(self) -> tuple[list[str], list[Vector]]:
        """All of them, with their ids."""
        return self.run(self._vectors())

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return self._runner.run(work)

    async def nearest(self, vector: Vector) -> list[str]:
        query = self._near(vector)
        query.select_columns([*_ANSWER, "_distance"])
        query.limit(_LIMIT)
        rows = [
            row for batch in [b async for b in await query.execute()] for row in batch.to_pylist()
        ]
        return [row["id"] for row in rows]

    async def append(self, texts: Sequence[str], vectors: Sequence[Vector]) -> None:
        entries = []
        for text, vector in zip(texts, vectors, strict=True):
            self._n_stored += 1
            entry = Entry(
                id=f"bare-{self._n_stored}",
                text=text,
                type="general",
                project_id="bare",
                session_id="unknown",
                agent="unknown",
                timestamp="2026-11-22T10:30:00.123Z",
                metadata=b"{}",
            )
            entries.append(EmbeddedEntry(entry, [Passage(0, len(text), vector)]))
        await self._table.add(Scannable(schema.to_batch(entries, self._schema)), "append")

    async def _both(self, vector: Vector, words: str) -> None:
        async def by_meaning() -> list[int]:
            query = self._near(vector)
            query.select_columns(["_distance"])
            query.with_row_id()
            query.limit(_DEPTH)
            return await _row_ids(query.execute())

        async def by_words() -> list[int]:
            query = self._table.query().nearest_to_text({"query": words, "columns": ["terms"]})
            query.select_columns(["_score"])
            query.with_row_id()
            query.limit(_DEPTH)
            return await _row_ids(query.execute(None, None))

        found = await asyncio.gather(by_meaning(), by_words())
        rows = self._table.take_row_ids([row for rows in found for row in rows[: _LIMIT // 2]])
        rows.select([(column, column) for column in _ANSWER])
        for batch in [batch async for batch in await rows.execute()]:
            batch.to_pylist()

    async def _get(self, entry_id: str) -> None:
        query = self._table.query()
        query.where(f"id = '{entry_id}'")
        query.select_columns(_ANSWER)
        for batch in [batch async for batch in await query.execute(None, None)]:
            batch.to_pylist()

    async def _vectors(self) -> tuple[list[str], list[Vector]]:
        query = self._table.query()
        query.select_columns(["id", "vector"])
        ids: list[str] = []
        vectors: list[Vector] = []
        async for batch in await query.execute(None, None):
            ids += batch.column("id").to_pylist()
            vectors += schema.vector_list(batch.column("vector"))
        return ids, vectors

    def _near(self, vector: Vector) -> Any:
        numbers = pa.array(struct.unpack(f"{len(vector) // 4}f", vector), pa.float32())
        query = self._table.query().nearest_to(numbers)
        query.column("vector")
        query.distance_type("cosine")
        return query


async def _opened(folder: Path) -> Any:
    connection = await lance.connect(str(folder), None, None, None, None, None, None, None, None)
    return await connection.open_table(TABLE, None, None, None, None)


async def _schema(table: Any) -> Any:
    return await table.schema()


async def _row_ids(executing: Any) -> list[int]:
    batches = [batch async for batch in await executing]
    return [row for batch in batches for row in batch.column("_rowid").to_pylist()]
