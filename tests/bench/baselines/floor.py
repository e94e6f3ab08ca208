"""The floor: sqlite-vec and onnxruntime as libraries of one process, as plain as it can be."""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlite_vec

from bench.baselines.minilm import MiniLM
from bench.baselines.serve import LIMIT, Contender, Note, Vectors, serve

_SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
  row INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, text TEXT NOT NULL, project TEXT NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS vectors USING vec0 (
  row INTEGER PRIMARY KEY, vector float[384] distance_metric=cosine, project TEXT
);
"""
_NEAREST = "SELECT row FROM vectors WHERE vector MATCH ? AND k = ?"
_FOUND = "SELECT id, text FROM ({nearest}) JOIN notes USING (row)"


class Floor(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._model = MiniLM(Path(options["model"]) / options["weights"], options["threads"])
        self._path = folder / "notes.sqlite"
        self._synchronous = options["synchronous"]
        self._connections = threading.local()
        self._writing = threading.Lock()
        self._connection.executescript(_SCHEMA)

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        self._insert(notes, [vectors.of(number).tobytes() for number in range(len(notes))])

    def store(self, note: Note) -> None:
        self.batch([note])

    def batch(self, notes: Sequence[Note]) -> None:
        vectors = self._model.embed([note.text for note in notes])
        self._insert(notes, [vector.tobytes() for vector in vectors])

    def search(self, query: str, project: str | None) -> list[str]:
        (vector,) = self._model.embed([query])
        nearest, asked = _NEAREST, [vector.tobytes(), LIMIT]
        if project is not None:
            nearest, asked = f"{_NEAREST} AND project = ?", [*asked, project]
        found = self._connection.execute(_FOUND.format(nearest=nearest), asked)
        return [id_ for id_, _text in found]

    def embed(self, texts: Sequence[str]) -> None:
        self._model.embed(texts)

    def _insert(self, notes: Sequence[Note], vectors: Sequence[bytes]) -> None:
        """One transaction. Writers take turns here, which costs less than SQLite's waiting."""
        connection = self._connection
        with self._writing, connection:
            for note, vector in zip(notes, vectors, strict=True):
                row = connection.execute(
                    "INSERT INTO notes (id, text, project) VALUES (?, ?, ?)", note
                ).lastrowid
                connection.execute(
                    "INSERT INTO vectors (row, vector, project) VALUES (?, ?, ?)",
                    (row, vector, note.project),
                )

    @property
    def _connection(self) -> sqlite3.Connection:
        """Each thread has its own."""
        if not hasattr(self._connections, "connection"):
            connection = sqlite3.connect(self._path)
            connection.enable_load_extension(True)
            sqlite_vec.load(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            self._connections.connection = connection
        mine: sqlite3.Connection = self._connections.connection
        return mine


if __name__ == "__main__":
    serve(Floor)
