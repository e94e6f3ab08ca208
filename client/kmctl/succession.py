"""One daemon follows another at the same socket, and no client finds nobody there."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BACKLOG = 512


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Wait for other restarts of this home; two at once would take the socket from each other."""
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def waiting_room(path: Path) -> Iterator[socket.socket]:
    """A socket in the place of the daemon's: who connects waits in it for the next daemon.

    The daemon that runs keeps the connections that it has. If no other one follows, the socket
    goes, and those who wait are told that nobody answers.
    """
    beside = path.with_name(f"{path.name[:-1]}~")  # not longer: the length of such paths is bounded
    beside.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        before = os.umask(0o177)
        try:
            listening.bind(str(beside))
        finally:
            os.umask(before)
        listening.listen(_BACKLOG)
        own_inode = beside.lstat().st_ino
        beside.replace(path)
        try:
            yield listening
        except BaseException:
            if path.exists() and path.lstat().st_ino == own_inode:
                path.unlink()
            raise
