"""mcp-memory-service: the storage that its server calls, without the server.

It is called with its own ONNX embedding, one event loop, and without its refusal of texts that are
much like one of the last day, which would refuse most of the notes.
"""

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bench.baselines.serve import LIMIT, Contender, Note, Vectors, serve

_T = TypeVar("_T")
_FILL = 500


class _Known:
    """In its model's place while it is filled."""

    def __init__(self, notes: Sequence[Note], vectors: Vectors) -> None:
        self._vectors = {note.text: vectors.of(number) for number, note in enumerate(notes)}

    def encode(self, texts: Sequence[str], **_: Any) -> Any:
        import numpy as np

        return np.array([self._vectors[text] for text in texts], np.float32)


class McpMemory(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        os.environ.update(
            MCP_MEMORY_BASE_DIR=str(folder),
            MCP_MEMORY_USE_ONNX="true",
            MCP_SEMANTIC_DEDUP_ENABLED="false",
        )
        from mcp_memory_service.embeddings.onnx_embeddings import ONNXEmbeddingModel
        from mcp_memory_service.storage.sqlite_vec import SqliteVecMemoryStorage

        # Where it would otherwise put what it fetches.
        ONNXEmbeddingModel.DOWNLOAD_PATH = Path(options["model"]).parent
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._storage = SqliteVecMemoryStorage(str(folder / "memories.sqlite"))
        self._wait(self._storage.initialize())

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        own, self._storage.embedding_model = (
            self._storage.embedding_model,
            _Known(notes, vectors),
        )
        for first in range(0, len(notes), _FILL):
            self.batch(notes[first : first + _FILL])
        self._storage.embedding_model = own

    def store(self, note: Note) -> None:
        _check([self._wait(self._storage.store(_memory(note), skip_semantic_dedup=True))])

    def batch(self, notes: Sequence[Note]) -> None:
        _check(self._wait(self._storage.store_batch([_memory(note) for note in notes])))

    def search(self, query: str, project: str | None) -> list[str]:
        tags = None if project is None else [project]
        found = self._wait(self._storage.retrieve(query, n_results=LIMIT, tags=tags))
        return [hit.memory.metadata["note"] for hit in found]

    def _wait(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _memory(note: Note) -> Any:
    from mcp_memory_service.models.memory import Memory
    from mcp_memory_service.utils.hashing import generate_content_hash

    return Memory(
        content=note.text,
        content_hash=generate_content_hash(note.text),
        tags=[note.project],
        metadata={"note": note.id},
    )


def _check(outcomes: Sequence[tuple[bool, str]]) -> None:
    refused = [why for stored, why in outcomes if not stored]
    if refused:
        raise RuntimeError(f"{len(refused)} refused, the first: {refused[0]}")


if __name__ == "__main__":
    serve(McpMemory)
