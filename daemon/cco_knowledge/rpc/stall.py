"""How long a peer may take for one request, and to read what it asked for."""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

HALF_REQUEST_S = 10.0
"""From a request's first byte to its last."""
UNREAD_S = 30.0
"""Without reading a byte of what waits to be sent."""


class Progress(Enum):
    """Where a connection stands."""

    IDLE = auto()
    READING = auto()
    """A request has begun and is not whole."""
    CALLING = auto()
    """The daemon's turn; what the peer sends meanwhile is not late."""


class Stall:
    """Runs while a request is half received, and ends the connection if that takes too long."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._timer is not None

    def start(self) -> None:
        """Without effect while it runs: the time counts from the first byte."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(HALF_REQUEST_S, self._end)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Unread:
    """Runs while a peer does not read, and ends the connection if it reads nothing for so long."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self.stop()
        n_unsent = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(UNREAD_S, self._look, n_unsent)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, n_unsent: int) -> None:
        """Nothing is added while a peer does not read, so less is progress."""
        if self._transport.get_write_buffer_size() < n_unsent:
            self.start()
        else:
            self._transport.abort()
