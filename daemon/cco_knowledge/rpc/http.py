"""HTTP/1.1 in front of the dispatcher: the one importer of aiohttp."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from cco_knowledge.errors import Unavailable
from cco_knowledge.rpc import envelope
from cco_knowledge.rpc.dispatch import MAX_REQUEST_BYTES, Dispatcher
from cco_knowledge.rpc.errors import WireError, to_wire
from cco_knowledge.rpc.ndjson import too_large
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import peer_of
from cco_knowledge.rpc.stall import Progress

OnProgress = Callable[[asyncio.BaseTransport | None, Progress], None]


class HttpServer(web.Server):
    """Makes the protocol of each HTTP connection."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        is_alive: Callable[[], bool],
        is_ready: Callable[[], bool],
        is_full: Callable[[], bool],
        on_progress: OnProgress,
        metrics: Callable[[], Awaitable[bytes]],
    ) -> None:
        super().__init__(self._handle, request_factory=_request, access_log=None)
        self._dispatcher = dispatcher
        self._is_alive = is_alive
        self._is_ready = is_ready
        self._is_full = is_full
        self._on_progress = on_progress
        self._metrics = metrics

    def protocol(self) -> RequestHandler:
        handler = _Handler(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None switches it off
            auto_decompress=False,
        )
        handler.on_progress = self._on_progress
        return handler

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._on_progress(request.transport, Progress.READING)
        answer = _ROUTES.get(request.path)
        if answer is None:
            return _error(
                404, WireError.invalid_request("POST /rpc, GET /healthz, /readyz or /metrics.")
            )
        return await answer(self, request)

    async def rpc(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method != "POST":
            return _error(405, WireError.invalid_request("Use POST."), {"Allow": "POST"})
        if request.content_type != "application/json":
            return _error(415, WireError.invalid_request("Send Content-Type: application/json."))
        if "Content-Encoding" in request.headers:
            return _error(415, WireError.invalid_request("Send the body without an encoding."))
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            arrival = Arrival(_peer_pid(request), request.content_length or MAX_REQUEST_BYTES)
            return _json(413, self._dispatcher.refuse(too_large(), arrival))
        arrival = Arrival(_peer_pid(request), len(body))
        self._on_progress(request.transport, Progress.CALLING)
        with self._dispatcher.accepted():
            response = await self._dispatcher.answer(body, arrival)
        return web.Response(status=204) if response is None else _json(200, response)

    async def healthz(self, _request: web.BaseRequest) -> web.StreamResponse:
        """Answered by the loop itself, so it proves that the loop moves."""
        if self._is_alive():
            return _json(200, b'{"status":"ok"}')
        return _error(503, to_wire(Unavailable("The disk, the writer or the model does not move.")))

    async def readyz(self, _request: web.BaseRequest) -> web.StreamResponse:
        if self._is_ready():
            what = b',"stores":"refused"' if self._is_full() else b""
            return _json(200, b'{"status":"ready"%s}' % what)
        return _error(503, to_wire(Unavailable("The model and the store are being loaded.")))

    async def metrics(self, _request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(body=await self._metrics())
        response.headers["Content-Type"] = "text/plain; version=0.0.4; charset=utf-8"
        return response


_ROUTES: dict[str, Callable[[HttpServer, web.BaseRequest], Awaitable[web.StreamResponse]]] = {
    "/rpc": HttpServer.rpc,
    "/healthz": HttpServer.healthz,
    "/readyz": HttpServer.readyz,
    "/metrics": HttpServer.metrics,
}


class _Handler(RequestHandler):
    on_progress: OnProgress

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


def refusal(error: WireError) -> bytes:
    """A whole HTTP response for a peer that never gets as far as a request."""
    body = envelope.failure(None, error)
    head = (
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


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


def _peer_pid(request: web.BaseRequest) -> int | None:
    """None once the connection is lost."""
    connected = request.get_extra_info("socket")
    return None if connected is None else peer_of(connected).pid


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _error(status: int, error: WireError, headers: dict[str, str] | None = None) -> web.Response:
    response = _json(status, envelope.failure(None, error))
    response.headers.update(headers or {})
    return response
