"""qdrant-client in its local mode, with fastembed: both as libraries of one process."""

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastembed import TextEmbedding
from qdrant_client import QdrantClient, models

from bench.baselines.serve import DIM, LIMIT, Contender, Note, Vectors, serve

_COLLECTION = "notes"
_NAMES = uuid.UUID(int=0)


class Qdrant(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._model = fastembed_model(Path(options["model"]))
        self._client = QdrantClient(
            path=str(folder / "qdrant"), force_disable_check_same_thread=True
        )
        if not self._client.collection_exists(_COLLECTION):
            params = models.VectorParams(size=DIM, distance=models.Distance.COSINE)
            self._client.create_collection(_COLLECTION, vectors_config=params)

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        self._insert(notes, [vectors.of(number).tolist() for number in range(len(notes))])

    def store(self, note: Note) -> None:
        self.batch([note])

    def batch(self, notes: Sequence[Note]) -> None:
        vectors = self._model.embed([note.text for note in notes])
        self._insert(notes, [vector.tolist() for vector in vectors])

    def search(self, query: str, project: str | None) -> list[str]:
        (vector,) = self._model.query_embed(query)
        found = self._client.query_points(
            _COLLECTION,
            query=vector.tolist(),
            limit=LIMIT,
            query_filter=None if project is None else _in_project(project),
            with_payload=True,
        )
        return [point.payload["id"] for point in found.points]

    def close(self) -> None:
        self._client.close()

    def _insert(self, notes: Sequence[Note], vectors: Sequence[Sequence[float]]) -> None:
        points = [
            models.PointStruct(
                id=str(uuid.uuid5(_NAMES, note.id)), vector=vector, payload=note._asdict()
            )
            for note, vector in zip(notes, vectors, strict=True)
        ]
        self._client.upsert(_COLLECTION, points)


def _in_project(project: str) -> Any:
    match = models.MatchValue(value=project)
    return models.Filter(must=[models.FieldCondition(key="project", match=match)])


def fastembed_model(onnx: Path) -> Any:
    """fastembed's own model of this name, its files from a folder instead of a model hub."""
    return TextEmbedding("sentence-transformers/all-MiniLM-L6-v2", specific_model_path=str(onnx))


if __name__ == "__main__":
    serve(Qdrant)
