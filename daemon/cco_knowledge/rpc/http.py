"""HTTP/1.1 in front of the dispatcher: the one importer of aiohttp."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from cco_knowledge.errors import RateLimited, Unauthorized, Unavailable
from cco_knowledge.rpc import envelope
from cco_knowledge.rpc.caller import Caller, Gate
from cco_knowledge.rpc.dispatch import MAX_REQUEST_BYTES, Dispatcher
from cco_knowledge.rpc.errors import WireError, to_wire
from cco_knowledge.rpc.late_http import Health, OnProgress
from cco_knowledge.rpc.ndjson import too_large, too_much_unanswered
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import Peer
from cco_knowledge.rpc.receiving import Reading
from cco_knowledge.rpc.stall import Progress
from cco_knowledge.turns import Origin


class HttpServer(web.Server):
    """Makes the protocol of each HTTP connection."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        gate: Gate,
        *,
        health: Health,
        on_progress: OnProgress,
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        super().__init__(self._handle, request_factory=_request, access_log=None)
        self._dispatcher = dispatcher
        self._gate = gate
        self._health = health
        self._on_progress = on_progress
        self._metrics = metrics

    def protocol(self, peer: Peer, origin: Origin, reading: Reading) -> "_Handler":
        handler = _Handler(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
        )
        handler.peer, handler.origin, handler.reading = peer, origin, reading
        handler.on_progress = self._on_progress
        return handler

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._on_progress(request.transport, Progress.READING)
        answer = _ROUTES.get(request.path)
        if answer is None:
            return _error(
                404, WireError.invalid_request("POST /rpc, GET /healthz, /readyz or /metrics.")
            )
        handler = _handler(request)
        caller = Caller(self._gate, handler.peer, handler.origin)
        try:
            _identify(caller, request)
        except (RateLimited, Unauthorized) as error:
            return self._refuse(error, caller)
        return await answer(self, request, caller)

    def _refuse(self, error: RateLimited | Unauthorized, caller: Caller) -> web.Response:
        status = 401 if isinstance(error, Unauthorized) else 429
        response = _json(status, self._dispatcher.refuse(to_wire(error), Arrival(caller, 0)))
        response.headers["WWW-Authenticate"] = "Bearer"
        response.force_close()
        return response

    async def rpc(self, request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        if request.method != "POST":
            return _error(405, WireError.invalid_request("Use POST."), {"Allow": "POST"})
        if request.content_type != "application/json":
            return _error(415, WireError.invalid_request("Send Content-Type: application/json."))
        if "Content-Encoding" in request.headers:
            return _error(415, WireError.invalid_request("Send the body without an encoding."))
        origin, body = caller.origin, bytearray()
        try:
            refused = await self._receive(request, origin, body)
            arrival = Arrival(caller, len(body))
            if refused is not None:
                status, error = refused
                return _json(status, self._dispatcher.refuse(error, arrival))
            self._on_progress(request.transport, Progress.CALLING)
            return await self._answer(request, bytes(body), arrival)
        finally:
            self._dispatcher.requests_share.give_back(origin.peer, len(body))

    async def _receive(
        self, request: web.BaseRequest, origin: Origin, body: bytearray
    ) -> tuple[int, WireError] | None:
        """The body, or the status and the error of one that is refused before it is whole."""
        share = self._dispatcher.requests_share
        while chunk := await _next_of(request):
            body += chunk
            share.take(origin.peer, len(chunk))
            if len(body) > MAX_REQUEST_BYTES:
                return 413, too_large()
            if not share.fits(origin.peer, 0):
                return 503, too_much_unanswered()
        return None

    async def _answer(
        self, request: web.BaseRequest, body: bytes, arrival: Arrival
    ) -> web.StreamResponse:
        _handler(request).arrival = arrival
        with self._dispatcher.accepted(arrival):
            answer = await self._dispatcher.answer(body, arrival)
            response = web.Response(status=204) if answer is None else _json(200, answer)
            with contextlib.suppress(ConnectionError):  # aiohttp sees it too
                await response.prepare(request)
                await response.write_eof()
        return response

    async def healthz(self, _request: web.BaseRequest, _caller: Caller) -> web.StreamResponse:
        """Answered by the loop itself, so it proves that the loop moves."""
        if self._health.is_alive():
            return _json(200, b'{"status":"ok"}')
        return _error(503, to_wire(Unavailable("The disk, the writer or the model does not move.")))

    async def readyz(self, _request: web.BaseRequest, _caller: Caller) -> web.StreamResponse:
        if self._health.is_ready():
            what = b',"stores":"refused"' if self._health.is_full() else b""
            return _json(200, b'{"status":"ready"%s}' % what)
        return _error(503, to_wire(Unavailable("The model and the store are being loaded.")))

    async def metrics(self, _request: web.BaseRequest, caller: Caller) -> web.StreamResponse:
        if caller.projects is not None:  # they count what all do
            why = "The token is limited to projects; metrics are those of all."
            return _error(403, to_wire(Unauthorized(why)))
        response = web.Response(body=await self._metrics())
        response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
        return response


_Route = Callable[[HttpServer, web.BaseRequest, Caller], Awaitable[web.StreamResponse]]
_ROUTES: dict[str, _Route] = {
    "/rpc": HttpServer.rpc,
    "/healthz": HttpServer.healthz,
    "/readyz": HttpServer.readyz,
    "/metrics": HttpServer.metrics,
}


class _Handler(RequestHandler):
    peer: Peer
    origin: Origin
    reading: Reading
    on_progress: OnProgress
    arrival: Arrival | None = None
    """Of the call at hand."""

    def connection_lost(self, exc: BaseException | None) -> None:
        self.abandon()
        super().connection_lost(exc)

    def _pause_transport_reading(self) -> None:
        """As aiohttp does it, but that it has to be this connection's turn as well."""
        self.reading.pause()

    def _resume_transport_reading(self) -> None:
        self.reading.resume()

    def abandon(self) -> None:
        if self.arrival is not None:
            self.arrival.held.abandon()

    def eof_received(self) -> None:
        """Nothing more comes; aiohttp closes after the request at hand."""
        self.close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self.on_progress(request.transport, Progress.IDLE)

    def handle_error(  # the signature is aiohttp's
        self,
        request: web.BaseRequest,  # noqa: ARG002
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """What aiohttp could not parse, and what nobody foresaw: with a JSON-RPC body too."""
        is_their_fault = status < HTTPStatus.INTERNAL_SERVER_ERROR
        error = WireError.invalid_request("The HTTP request is malformed.")
        response = _error(status, error if is_their_fault or exc is None else to_wire(exc))
        response.force_close()
        return response


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(
        message,
        payload,
        protocol,
        writer,
        task,
        asyncio.get_running_loop(),
        client_max_size=MAX_REQUEST_BYTES,
    )


def _handler(request: web.BaseRequest) -> _Handler:
    handler = request.protocol
    assert isinstance(handler, _Handler)  # noqa: S101  # `HttpServer.protocol` makes them
    return handler


async def _next_of(request: web.BaseRequest) -> bytes:
    """Of the body; empty behind its end. A peer that went away in the middle of it sent none."""
    try:
        return await request.content.readany()
    except ConnectionError as error:
        raise web.HTTPBadRequest from error


def _identify(caller: Caller, request: web.BaseRequest) -> None:
    """Raises Unauthorized and RateLimited. What is presented counts, never the peer instead."""
    presented = request.headers.get("Authorization")
    if presented is None:
        caller.check_proven()
        return
    scheme, _, token = presented.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("Send Authorization: Bearer and a token.")
    caller.authenticate(token.strip())


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _error(status: int, error: WireError, headers: dict[str, str] | None = None) -> web.Response:
    response = _json(status, envelope.failure(None, error))
    response.headers.update(headers or {})
    return response
