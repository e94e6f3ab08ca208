"""The lock of a home and the socket in it: lock first, then replace what is stale, then bind."""

import contextlib
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import check_socket_path

_PROBE_S = 1.0
BACKLOG = 512
"""Connections that wait to be accepted."""


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


def bind(path: Path) -> socket.socket:
    """Listen at `path`, mode 0600. Call with the home's lock held.

    Raises:
        StartRefused: somebody answers there, or something that is no socket is in the way.
    """
    check_socket_path(path)
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        raise StartRefused(
            f"The socket {path} cannot be made: {error.strerror}. Choose another one with "
            "--socket or CCO_KNOWLEDGE_SOCKET."
        ) from error
    finally:
        os.umask(before)
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
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise StartRefused(
            f"{path} exists and is no socket. Move it away, or choose another path with --socket."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise StartRefused(f"The socket {path} cannot be tried: {error.strerror}.") from error
    raise StartRefused(
        f"Another process answers at {path}. Stop it, or choose another path with --socket."
    )
