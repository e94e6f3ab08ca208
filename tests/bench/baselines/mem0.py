"""mem0 without a language model: each note is added as it is, on local qdrant and fastembed.

Its search by words wants a model that only a hub has: mem0 says so and goes on without.
"""

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastembed import TextEmbedding

from bench.baselines.serve import DIM, LIMIT, Contender, Note, Vectors, serve

_USER = "bench"
_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class Mem0(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        os.environ.update(MEM0_DIR=str(folder), MEM0_TELEMETRY="False", OPENAI_API_KEY="unused")
        from mem0 import Memory
        from mem0.embeddings import fastembed

        # It gives fastembed a name alone, which would be fetched from a model hub.
        fastembed.TextEmbedding = functools.partial(
            TextEmbedding, specific_model_path=options["model"]
        )
        self._memory = Memory.from_config(
            {
                "embedder": {"provider": "fastembed", "config": {"model": _MODEL}},
                "vector_store": {
                    "provider": "qdrant",
                    "config": {
                        "path": str(folder / "qdrant"),
                        "on_disk": True,
                        "embedding_model_dims": DIM,
                    },
                },
                "history_db_path": str(folder / "history.db"),
            }
        )

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        """One by one: it has no other way. The vectors are given to it in its model's place."""
        with self._embeddings_known(notes, vectors):
            for note in notes:
                self.store(note)

    def store(self, note: Note) -> None:
        self._memory.add(
            note.text,
            user_id=_USER,
            metadata={"note": note.id, "project": note.project},
            infer=False,
        )

    def batch(self, notes: Sequence[Note]) -> None:
        for note in notes:
            self.store(note)

    def search(self, query: str, project: str | None) -> list[str]:
        filters = {"user_id": _USER} | ({} if project is None else {"project": project})
        found = self._memory.search(query, top_k=LIMIT, filters=filters, threshold=0.0)
        return [hit["metadata"]["note"] for hit in found["results"]]

    @contextmanager
    def _embeddings_known(self, notes: Sequence[Note], vectors: Vectors) -> Iterator[None]:
        known = {note.text: vectors.of(number).tolist() for number, note in enumerate(notes)}
        model = self._memory.embedding_model
        own, model.embed = model.embed, lambda text, *_: known[text]
        try:
            yield
        finally:
            model.embed = own


if __name__ == "__main__":
    serve(Mem0)
