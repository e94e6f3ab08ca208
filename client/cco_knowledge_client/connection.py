"""One blocking NDJSON connection. It carries one call at a time."""

import socket
import time
from pathlib import Path

from . import calls
from .deadline import Deadline, no_answer_within
from .errors import ConnectionLost, DeadlineExceeded, Unreachable
from .wire import Answer, Notification, OnNotification, read_message, write_request

_RECEIVE_BYTES = 1 << 18
CONNECT_AGAIN_S = 0.01
"""Where more wait to be connected than Linux keeps: it tells so at once."""


class Undelivered(ConnectionLost):
    """The daemon never had the whole request, so sending it again is safe."""

    reason = "unreachable"
    retryable = True


def unreachable(path: Path, error: OSError) -> Unreachable:
    why = error.strerror or str(error)
    return Unreachable(f"No daemon answers at {path}: {why}. Start it with `kmctl start --detach`.")


def undelivered() -> Undelivered:
    return Undelivered("The daemon closed the connection.")


def connection_lost() -> ConnectionLost:
    return ConnectionLost(
        "The connection to the daemon ended before the answer came. "
        "Whether the call took effect is unknown."
    )


class Connection:
    def __init__(self, path: Path, deadline: Deadline) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._received = bytearray()
        try:
            self._connect(path, deadline)
        except DeadlineExceeded:
            self.close()
            raise
        except TimeoutError as error:
            self.close()
            raise no_answer_within(deadline.timeout_s) from error
        except OSError as error:
            self.close()
            raise unreachable(path, error) from error

    def _connect(self, path: Path, deadline: Deadline) -> None:
        while True:
            self._socket.settimeout(deadline.remaining_s())
            try:
                self._socket.connect(str(path))
            except BlockingIOError:
                time.sleep(CONNECT_AGAIN_S)
            else:
                return

    def close(self) -> None:
        self._socket.close()

    def authenticate(self, token: str, deadline: Deadline) -> None:
        """Before the first call of a connection.

        Raises:
            Unauthorized, RateLimited: this token lets nobody in, now.
            Undelivered: the connection ended; no call has been made yet.
        """
        try:
            answer = self.exchange(0, write_request(0, calls.authenticate(token)), deadline)
        except ConnectionLost as lost:
            raise undelivered() from lost
        answer.result_or_raise()

    def exchange(
        self, request_id: int, line: bytes, deadline: Deadline, hear: OnNotification | None = None
    ) -> Answer:
        """Send a request and wait for its answer.

        After any exception the connection is useless: the answer may still come, and must not
        be taken for the next call's.

        Raises:
            ConnectionLost: Undelivered, if the daemon cannot have read the whole request.
            DeadlineExceeded: see Deadline.
        """
        delivered = False
        try:
            delivered = self._send(line, deadline)
            return self._receive(request_id, deadline, hear)
        except TimeoutError as error:
            raise no_answer_within(deadline.timeout_s) from error
        except ConnectionError as error:
            if delivered:
                raise connection_lost() from error
            raise undelivered() from error

    def _send(self, line: bytes, deadline: Deadline) -> bool:
        self._socket.settimeout(deadline.remaining_s())
        try:
            self._socket.sendall(line)
        except ConnectionError:
            # A daemon that refuses a request says why before it hangs up: read on.
            return False
        return True

    def _receive(self, request_id: int, deadline: Deadline, hear: OnNotification | None) -> Answer:
        while True:
            message = read_message(self._read_line(deadline))
            if isinstance(message, Notification):
                if hear is not None:
                    hear(message.method, message.params)
            elif message.id in (request_id, None):
                return message

    def _read_line(self, deadline: Deadline) -> bytes:
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            self._socket.settimeout(deadline.remaining_s())
            chunk = self._socket.recv(_RECEIVE_BYTES)
            if not chunk:
                raise ConnectionResetError("the daemon closed the connection")
            self._received += chunk
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line
