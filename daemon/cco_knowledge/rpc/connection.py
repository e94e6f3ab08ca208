"""One accepted connection: whose it is, which framing it speaks, whether it stalls."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import Protocol

from cco_knowledge.errors import Unauthorized
from cco_knowledge.rpc import http
from cco_knowledge.rpc.caller import Caller, Gate
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.rpc.errors import to_wire
from cco_knowledge.rpc.ndjson import NdjsonConnection
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import Peer, peer_of
from cco_knowledge.rpc.stall import Progress, Stall

_NDJSON_BEGINNINGS = b"{[ \t\r\n"


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
    gate: Gate
    max_connections: int
    connections: "dict[asyncio.BaseTransport, Connection]" = field(default_factory=dict)
    _are_gone: asyncio.Event = field(default_factory=asyncio.Event)

    def connection(self) -> "Connection":
        return Connection(self)

    async def close(self, timeout_s: float) -> None:
        """Answer what has been sent, and end all connections.

        Peers have `timeout_s` to read their answers.
        """
        self._are_gone.clear()
        for connection in list(self.connections.values()):
            connection.hear_no_more()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._are_gone.wait(), timeout_s)
        for transport in list(self.connections):
            transport.close()

    def lost(self, transport: asyncio.BaseTransport) -> None:
        self.connections.pop(transport, None)
        if not self.connections:
            self._are_gone.set()


class Connection(asyncio.Protocol):
    """Chosen by the first byte, the framing gets everything from then on."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._framing: _Framing | None = None
        self._peer = Peer()
        self._stall: Stall | None = None
        self._http_progress = Progress.IDLE
        self._has_begun_next = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a stream socket's is
        self._transport = transport
        if len(self._peers.connections) >= self._peers.max_connections:
            transport.abort()
            return
        self._stall = Stall(transport.abort)
        self._peers.connections[transport] = self
        self._peer = peer_of(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        if self._framing is None:
            self._framing = self._choose(data)
        if self._framing is None:
            return
        if not isinstance(self._framing, NdjsonConnection):
            self._hear_http()
        self._framing.data_received(data)

    def hear_no_more(self) -> None:
        """What has arrived is read and answered; what a peer sends from now on fails at its end.

        So a peer knows of each request whether it has reached us. Closing at once would leave it
        in doubt about one that waits unread.
        """
        assert self._transport is not None  # noqa: S101  # it is among the connections
        with contextlib.suppress(OSError):  # the peer is gone
            self._transport.get_extra_info("socket").shutdown(socket.SHUT_RD)

    def eof_received(self) -> bool | None:
        if self._framing is None:
            return None
        stays = self._framing.eof_received()
        if isinstance(self._framing, NdjsonConnection):
            return stays
        assert self._stall is not None  # noqa: S101  # made with the connection
        return self._http_progress is not Progress.IDLE or self._stall.is_running

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stall is not None:
            self._stall.stop()
        if self._transport is not None:
            self._peers.lost(self._transport)
        if self._framing is not None:
            self._framing.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._framing is not None:
            self._framing.pause_writing()

    def resume_writing(self) -> None:
        if self._framing is not None:
            self._framing.resume_writing()

    def http_progress(self, progress: Progress) -> None:
        """HTTP tells where it stands. What came during a call begins the next request."""
        assert self._stall is not None  # noqa: S101  # made with the connection
        self._http_progress = progress
        if progress is Progress.CALLING:
            self._has_begun_next = False
        if progress is Progress.READING or (progress is Progress.IDLE and self._has_begun_next):
            self._stall.start()
        else:
            self._stall.stop()

    def _hear_http(self) -> None:
        assert self._stall is not None  # noqa: S101  # made with the connection
        if self._http_progress is Progress.CALLING:
            self._has_begun_next = True
        else:
            self._stall.start()

    def _choose(self, data: bytes) -> _Framing | None:
        assert self._transport is not None  # noqa: S101  # asyncio's order of calls
        assert self._stall is not None  # noqa: S101
        speaks_ndjson = data[0] in _NDJSON_BEGINNINGS
        if not self._peers.gate.may_open(self._peer):
            error = to_wire(Unauthorized("Only the user that runs the daemon may call it."))
            arrival = Arrival(Caller(self._peers.gate, self._peer), len(data))
            body = self._peers.dispatcher.refuse(error, arrival)
            self._transport.write(body + b"\n" if speaks_ndjson else http.refusal(body))
            self._transport.close()
            return None
        if speaks_ndjson:
            caller = Caller(self._peers.gate, self._peer)
            return NdjsonConnection(self._transport, self._peers.dispatcher, self._stall, caller)
        framing = self._peers.http.protocol()
        framing.connection_made(self._transport)
        return framing
