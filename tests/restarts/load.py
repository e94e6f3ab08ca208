"""Clients that store, search and update without a pause, and keep what they were told."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from cco_knowledge_client import ConnectionLost, KnowledgeClient, KnowledgeError, Unreachable
from cco_knowledge_client.connection import Undelivered
from process import wait_until
from wire import Raw, RpcError, encoded, http_post, request, result_of

PROJECT: Final = "under-load"
_PROGRESS_LIMIT_S = 120.0
_PAUSE_S = 0.02
"""Of a client that finds nobody, until it tries again."""
_ANSWER_LIMIT_S = 60.0
_WITHOUT_EFFECT = ("nobody there", "not sent", "stopping")
_WORDS = ("backup", "release", "index", "worker", "deadline", "cache", "review", "migration")


class Nobody(Exception):
    """No connection could be made."""


class NotSent(Exception):
    """The connection was closed before the whole request was out."""


class Unanswered(Exception):
    """It went out, and nobody said what became of it."""


class Caller(Protocol):
    def call(self, method: str, params: dict[str, Any]) -> Any:
        """Raises Nobody, NotSent, Unanswered, or RpcError for an answer that is an error."""

    def close(self) -> None: ...


class ModuleCaller:
    """Through the client module, with what it does by itself."""

    def __init__(self, path: Path) -> None:
        self._client = KnowledgeClient(path, timeout_s=_ANSWER_LIMIT_S)

    def call(self, method: str, params: dict[str, Any]) -> Any:
        try:
            return self._client.call(method, params)
        except Undelivered as error:
            raise NotSent(error.message) from error
        except ConnectionLost as error:
            raise Unanswered(error.message) from error
        except Unreachable as error:
            raise Nobody(error.message) from error
        except KnowledgeError as error:
            if not error.data:  # made by the client itself
                raise Unanswered(error.message) from error
            sent = {"code": error.code, "message": error.message, "data": error.data}
            raise RpcError(sent) from error

    def close(self) -> None:
        self._client.close()


class RawCaller:
    """Over a connection that is used again, and with nothing repeated."""

    def __init__(self, path: Path, framing: str) -> None:
        self._path = path
        self._framing = framing
        self._raw: Raw | None = None

    def call(self, method: str, params: dict[str, Any]) -> Any:
        message = encoded(request(method, params))
        if self._raw is None:
            try:
                self._raw = Raw(self._path, _ANSWER_LIMIT_S)
            except OSError as error:
                raise Nobody(str(error)) from error
        try:
            self._raw.send(http_post(message) if self._framing == "http" else message + b"\n")
        except OSError as error:
            self.close()
            raise NotSent(str(error)) from error
        try:
            return result_of(self._answer(self._raw))
        except RpcError as error:
            if error.reason == "unavailable":
                self.close()
            raise
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise Unanswered(f"{self._framing}: {error!r}") from error

    def _answer(self, raw: Raw) -> Any:
        return raw.http_reply().document if self._framing == "http" else raw.line()

    def close(self) -> None:
        if self._raw is not None:
            self._raw.__exit__()
            self._raw = None


class Client:
    """One after the other: a store with an id, a search, an update of what it stored."""

    def __init__(self, name: str, caller: Caller) -> None:
        self.name = name
        self.caller = caller
        self.outcomes: Counter[str] = Counter()
        self.unanswered: list[str] = []
        self.failed: list[str] = []
        """Answers that are errors, except that the daemon is stopping."""
        self.notes: dict[str, set[int]] = {}
        """Of each acknowledged entry those that it may have: the last acknowledged, or in doubt."""
        self.in_doubt: set[str] = set()
        """Ids that were sent without an acknowledgement."""
        self._numbers = itertools.count()

    def work(self, until: threading.Event) -> None:
        while not until.is_set():
            steps = (self._store, self._search, self._update)
            if not steps[next(self._numbers) % len(steps)]():
                until.wait(_PAUSE_S)

    def _store(self) -> bool:
        number = next(self._numbers)
        entry_id = f"{self.name}-{number}"
        word = _WORDS[number % len(_WORDS)]
        params = {
            "id": entry_id,
            "project_id": PROJECT,
            "on_duplicate": "store",
            "text": f"Note {number} of {self.name}: the {word} waits for the others.",
            "metadata": {"note": number},
        }
        self.in_doubt.add(entry_id)
        outcome = self._tried("knowledge.store", params)
        if outcome == "answered":
            self.notes[entry_id] = {number}
        if outcome in ("answered", *_WITHOUT_EFFECT):
            self.in_doubt.discard(entry_id)
        return outcome == "answered"

    def _search(self) -> bool:
        word = _WORDS[next(self._numbers) % len(_WORDS)]
        params = {"query": f"what waits for the {word}", "project_id": PROJECT, "limit": 3}
        return self._tried("knowledge.search", params) == "answered"

    def _update(self) -> bool:
        if not self.notes:
            return True
        entry_id, notes = next(reversed(self.notes.items()))
        note = next(self._numbers)
        params = {"id": entry_id, "metadata": {"note": note}}
        notes.add(note)
        outcome = self._tried("knowledge.update", params)
        if outcome == "answered":
            self.notes[entry_id] = {note}
        elif outcome in _WITHOUT_EFFECT:
            notes.discard(note)
        return outcome == "answered"

    def _tried(self, method: str, params: dict[str, Any]) -> str:
        outcome = "answered"
        try:
            self.caller.call(method, params)
        except Nobody:
            outcome = "nobody there"
        except NotSent:
            outcome = "not sent"
        except Unanswered as error:
            outcome = "unanswered"
            self.unanswered.append(f"{self.name} {method}: {error}")
        except RpcError as error:
            outcome = "stopping" if error.reason == "unavailable" else "failed"
            if outcome == "failed":
                self.failed.append(f"{self.name} {method}: {error}")
        self.outcomes[outcome] += 1
        return outcome


def ten_clients(path: Path, name: str) -> list[Client]:
    """Four use the client module; three speak each framing and repeat nothing."""
    callers: list[Caller] = [
        *(ModuleCaller(path) for _ in range(4)),
        *(RawCaller(path, framing) for framing in ("ndjson", "http") for _ in range(3)),
    ]
    return [Client(f"{name}-{number}", caller) for number, caller in enumerate(callers)]


class Load:
    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients

    def wait_for_answers(self, count: int) -> None:
        """So many more, to every client."""
        wanted = {client: client.outcomes["answered"] + count for client in self._clients}
        wait_until(
            lambda: all(client.outcomes["answered"] >= n for client, n in wanted.items()),
            _PROGRESS_LIMIT_S,
        )


@contextmanager
def working(clients: Sequence[Client]) -> Iterator[Load]:
    """All of them at once, until the end of `with`."""
    until = threading.Event()
    threads = [threading.Thread(target=client.work, args=(until,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield Load(clients)
    finally:
        until.set()
        for thread in threads:
            thread.join()
        for client in clients:
            client.caller.close()
