"""cco-knowledge over its socket: a daemon of its own, and the client module."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.baselines.serve import LIMIT, Contender, Note, Vectors, serve
from cco_knowledge_client import KnowledgeClient
from cco_knowledge_client.calls import Filters

_BATCH = 100


class Daemon(Contender):
    def __init__(self, folder: Path, options: Mapping[str, Any]) -> None:
        self._mode = options["mode"]
        self._process = _started(folder, options["model"])
        self.server_pid = self._process.pid
        self._socket = folder / "knowledge.sock"
        self._clients = threading.local()

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:  # noqa: ARG002
        """It takes no vectors: each text is embedded."""
        for first in range(0, len(notes), _BATCH):
            self.batch(notes[first : first + _BATCH])

    def store(self, note: Note) -> None:
        self._client.store(note.text, id=note.id, project_id=note.project)

    def batch(self, notes: Sequence[Note]) -> None:
        items = [{"id": id_, "text": text, "project_id": project} for id_, text, project in notes]
        stored = self._client.store_batch(items)
        if stored.failed:
            raise RuntimeError(f"{stored.failed} of a batch failed")

    def search(self, query: str, project: str | None) -> list[str]:
        filters: Filters = {} if project is None else {"project_id": project}
        hits = self._client.search(query, limit=LIMIT, mode=self._mode, **filters)
        return [hit.id for hit in hits]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def _client(self) -> KnowledgeClient:
        """Each thread is a client with its own connection."""
        if not hasattr(self._clients, "client"):
            self._clients.client = KnowledgeClient(self._socket, timeout_s=600)
        client: KnowledgeClient = self._clients.client
        return client


def _started(home: Path, model: str) -> "subprocess.Popen[bytes]":
    reading, writing = os.pipe()
    home.chmod(0o700)
    process = subprocess.Popen(
        [sys.executable, "-m", "cco_knowledge", "--home", home, "--ready-fd", str(writing)],
        env={**os.environ, "CCO_KNOWLEDGE_MODEL": model},
        stdin=subprocess.DEVNULL,
        pass_fds=[writing],
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.readline()
    if '"ready"' not in answer:
        raise SystemExit(f"the daemon did not start: {answer}")
    return process


if __name__ == "__main__":
    serve(Daemon)
