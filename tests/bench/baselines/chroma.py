"""chromadb with its own embedding: as a library, or as a server whose clients embed."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import chromadb
from chromadb.utils.embedding_functions import ONNXMiniLM_L6_V2

from bench.baselines.serve import LIMIT, Contender, Note, Vectors, serve

_COLLECTION = "notes"
_FILL = 1_000
_START_LIMIT_S = 60


class Chroma(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        # Where it would otherwise put what it fetches.
        ONNXMiniLM_L6_V2.DOWNLOAD_PATH = Path(options["model"]).parent
        self._server: subprocess.Popen[bytes] | None = None
        self._connect: Callable[[], Any]
        if options["server"]:
            port = _free_port()
            self._server = _started(folder, port)
            self.server_pid = self._server.pid
            self._connect = lambda: chromadb.HttpClient("127.0.0.1", port)
        else:
            client = chromadb.PersistentClient(str(folder))
            self._connect = lambda: client
        self._embedding = ONNXMiniLM_L6_V2()
        self._collections = threading.local()

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        numbers = [vectors.of(number).tolist() for number in range(len(notes))]
        for first in range(0, len(notes), _FILL):
            some = slice(first, first + _FILL)
            self._collection.add(**_columns(notes[some]), embeddings=numbers[some])

    def store(self, note: Note) -> None:
        self.batch([note])

    def batch(self, notes: Sequence[Note]) -> None:
        self._collection.add(**_columns(notes))

    def search(self, query: str, project: str | None) -> list[str]:
        where = None if project is None else {"project": project}
        found = self._collection.query(query_texts=[query], n_results=LIMIT, where=where)
        ids: list[str] = found["ids"][0]
        return ids

    def close(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()

    @property
    def _collection(self) -> Any:
        """Each thread has its own, with a connection where there is a server."""
        if not hasattr(self._collections, "collection"):
            self._collections.collection = self._connect().get_or_create_collection(
                _COLLECTION,
                embedding_function=self._embedding,
                configuration={"hnsw": {"space": "cosine"}},
            )
        return self._collections.collection


def _columns(notes: Sequence[Note]) -> dict[str, list[Any]]:
    return {
        "ids": [note.id for note in notes],
        "documents": [note.text for note in notes],
        "metadatas": [{"project": note.project} for note in notes],
    }


def _started(folder: Path, port: int) -> "subprocess.Popen[bytes]":
    program = Path(sys.executable).with_name("chroma")
    place = ["--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen([program, "run", *place], stdin=subprocess.DEVNULL)
    end_s = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end_s and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server
        time.sleep(0.01)
    raise SystemExit("the server did not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    serve(Chroma)
