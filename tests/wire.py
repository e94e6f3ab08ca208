"""Raw connections to a daemon, both framings behind one small interface; and its errors."""

import contextlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

FRAMINGS: Final = ("ndjson", "http")
MAX_REQUEST_BYTES: Final = 16 << 20


class RpcError(Exception):
    """A JSON-RPC error as it came in."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']} {error['data']}: {error['message']}")
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error["data"]
        self.reason: str = error["data"]["reason"]
        self.field: str | None = error["data"].get("field")


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Raw:
    """One connection: bytes out, lines or HTTP responses in. Closed at the end of `with`."""

    def __init__(self, path: Path, timeout_s: float = 60.0) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self._reader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_line(self, message: object) -> None:
        self.send(encoded(message) + b"\n")

    def end(self) -> None:
        """Send no more; the daemon answers what it has and closes."""
        self.socket.shutdown(socket.SHUT_WR)

    def line(self) -> Any:
        """The next NDJSON answer."""
        line = self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError(f"the connection ended after {len(line)} bytes of a line")
        return json.loads(line)

    def rest(self) -> bytes:
        """All until the daemon closes; a reset counts as closed."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := self._reader.read1(1 << 16):
                received += data
        return received

    def http_reply(self) -> HttpReply:
        status_line = self._reader.readline()
        if not status_line:
            raise EOFError("the connection ended before a response")
        headers = dict(self._headers())
        length = int(headers.get("content-length", "0"))
        return HttpReply(int(status_line.split()[1]), headers, self._reader.read(length))

    def _headers(self) -> Iterator[tuple[str, str]]:
        while line := self._reader.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            yield name.strip().lower(), value.strip()


def encoded(message: object) -> bytes:
    """A message that is bytes already goes out as it is, right or wrong."""
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def request(method: str, params: object = None, request_id: object = 1) -> dict[str, Any]:
    given = {} if params is None else {"params": params}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, **given}


def http_post(body: bytes, target: str = "/rpc", **headers: str) -> bytes:
    """A whole request; `_` in a header's name stands for `-`."""
    given = {"Host": "cco", "Content-Type": "application/json", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"POST {target} HTTP/1.1\r\n{head}\r\n".encode() + body


def answers(path: Path, framing: str, message: object) -> list[Any]:
    """Everything that a connection of its own brings back for one message: 0 or more answers.

    The sending side is closed, so the daemon closes once all is answered: nothing is missed.
    """
    with Raw(path) as raw:
        if framing == "http":
            raw.send(http_post(encoded(message), Connection="close"))
            reply = raw.http_reply()
            assert reply.status == (200 if reply.body else 204), reply
            assert raw.rest() == b""
            return [reply.document] if reply.body else []
        raw.send(encoded(message) + b"\n")
        raw.end()
        messages = [json.loads(line) for line in raw.rest().splitlines()]
        return [message for message in messages if "method" not in message]  # no notifications


def answer(path: Path, framing: str, message: object) -> Any:
    """The only answer."""
    (only,) = answers(path, framing, message)
    return only


def result_of(response: dict[str, Any]) -> Any:
    """Raises RpcError when the response is one."""
    if "error" in response:
        raise RpcError(response["error"])
    return response["result"]
