"""The lock of a home and the socket in it: lock first, then replace what is stale, then bind."""

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import check_socket_path

_PROBE_S = 1.0
BACKLOG = 512
"""Connections that wait to be accepted."""
_TOLD_EVERY_S = 60.0

_log = logging.getLogger(__name__)
Found = Literal["nothing", "file", "dead socket", "live socket"]
"""What lies at a path."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold the home for this process alone. The file stays; only the kernel's lock counts.

    Gives whether the last one who held it ended cleanly: then the file is empty. It is emptied at
    the end, if that is no exception.

    Raises:
        StartRefused: another daemon has it, or the file cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StartRefused(f"The lock {path} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise StartRefused(
            f"Another daemon has this home (pid {holder or 'unknown'}). "
            "Use it, or stop it with: kmctl stop"
        ) from error
    ended_cleanly = os.fstat(descriptor).st_size == 0
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    os.fsync(descriptor)  # before anything is written that a loss of power could take
    try:
        yield ended_cleanly
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


class Listening(socket.socket):
    """With room for many who wait, whatever asyncio says: it means how many it accepts at once."""

    def listen(self, _accepted_at_once: int = 0, /) -> None:
        super().listen(BACKLOG)


def bind(path: Path) -> socket.socket:
    """Listen at `path`, mode 0600. Call with the home's lock held, and a umask of 0077.

    Raises:
        StartRefused: somebody answers there, or something that is no socket is in the way.
    """
    check_socket_path(path)
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # NOTE: no umask for a moment: a thread that makes a folder meanwhile could not enter it.
        listening.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listening.close()
        raise StartRefused(
            f"The socket {path} cannot be made: {error.strerror}. Choose another one with "
            "--socket or CCO_KNOWLEDGE_SOCKET."
        ) from error
    listening.listen(BACKLOG)
    listening.setblocking(False)
    return listening


def inherited(descriptor: int) -> socket.socket:
    """What a restart made at the path of the socket: clients wait in it since the last one stopped.

    Raises:
        StartRefused: it is no listening Unix socket.
    """
    listening = socket.socket(fileno=descriptor)
    if listening.family != socket.AF_UNIX or not _accepts(listening):
        raise StartRefused("What was handed over with --listening-fd is no listening Unix socket.")
    listening.set_inheritable(False)
    listening.setblocking(False)
    return listening


def refuse_further(listening: socket.socket) -> None:
    """Whoever has not come until now is refused, where the kernel can do so.

    Not for the socket of a systemd, which then turns in circles.
    """
    with contextlib.suppress(OSError):  # on macOS a listening socket is not shut down
        listening.shutdown(socket.SHUT_RD)


def last_connections(listening: socket.socket) -> Iterator[socket.socket]:
    """Those that wait to be accepted."""
    with contextlib.suppress(OSError):  # after the last one: none waits, or it is shut down
        while True:
            yield listening.accept()[0]


def found_at(path: Path) -> Found:
    """Raises OSError where it cannot be told."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return "nothing"
    if not stat.S_ISSOCK(kind):
        return "file"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return "dead socket"
        except TimeoutError:  # its queue is full
            return "live socket"
    return "live socket"


def put_aside(path: Path) -> Path:
    """What lies there keeps its content under another name, which is returned."""
    for number in itertools.count(1):
        beside = path.with_name(f"{path.name}.found-{number}")
        if not os.path.lexists(beside):
            return path.rename(beside)
    raise AssertionError  # there are numbers enough


def tell_less_of_accepting() -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Without open files left, asyncio tells of each try to accept, a hundred times a second."""
    told_s = float("-inf")

    def tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal told_s
        if not context["message"].startswith("socket.accept()"):
            loop.default_exception_handler(context)
        elif loop.time() - told_s > _TOLD_EVERY_S:
            told_s = loop.time()
            _log.error("no open files are left, so who connects has to wait")

    return tell


def inode(path: Path) -> int | None:
    """What is at the path now: tells whether it is still the socket that we bound."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return None


def _accepts(listening: socket.socket) -> bool:
    return bool(listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _remove_stale(path: Path) -> None:
    try:
        found = found_at(path)
    except OSError as error:
        raise StartRefused(f"The socket {path} cannot be tried: {error.strerror}.") from error
    if found == "file":
        raise StartRefused(
            f"{path} exists and is no socket. Move it away, or choose another path with --socket."
        )
    if found == "live socket":
        raise StartRefused(
            f"Another process answers at {path}. Stop it, or choose another path with --socket."
        )
    path.unlink(missing_ok=True)
