"""One accepted connection: whose it is, which framing it speaks, whether it stalls."""

import asyncio
import os
import socket
import struct
import sys
from dataclasses import dataclass, field
from typing import Protocol

from cco_knowledge.errors import Unauthorized
from cco_knowledge.rpc import envelope, http
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.rpc.errors import to_wire
from cco_knowledge.rpc.ndjson import NdjsonConnection

HALF_REQUEST_S = 10.0
"""From a request's first byte to its last."""
_NDJSON_BEGINNINGS = b"{[ \t\r\n"
_DARWIN_LOCAL_PEERCRED = 1


class _Framing(Protocol):
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...


@dataclass(slots=True)
class Peers:
    """What all connections share."""

    dispatcher: Dispatcher
    http: "http.HttpServer"
    max_connections: int
    connections: "dict[asyncio.BaseTransport, Connection]" = field(default_factory=dict)

    def connection(self) -> "Connection":
        return Connection(self)

    def close_all(self) -> None:
        """What has been written still goes out."""
        for transport in list(self.connections):
            transport.close()


class Connection(asyncio.Protocol):
    """Chosen by the first byte, the framing gets everything from then on."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._framing: _Framing | None = None
        self._is_own_user = False
        self._stall: asyncio.TimerHandle | None = None
        self._is_in_call = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a stream socket's is
        self.transport = transport
        if len(self._peers.connections) >= self._peers.max_connections:
            transport.abort()
            return
        self._peers.connections[transport] = self
        self._is_own_user = peer_uid(transport.get_extra_info("socket")) == os.geteuid()

    def data_received(self, data: bytes) -> None:
        assert self.transport is not None  # noqa: S101  # asyncio's order of calls
        if self._framing is None:
            self._framing = self._choose(data, self.transport)
        if self._framing is None:
            return
        if self._stall is None and not self._is_in_call:
            loop = asyncio.get_running_loop()
            self._stall = loop.call_later(HALF_REQUEST_S, self.transport.abort)
        self._framing.data_received(data)

    def eof_received(self) -> bool | None:
        return self._framing.eof_received() if self._framing else None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.transport is not None:
            self._peers.connections.pop(self.transport, None)
        self._calm()
        if self._framing is not None:
            self._framing.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._framing is not None:
            self._framing.pause_writing()

    def resume_writing(self) -> None:
        if self._framing is not None:
            self._framing.resume_writing()

    def progress(self, *, is_half: bool, is_in_call: bool) -> None:
        """A framing tells whether it waits for the rest of a request."""
        self._is_in_call = is_in_call
        if not is_half:
            self._calm()

    def _choose(self, data: bytes, transport: asyncio.Transport) -> _Framing | None:
        speaks_ndjson = data[0] in _NDJSON_BEGINNINGS
        if not self._is_own_user:
            error = to_wire(Unauthorized("Only the user that runs the daemon may call it."))
            line = envelope.failure(None, error) + b"\n"
            transport.write(line if speaks_ndjson else http.refusal(error))
            transport.close()
            return None
        if speaks_ndjson:
            return NdjsonConnection(
                transport,
                self._peers.dispatcher,
                lambda is_half: self.progress(is_half=is_half, is_in_call=False),
            )
        framing = self._peers.http.protocol()
        framing.connection_made(transport)
        return framing

    def _calm(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def peer_uid(connected: socket.socket) -> int | None:
    """The user at the other end, from the kernel; None when it does not tell."""
    try:
        if sys.platform == "linux":
            _, uid, _ = struct.unpack(
                "3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            )
        else:
            _, uid = struct.unpack_from("II", connected.getsockopt(0, _DARWIN_LOCAL_PEERCRED, 76))
    except OSError:
        return None
    return int(uid)
