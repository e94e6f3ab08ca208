"""The blocking face of the client."""

import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self, TypeVar, Unpack

from . import calls
from .calls import Call, EntryChanges, EntryFields, Filters, Params
from .connection import Connection, Undelivered
from .deadline import Deadline, checked_timeout_s, no_answer_within
from .errors import ConnectionLost, Unavailable
from .places import socket_path_of, token_of
from .results import (
    Batch,
    Cleaned,
    Context,
    Embedded,
    Found,
    Hits,
    Page,
    PostCompaction,
    PreCompaction,
    SessionStart,
    Stats,
    Status,
    Stored,
    Updated,
)
from .wire import Answer, OnNotification, write_request

T = TypeVar("T")


class KnowledgeClient:
    """Calls the daemon over one connection, made on the first call and used again.

    Threads may share it; their calls take turns. A process forked from this one makes its own
    connection. Every call ends within `timeout_s` (its own, or the client's) with a result or
    a `KnowledgeError`. `token`, else `$CCO_KNOWLEDGE_TOKEN`, is presented on each connection.
    """

    def __init__(
        self,
        socket_path: str | os.PathLike[str] | None = None,
        *,
        timeout_s: float = 30.0,
        token: str | None = None,
    ) -> None:
        self.socket_path = socket_path_of(socket_path)
        self._token = token_of(token)
        self._timeout_s = checked_timeout_s(timeout_s)
        self._ids = itertools.count(1)
        self._begin_in_this_process()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, once the call under way has ended; a later call makes a new one."""
        with self._lock:
            self._drop_connection()

    def store(
        self, text: str, *, timeout_s: float | None = None, **fields: Unpack[EntryFields]
    ) -> Stored:
        return self._send(calls.store(text, **fields), timeout_s)

    def store_batch(
        self, items: Iterable[Mapping[str, Any]], *, timeout_s: float | None = None
    ) -> Batch:
        """`items`: each a `text` with any of `EntryFields`."""
        return self._send(calls.store_batch(items), timeout_s)

    def search(
        self,
        query: str,
        *,
        limit: int | None = None,
        threshold: float | None = None,
        mode: str | None = None,
        explain: bool | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> Hits:
        """`threshold`: the least cosine similarity, 0 to 1. `mode`: hybrid, vector or text."""
        call = calls.search(
            query, limit=limit, threshold=threshold, mode=mode, explain=explain, **filters
        )
        return self._send(call, timeout_s)

    def context(
        self,
        task: str,
        *,
        token_budget: int | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> Context:
        """What is stored that helps with a task, as one text of at most so many tokens."""
        return self._send(calls.context(task, token_budget=token_budget, **filters), timeout_s)

    def related(
        self,
        id: str,  # noqa: A002  # the field's name
        *,
        limit: int | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> Hits:
        """The entries that are nearest to one, without itself."""
        return self._send(calls.related(id, limit=limit, **filters), timeout_s)

    def query(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        order_by: str | None = None,
        descending: bool | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> Page:
        call = calls.query(
            limit=limit, cursor=cursor, order_by=order_by, descending=descending, **filters
        )
        return self._send(call, timeout_s)

    def get(self, ids: Iterable[str], *, timeout_s: float | None = None) -> Found:
        return self._send(calls.get(ids), timeout_s)

    def update(
        self,
        id: str,  # noqa: A002  # the field's name
        *,
        timeout_s: float | None = None,
        **changes: Unpack[EntryChanges],
    ) -> Updated:
        return self._send(calls.update(id, **changes), timeout_s)

    def reveal(
        self,
        id: str,  # noqa: A002  # the field's name
        *,
        timeout_s: float | None = None,
    ) -> str:
        """The value of a sealed credential. The daemon logs who asks."""
        return self._send(calls.reveal(id), timeout_s)

    def delete(
        self,
        ids: Iterable[str] | None = None,
        *,
        expect: int | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> int:
        """Delete by ids, or what the filters select if they are exactly `expect` entries."""
        return self._send(calls.delete(ids, expect=expect, **filters), timeout_s)

    def stats(self, *, project_id: str | None = None, timeout_s: float | None = None) -> Stats:
        return self._send(calls.stats(project_id=project_id), timeout_s)

    def cleanup(
        self,
        *,
        older_than_days: int | None = None,
        project_id: str | None = None,
        type: str | None = None,  # noqa: A002  # the field's name
        dry_run: bool | None = None,
        timeout_s: float | None = None,
    ) -> Cleaned:
        call = calls.cleanup(
            older_than_days=older_than_days, project_id=project_id, type=type, dry_run=dry_run
        )
        return self._send(call, timeout_s)

    def session_start(
        self,
        session_id: str,
        *,
        project_id: str | None = None,
        context: str | None = None,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> SessionStart:
        """What a new session should know: what answers its context, then the newest."""
        call = calls.session_start(session_id, project_id=project_id, context=context, limit=limit)
        return self._send(call, timeout_s)

    def pre_compaction(
        self,
        conversation: str,
        *,
        project_id: str | None = None,
        session_id: str | None = None,
        timeout_s: float | None = None,
    ) -> PreCompaction:
        """Store what is worth keeping of a conversation; sent again, it stores only what is new.

        A long one takes a while: half a second for 1,000 words.
        """
        call = calls.pre_compaction(conversation, project_id=project_id, session_id=session_id)
        return self._send(call, timeout_s)

    def post_compaction(
        self,
        current_task: str,
        *,
        project_id: str | None = None,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> PostCompaction:
        """What is stored that answers the task, and what is newest in the project."""
        call = calls.post_compaction(current_task, project_id=project_id, limit=limit)
        return self._send(call, timeout_s)

    def embed(
        self, texts: Iterable[str], *, kind: str | None = None, timeout_s: float | None = None
    ) -> Embedded:
        return self._send(calls.embed(texts, kind=kind), timeout_s)

    def ping(self, *, timeout_s: float | None = None) -> str:
        return self._send(calls.ping(), timeout_s)

    def status(self, *, timeout_s: float | None = None) -> Status:
        return self._send(calls.status(), timeout_s)

    def call(
        self,
        method: str,
        params: Params | None = None,
        *,
        timeout_s: float | None = None,
        on_notification: OnNotification | None = None,
    ) -> Any:
        """Any method by name; the result as it came.

        `on_notification` is called with the method and the params of each notification that
        comes before the answer, such as `job.progress` during a `job.wait`.
        """
        return self._send(calls.any_call(method, params), timeout_s, on_notification)

    def _send(
        self, call: Call[T], timeout_s: float | None, hear: OnNotification | None = None
    ) -> T:
        deadline = Deadline.after(self._timeout_s if timeout_s is None else timeout_s)
        request_id = next(self._ids)
        line = write_request(request_id, call)
        if os.getpid() != self._pid:
            self._drop_connection()
            self._begin_in_this_process()
        with self._turn(deadline):
            answer = self._exchange(request_id, line, deadline, hear, repeatable=call.repeatable)
        return call.read(answer.result_or_raise())

    def _begin_in_this_process(self) -> None:
        # After a fork the parent's connection is the parent's, and its lock may be held for good.
        self._connection: Connection | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._lock.acquire(timeout=deadline.remaining_s()):
            raise no_answer_within(deadline.timeout_s)
        try:
            yield
        finally:
            self._lock.release()

    def _exchange(
        self,
        request_id: int,
        line: bytes,
        deadline: Deadline,
        hear: OnNotification | None,
        *,
        repeatable: bool,
    ) -> Answer:
        try:
            answer = self._exchange_once(request_id, line, deadline, hear)
        except ConnectionLost as lost:
            if not repeatable and not isinstance(lost, Undelivered):
                raise
        else:
            if not isinstance(answer.error, Unavailable):
                return answer
            self._drop_connection()  # that daemon is stopping; another one may follow it
        return self._exchange_once(request_id, line, deadline, hear)

    def _exchange_once(
        self, request_id: int, line: bytes, deadline: Deadline, hear: OnNotification | None
    ) -> Answer:
        try:
            if self._connection is None:
                self._connection = Connection(self.socket_path, deadline)
                if self._token is not None:
                    self._connection.authenticate(self._token, deadline)
            return self._connection.exchange(request_id, line, deadline, hear)
        except BaseException:  # KeyboardInterrupt too: the answer is still to come
            self._drop_connection()
            raise

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
