"""One accepted connection: whose it is, which framing it speaks, whether it stalls."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from cco_knowledge.errors import Overloaded, Unauthorized
from cco_knowledge.rpc.caller import Caller, Gate
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.rpc.errors import WireError, to_wire
from cco_knowledge.rpc.late_http import LateHttp
from cco_knowledge.rpc.ndjson import NdjsonConnection
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import Peer, has_hung_up, peer_of
from cco_knowledge.rpc.receiving import Reading, Receiving
from cco_knowledge.rpc.stall import Progress, Stall, Unread
from cco_knowledge.shares import BUSY_MS, Shares
from cco_knowledge.turns import Origin

_NDJSON_BEGINNINGS = b"{[ \t\r\n"
_LOOKED_AT = 64
"""Connections of one peer, for one that may go: a thousand would hold up everybody."""
_REFUSED_BYTES = 64 << 10
"""Read of what a connection has sent that is refused at once."""

_log = logging.getLogger(__name__)


class _Framing(Protocol):
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def abandon(self) -> None: ...


@dataclass(slots=True)
class Peers:
    """What all connections share."""

    dispatcher: Dispatcher
    http: LateHttp
    gate: Gate
    max_connections: int
    connections: "dict[asyncio.BaseTransport, Connection]" = field(default_factory=dict)
    receiving: Receiving = field(init=False)
    _quiet: "dict[int | None, dict[Connection, None]]" = field(default_factory=dict)
    """Of each peer; the one that has been quiet for longest comes first."""
    _share: Shares = field(init=False)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _are_gone: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.receiving = Receiving(self.dispatcher.precedence)
        self._share = Shares(self.max_connections)

    def connection(self) -> "Connection":
        return Connection(self, next(self._numbers))

    def has_come(self, transport: asyncio.BaseTransport, connection: "Connection") -> bool:
        """Whether there is room for it: one that is idle has to go, of the same peer if it can."""
        peer = connection.origin.peer
        if not self._share.fits(peer, 1):
            idle = self._idle([peer] if self._share.held(peer) else list(self._quiet))
            if idle is None:
                return False
            idle.hear_no_more()
            self._release(idle)
        self._share.take(peer, 1)
        self.connections[transport] = connection
        self._quiet.setdefault(peer, {})[connection] = None
        return True

    def heard(self, connection: "Connection") -> None:
        """It is the last one of its peer now that has to go."""
        quiet = self._quiet.get(connection.origin.peer, {})
        if connection in quiet:
            quiet[connection] = quiet.pop(connection)

    def look(self) -> None:
        """Now and then: of a peer that is not read from, the loop does not hear that it is gone."""
        for connection in self.connections.values():
            connection.look()

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
        connection = self.connections.pop(transport, None)
        if connection is not None:
            self._release(connection)
        if not self.connections:
            self._are_gone.set()

    def _idle(self, peers: "Sequence[int | None]") -> "Connection | None":
        for peer in peers:
            for connection in list(itertools.islice(self._quiet[peer], _LOOKED_AT)):
                if connection.is_idle:
                    return connection
                self.heard(connection)  # it is at work: the next look begins with others
        return None

    def _release(self, connection: "Connection") -> None:
        if not connection.has_place:
            return
        connection.has_place = False
        peer = connection.origin.peer
        self._share.give_back(peer, 1)
        quiet = self._quiet[peer]
        del quiet[connection]
        if not quiet:
            del self._quiet[peer]


class Connection(asyncio.BufferedProtocol):
    """Chosen by the first byte, the framing gets everything from then on."""

    def __init__(self, peers: Peers, number: int) -> None:
        self._peers = peers
        self._framing: _Framing | None = None
        self._number = number
        self._peer = Peer()
        self.origin = Origin(None, number)
        self.has_place = True
        self._stall: Stall | None = None
        self._unread: Unread | None = None
        self._http_progress = Progress.IDLE
        self._has_begun_next = False
        self._transport: asyncio.Transport | None = None
        self._reading: Reading | None = None
        self._beginning: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Nothing is at work or half sent; and it has not been asked to go yet."""
        assert self._stall is not None  # noqa: S101  # it is among the connections
        assert self._transport is not None  # noqa: S101
        if not self.has_place or self._transport.get_write_buffer_size():
            return False
        if isinstance(self._framing, NdjsonConnection):
            return self._framing.is_idle
        return self._http_progress is Progress.IDLE and not self._stall.is_running

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # a stream socket's is
        self._transport = transport
        self._stall = Stall(transport.abort)
        self._unread = Unread(transport)
        self._reading = Reading(transport)
        self._peer = peer_of(transport.get_extra_info("socket"))
        self.origin = Origin(self._peer.pid, self._number)
        if not self._peers.has_come(transport, self):
            self._refuse_for_now(transport)

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._peers.receiving.room()

    def buffer_updated(self, nbytes: int) -> None:
        data = self._peers.receiving.taken(nbytes)
        assert self._transport is not None  # noqa: S101  # asyncio's order of calls
        self._peers.heard(self)
        if self._framing is None:
            self._framing = self._choose(data)
        if self._framing is not None:
            if not isinstance(self._framing, NdjsonConnection):
                self._hear_http()
            self._framing.data_received(data)
        if self._reading is not None:
            self._peers.receiving.has_read(self._reading, self.origin)

    def hear_no_more(self) -> None:
        """What has arrived is read and answered; what a peer sends from now on fails at its end.

        So a peer knows of each request whether it has reached us. Closing at once would leave it
        in doubt about one that waits unread.
        """
        assert self._transport is not None  # noqa: S101  # it is among the connections
        with contextlib.suppress(OSError):  # the peer is gone
            self._transport.get_extra_info("socket").shutdown(socket.SHUT_RD)

    def look(self) -> None:
        assert self._transport is not None  # noqa: S101  # it is among the connections
        if not (self._transport.is_reading() or self._transport.is_closing()):
            self._abandon_if_gone()

    def _abandon_if_gone(self) -> None:
        assert self._transport is not None  # noqa: S101
        is_gone = has_hung_up(self._transport.get_extra_info("socket").fileno())
        if is_gone and self._framing is not None:
            self._framing.abandon()

    def eof_received(self) -> bool | None:
        if self._framing is None:
            return None
        self._abandon_if_gone()
        stays = self._framing.eof_received()
        if isinstance(self._framing, NdjsonConnection):
            return stays
        assert self._stall is not None  # noqa: S101  # made with the connection
        return self._http_progress is not Progress.IDLE or self._stall.is_running

    def connection_lost(self, exc: Exception | None) -> None:
        if self._stall is not None:
            self._stall.stop()
        if self._unread is not None:
            self._unread.stop()
        if self._reading is not None:
            self._peers.receiving.forget(self._reading, self.origin)
        if self._transport is not None:
            self._peers.lost(self._transport)
        if self._framing is not None:
            self._framing.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._unread is not None:
            self._unread.start()
        if self._framing is not None:
            self._framing.pause_writing()

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.stop()
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
        assert self._reading is not None  # noqa: S101
        speaks_ndjson = data[0] in _NDJSON_BEGINNINGS
        if not self._peers.gate.may_open(self._peer):
            error = to_wire(Unauthorized("Only the user that runs the daemon may call it."))
            self._refuse(self._transport, error, HTTPStatus.FORBIDDEN, is_http=not speaks_ndjson)
            return None
        if speaks_ndjson:
            return NdjsonConnection(
                self._transport, self._reading, self._peers.dispatcher, self._stall, self._caller
            )
        self._reading.pause()
        self._http_progress = Progress.READING
        begin = self._begin_http(self._transport, self._reading, data)
        self._beginning = asyncio.create_task(begin)
        return None

    async def _begin_http(
        self, transport: asyncio.Transport, reading: Reading, data: bytes
    ) -> None:
        """Nothing is read until HTTP is there to hear it."""
        try:
            http = await self._peers.http.server()
        except ImportError as error:
            _log.error("HTTP needs a restart, since it cannot be loaded: %s", error)
            transport.abort()
            return
        if transport.is_closing():
            return
        self._http_progress = Progress.IDLE
        self._framing = http.protocol(self._peer, self.origin, reading)
        self._framing.connection_made(transport)
        self._hear_http()
        reading.resume()
        self._framing.data_received(data)

    def _refuse_for_now(self, transport: asyncio.Transport) -> None:
        """In the framing of what has come already; a peer that has sent nothing gets a line."""
        self.has_place = False
        error = to_wire(Overloaded("There are too many connections.", retry_after_ms=BUSY_MS))
        first = b""
        with contextlib.suppress(OSError):  # nothing has come
            first = os.read(transport.get_extra_info("socket").fileno(), _REFUSED_BYTES)[:1]
        is_http = bool(first) and first not in _NDJSON_BEGINNINGS
        self._refuse(transport, error, HTTPStatus.SERVICE_UNAVAILABLE, is_http=is_http)

    def _refuse(
        self, transport: asyncio.Transport, error: WireError, status: HTTPStatus, *, is_http: bool
    ) -> None:
        body = self._peers.dispatcher.refuse(error, Arrival(self._caller, 0))
        transport.write(_http_refusal(status, body) if is_http else body + b"\n")
        transport.close()

    @property
    def _caller(self) -> Caller:
        """A new one: who has not presented anything yet."""
        return Caller(self._peers.gate, self._peer, self.origin)


def _http_refusal(status: HTTPStatus, body: bytes) -> bytes:
    """A whole HTTP response for a peer that never gets as far as a request."""
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
