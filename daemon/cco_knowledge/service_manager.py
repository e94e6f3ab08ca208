"""What a service manager hands to the daemon, and what it hears: sd_listen_fds(3), sd_notify(3).

launchd hands over a socket too, and hears nothing.
"""

import errno
import os
import socket
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Self

from cco_knowledge import launchd
from cco_knowledge.errors import StartRefused

_FIRST_DESCRIPTOR = 3
_VARIABLES = (
    *("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"),
    *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"),
)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Who started this process. Where nobody did, nothing is heard and nothing is given."""

    notify_address: str | None = None
    watchdog_s: float | None = None
    """So long it goes without `WATCHDOG=1` before it ends this process."""
    n_sockets: int = 0

    @classmethod
    def from_environment(cls, environ: MutableMapping[str, str]) -> Self:
        """Takes the variables out, so that no child believes that they are its own."""
        given = {name: environ.pop(name, "") for name in _VARIABLES}
        own_pid = str(os.getpid())
        watchdog_us = given["WATCHDOG_USEC"]
        is_watched = watchdog_us.isdecimal() and given["WATCHDOG_PID"] in ("", own_pid)
        n_sockets = given["LISTEN_FDS"] if given["LISTEN_PID"] == own_pid else ""
        return cls(
            given["NOTIFY_SOCKET"] or None,
            int(watchdog_us) / 1e6 if is_watched and int(watchdog_us) else None,
            int(n_sockets) if n_sockets.isdecimal() else 0,
        )

    def notify(self, *assignments: str, extend_by_s: float | None = None) -> None:
        """One message. A manager that is gone or does not read holds nothing up.

        `extend_by_s`: so long from now it lets the start or the stop go on.
        """
        if extend_by_s is not None:
            assignments += (f"EXTEND_TIMEOUT_USEC={extend_by_s * 1e6:.0f}",)
        if self.notify_address is None:
            return
        address = self.notify_address
        if address.startswith("@"):  # the abstract namespace
            address = "\0" + address[1:]
        message = "\n".join(line.replace("\n", " ") for line in assignments)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(message.encode(), address)
            except OSError:
                return

    def listening_socket(self) -> socket.socket | None:
        """The socket that the manager made, or None where it made none. Call it once.

        Raises:
            StartRefused: it gave more than one, or one of another kind.
        """
        descriptors = self._descriptors()
        if not descriptors:
            return None
        given = socket.socket(fileno=descriptors[0]) if len(descriptors) == 1 else None
        if given is None or not _is_listening_stream(given):
            raise StartRefused(
                "The service manager must hand over exactly one listening Unix stream socket "
                f"with a path; it gave {len(descriptors)} or one of another kind. "
                "Install the service again with: kmctl service install"
            )
        given.set_inheritable(False)
        given.setblocking(False)
        return given

    def _descriptors(self) -> Sequence[int]:
        if self.n_sockets:
            return range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + self.n_sockets)
        try:
            return launchd.socket_descriptors()
        except OSError as error:
            raise StartRefused(
                f"launchd does not hand over the socket: {error.strerror}. "
                "Try again with: kmctl restart"
            ) from error


def _is_listening_stream(given: socket.socket) -> bool:
    if given.family != socket.AF_UNIX or given.type != socket.SOCK_STREAM:
        return False
    path = given.getsockname()
    return isinstance(path, str) and path != "" and _is_listening(given)


def _is_listening(given: socket.socket) -> bool:
    try:
        return bool(given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError as error:
        # macOS knows the option and has no answer; what launchd makes listens.
        if error.errno != errno.ENOPROTOOPT:
            raise
        return True
