"""The daemon's end of the socket, played by a test: one script for each connection."""

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ENTRY = {
    "id": "decision-1-a",
    "text": "We use LanceDB\nfor \x1b[31mvectors",
    "type": "decision",
    "project_id": "shop",
    "session_id": "unknown",
    "agent": "unknown",
    "timestamp": "2026-11-22T10:30:00.123Z",
    "metadata": {"a": [1, 2.5, None, "\u2028"]},
}
"""As the daemon sends it."""


class Peer:
    """One accepted connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def read(self) -> Any:
        """The next request, or None at the end."""
        line = self._lines.readline()
        return json.loads(line) if line else None

    def send(self, line: bytes) -> None:
        self._connection.sendall(line)

    def answer(self, request: Any, result: Any) -> None:
        self.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())
        self.send(b"\n")

    def refuse(self, request: Any, code: int, reason: str, **data: object) -> None:
        error = {"code": code, "message": f"refused: {reason}", "data": {"reason": reason, **data}}
        request_id = None if request is None else request["id"]
        self.send(json.dumps({"jsonrpc": "2.0", "id": request_id, "error": error}).encode())
        self.send(b"\n")

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


Script = Callable[[Peer], None]


def echo(peer: Peer) -> None:
    """Answers every request with its params, until the client closes."""
    while (request := peer.read()) is not None:
        peer.answer(request, request["params"])


class Recorded:
    """Answers each method with a fixed result, and keeps the params."""

    def __init__(self, results: dict[str, Any]) -> None:
        self.results = results
        self.params: list[Any] = []

    def __call__(self, peer: Peer) -> None:
        while (request := peer.read()) is not None:
            self.params.append(request["params"])
            result = self.results[request["method"]]
            peer.answer(request, result(request["params"]) if callable(result) else result)


class ScriptedDaemon:
    def __init__(self, path: Path, scripts: tuple[Script, ...]) -> None:
        self.path = path
        self.n_connections = 0
        self.failures: list[BaseException] = []
        self._scripts = scripts
        self._threads: list[threading.Thread] = []
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(path))
        self._listening.listen()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def _accept(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.n_connections += 1
            thread = threading.Thread(target=self._play, args=(script, Peer(connection)))
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, peer: Peer) -> None:
        try:
            script(peer)
        except BaseException as error:  # noqa: BLE001  # raised again by `stop`
            self.failures.append(error)
        finally:
            peer.close()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listening.close()
        for thread in self._threads:
            thread.join()
        if self.failures:
            raise self.failures[0]


@contextmanager
def serving(*scripts: Script) -> Iterator[ScriptedDaemon]:
    """Plays the n-th script to the n-th connection. Further ones are not accepted.

    Leave it with every client closed: it waits for the scripts to end.
    """
    with tempfile.TemporaryDirectory(prefix="cco", dir="/tmp") as folder:  # short
        daemon = ScriptedDaemon(Path(folder) / "s", scripts)
        try:
            yield daemon
        finally:
            daemon.stop()
