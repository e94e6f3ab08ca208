"""One JSON value a line, both ways. Responses may come in any order."""

import asyncio
from collections.abc import Callable

from cco_knowledge.rpc import envelope
from cco_knowledge.rpc.dispatch import MAX_REQUEST_BYTES, Dispatcher
from cco_knowledge.rpc.errors import WireError

_MAX_CALLS_AT_ONCE = 64
"""On one connection; further lines stay in the kernel until an answer is out."""


class NdjsonConnection:
    """Bytes of one connection in, answers out."""

    def __init__(
        self,
        transport: asyncio.Transport,
        dispatcher: Dispatcher,
        on_progress: Callable[[bool], None],
    ) -> None:
        """`on_progress(is_inside)` says after each piece whether a line is half received."""
        self._transport = transport
        self._dispatcher = dispatcher
        self._on_progress = on_progress
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._is_skipping = False
        self._calls: set[asyncio.Task[None]] = set()
        self._is_writable = asyncio.Event()
        self._is_writable.set()
        self._is_ended = False

    def data_received(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._add(line)
            self._end_line()
        if rest:
            self._add(rest)
        self._on_progress(bool(self._pieces) or self._is_skipping)

    def eof_received(self) -> bool:
        """The peer sends no more; what it asked is still answered."""
        self._is_ended = True
        return bool(self._calls)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Nobody reads the answers any more. Calls go on: a store that was sent is stored."""
        self._is_ended = True
        self._is_writable.set()

    def pause_writing(self) -> None:
        self._is_writable.clear()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_writable.set()
        self._read_on()

    def _add(self, piece: bytes) -> None:
        if self._is_skipping:
            return
        self._pieces.append(piece)
        self._size_bytes += len(piece)
        if self._size_bytes > MAX_REQUEST_BYTES:
            self._pieces.clear()
            self._is_skipping = True
            self._transport.write(envelope.failure(None, too_large()) + b"\n")

    def _end_line(self) -> None:
        line = b"".join(self._pieces)
        was_skipping = self._is_skipping
        self._pieces.clear()
        self._size_bytes = 0
        self._is_skipping = False
        if was_skipping or not line.strip():
            return
        call = asyncio.create_task(self._answer(line))
        self._calls.add(call)
        call.add_done_callback(self._answered)
        if len(self._calls) >= _MAX_CALLS_AT_ONCE:
            self._transport.pause_reading()

    async def _answer(self, line: bytes) -> None:
        with self._dispatcher.accepted():
            response = await self._dispatcher.answer(line)
            await self._is_writable.wait()
            if response is not None and not self._transport.is_closing():
                self._transport.write(response + b"\n")

    def _answered(self, call: "asyncio.Task[None]") -> None:
        self._calls.discard(call)
        if self._is_ended and not self._calls:
            self._transport.close()
        self._read_on()

    def _read_on(self) -> None:
        may_read = len(self._calls) < _MAX_CALLS_AT_ONCE and self._is_writable.is_set()
        if may_read and not self._transport.is_closing():
            self._transport.resume_reading()


def too_large() -> WireError:
    return WireError("too_large", f"A request has at most {MAX_REQUEST_BYTES} bytes.")
