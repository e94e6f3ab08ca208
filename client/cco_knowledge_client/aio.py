"""The asyncio face of the client: calls share one connection and wait side by side."""

import asyncio
import itertools
import os
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeVar, Unpack

from . import calls
from .aio_connection import AsyncConnection, connect
from .calls import Call, EntryChanges, EntryFields, Filters, Params
from .connection import Undelivered
from .deadline import checked_timeout_s, no_answer_within
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


class AsyncKnowledgeClient:
    """Calls the daemon over one connection, made on the first call and used again.

    Tasks of one event loop may share it. Cancelling a call, or its deadline, leaves the others
    alone. Every call ends within `timeout_s` (its own, or the client's) with a result or a
    `KnowledgeError`. `token`, else `$CCO_KNOWLEDGE_TOKEN`, is presented on each connection.
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
        self._connecting = asyncio.Lock()
        self._connection: AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls that wait fail, and a later call makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def store(
        self, text: str, *, timeout_s: float | None = None, **fields: Unpack[EntryFields]
    ) -> Stored:
        return await self._send(calls.store(text, **fields), timeout_s)

    async def store_batch(
        self, items: Iterable[Mapping[str, Any]], *, timeout_s: float | None = None
    ) -> Batch:
        """`items`: each a `text` with any of `EntryFields`."""
        return await self._send(calls.store_batch(items), timeout_s)

    async def search(
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
        return await self._send(call, timeout_s)

    async def context(
        self,
        task: str,
        *,
        token_budget: int | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> Context:
        """What is stored that helps with a task, as one text of at most so many tokens."""
        return await self._send(
            calls.context(task, token_budget=token_budget, **filters), timeout_s
        )

    async def related(
        self,
        id: str,  # noqa: A002  # the field's name
        *,
        limit: int | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> Hits:
        """The entries that are nearest to one, without itself."""
        return await self._send(calls.related(id, limit=limit, **filters), timeout_s)

    async def query(
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
        return await self._send(call, timeout_s)

    async def get(self, ids: Iterable[str], *, timeout_s: float | None = None) -> Found:
        return await self._send(calls.get(ids), timeout_s)

    async def update(
        self,
        id: str,  # noqa: A002  # the field's name
        *,
        timeout_s: float | None = None,
        **changes: Unpack[EntryChanges],
    ) -> Updated:
        return await self._send(calls.update(id, **changes), timeout_s)

    async def reveal(
        self,
        id: str,  # noqa: A002  # the field's name
        *,
        timeout_s: float | None = None,
    ) -> str:
        """The value of a sealed credential. The daemon logs who asks."""
        return await self._send(calls.reveal(id), timeout_s)

    async def delete(
        self,
        ids: Iterable[str] | None = None,
        *,
        expect: int | None = None,
        timeout_s: float | None = None,
        **filters: Unpack[Filters],
    ) -> int:
        """Delete by ids, or what the filters select if they are exactly `expect` entries."""
        return await self._send(calls.delete(ids, expect=expect, **filters), timeout_s)

    async def stats(
        self, *, project_id: str | None = None, timeout_s: float | None = None
    ) -> Stats:
        return await self._send(calls.stats(project_id=project_id), timeout_s)

    async def cleanup(
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
        return await self._send(call, timeout_s)

    async def session_start(
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
        return await self._send(call, timeout_s)

    async def pre_compaction(
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
        return await self._send(call, timeout_s)

    async def post_compaction(
        self,
        current_task: str,
        *,
        project_id: str | None = None,
        limit: int | None = None,
        timeout_s: float | None = None,
    ) -> PostCompaction:
        """What is stored that answers the task, and what is newest in the project."""
        call = calls.post_compaction(current_task, project_id=project_id, limit=limit)
        return await self._send(call, timeout_s)

    async def embed(
        self, texts: Iterable[str], *, kind: str | None = None, timeout_s: float | None = None
    ) -> Embedded:
        return await self._send(calls.embed(texts, kind=kind), timeout_s)

    async def ping(self, *, timeout_s: float | None = None) -> str:
        return await self._send(calls.ping(), timeout_s)

    async def status(self, *, timeout_s: float | None = None) -> Status:
        return await self._send(calls.status(), timeout_s)

    async def call(
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
        return await self._send(calls.any_call(method, params), timeout_s, on_notification)

    async def _send(
        self, call: Call[T], timeout_s: float | None, hear: OnNotification | None = None
    ) -> T:
        limit_s = self._timeout_s if timeout_s is None else checked_timeout_s(timeout_s)
        request_id = next(self._ids)
        line = write_request(request_id, call)
        try:
            async with asyncio.timeout(limit_s):
                answer = await self._exchange(request_id, line, hear, repeatable=call.repeatable)
        except TimeoutError as error:
            raise no_answer_within(limit_s) from error
        return call.read(answer.result_or_raise())

    async def _exchange(
        self, request_id: int, line: bytes, hear: OnNotification | None, *, repeatable: bool
    ) -> Answer:
        connection = await self._connected()
        try:
            answer = await connection.exchange(request_id, line, hear)
        except ConnectionLost as lost:
            if not repeatable and not isinstance(lost, Undelivered):
                raise
        else:
            if not isinstance(answer.error, Unavailable):
                return answer
            connection.retire()  # that daemon is stopping; another one may follow it
        return await (await self._connected()).exchange(request_id, line, hear)

    async def _connected(self) -> AsyncConnection:
        async with self._connecting:
            if self._connection is None or not self._connection.usable():
                self._connection = await connect(self.socket_path, self._token)
            return self._connection
