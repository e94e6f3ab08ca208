"""One asyncio NDJSON connection. Calls wait on it side by side."""

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from . import calls
from .connection import CONNECT_AGAIN_S, connection_lost, undelivered, unreachable
from .errors import ConnectionLost, ProtocolError, TooLarge
from .wire import Answer, Notification, OnNotification, read_message, write_request

_LINE_MAX_BYTES = 1 << 30


async def connect(path: Path, token: str | None = None) -> "AsyncConnection":
    """A `token` is presented before anything else. Raises as `Connection.authenticate` does."""
    try:
        connected = await _connected(path)
        reader, writer = await asyncio.open_unix_connection(sock=connected, limit=_LINE_MAX_BYTES)
    except OSError as error:
        raise unreachable(path, error) from error
    connection = AsyncConnection(reader, writer)
    if token is not None:
        try:
            await connection.authenticate(token)
        except BaseException:  # cancelled too: nobody else would close it
            connection.retire()
            raise
    return connection


async def _connected(path: Path) -> socket.socket:
    """By hand: asyncio takes a socket that is told to come again for a connected one."""
    connecting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connecting.setblocking(False)
        while True:
            try:
                connecting.connect(str(path))
            except BlockingIOError:
                await asyncio.sleep(CONNECT_AGAIN_S)
            else:
                return connecting
    except BaseException:
        connecting.close()
        raise


@dataclass(frozen=True, slots=True)
class _Waiting:
    answer: asyncio.Future[Answer | None]
    """None: the connection was lost."""
    size_bytes: int
    hear: OnNotification | None

    def give(self, answer: Answer | None) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)


def _size_bytes(waiting: _Waiting) -> int:
    return waiting.size_bytes


class AsyncConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._waiting: dict[int, _Waiting] = {}
        self._end: Answer | None = None
        """What calls get that still wait at the end; None: the connection was lost."""
        self._is_retired = False
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self._reading = self._loop.create_task(self._read_answers())
        # A callback, because a task that is cancelled before it begins runs no `finally`.
        self._reading.add_done_callback(self._finish)

    def usable(self) -> bool:
        return (
            not self._is_retired
            and not self._reading.done()
            and not self._writer.is_closing()
            and self._loop is asyncio.get_running_loop()
            and self._pid == os.getpid()
        )

    def retire(self) -> None:
        """For further calls there is to be another connection; this one ends after its last."""
        self._is_retired = True
        if not self._waiting:
            self._reading.cancel()

    async def close(self) -> None:
        closed = ConnectionLost("The client was closed before the answer came.")
        self._end = Answer(None, None, closed)
        self._reading.cancel()
        await asyncio.wait([self._reading])
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def authenticate(self, token: str) -> None:
        line = write_request(0, calls.authenticate(token))
        try:
            answer = await self.exchange(0, line)
        except ConnectionLost as lost:
            raise undelivered() from lost
        answer.result_or_raise()

    async def exchange(
        self, request_id: int, line: bytes, hear: OnNotification | None = None
    ) -> Answer:
        """Cancelling it is safe: an answer that nobody waits for is dropped."""
        waiting = _Waiting(self._loop.create_future(), len(line), hear)
        self._waiting[request_id] = waiting
        try:
            self._writer.write(line)
            if self._writer.is_closing():  # then nothing of the line went out
                raise undelivered()
            with suppress(ConnectionError):  # the reader sees the end, too, and says so
                await self._writer.drain()
            answer = await waiting.answer
        finally:
            del self._waiting[request_id]
            if self._is_retired and not self._waiting:
                self._reading.cancel()
        if answer is None:
            raise connection_lost()
        return answer

    async def _read_answers(self) -> None:
        try:
            while (line := await self._reader.readline()).endswith(b"\n"):
                answer = read_message(line)
                if isinstance(answer, Notification):
                    self._tell(answer)
                    continue
                if answer.id is None and not isinstance(answer.error, TooLarge):
                    self._end = answer  # nothing from us is welcome
                    break
                self._deliver(answer)
        except ConnectionError:
            pass
        except (ProtocolError, ValueError) as error:
            self._end = Answer(None, None, _as_protocol_error(error))

    def _finish(self, _reading: asyncio.Task[None]) -> None:
        self._writer.close()
        for waiting in self._waiting.values():
            waiting.give(self._end)

    def _tell(self, notification: Notification) -> None:
        """All calls that want to hear, because a notification is nobody's."""
        for waiting in list(self._waiting.values()):
            if waiting.hear is not None:
                waiting.hear(notification.method, notification.params)

    def _deliver(self, answer: Answer) -> None:
        if answer.id is not None:
            waiting = self._waiting.get(answer.id)
        else:
            # The daemon could not read a request's id. Ours are well-formed, so one is too large.
            waiting = max(self._waiting.values(), key=_size_bytes, default=None)
        if waiting is not None:
            waiting.give(answer)


def _as_protocol_error(error: ProtocolError | ValueError) -> ProtocolError:
    if isinstance(error, ProtocolError):
        return error
    return ProtocolError(f"The daemon sent a line of more than {_LINE_MAX_BYTES} bytes.")
