"""The process at the other end of a socket, as the kernel tells it."""

import select
import socket
import struct
import sys
from dataclasses import dataclass

# SOL_LOCAL and its options, from <sys/un.h> of macOS.
_DARWIN_LEVEL = 0
_DARWIN_PEERCRED = 1
_DARWIN_PEERPID = 2


@dataclass(frozen=True, slots=True)
class Peer:
    """None is what the kernel does not tell."""

    pid: int | None = None
    uid: int | None = None


def peer_of(connected: socket.socket) -> Peer:
    """Those of the moment of `connect`; the process may be gone by now."""
    try:
        if sys.platform == "linux":
            pid, uid, _ = struct.unpack(
                "3i", connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            )
        else:
            _, uid = struct.unpack_from(
                "II", connected.getsockopt(_DARWIN_LEVEL, _DARWIN_PEERCRED, 76)
            )
            (pid,) = struct.unpack("i", connected.getsockopt(_DARWIN_LEVEL, _DARWIN_PEERPID, 4))
    except OSError:
        return Peer()
    return Peer(int(pid), int(uid))


def has_hung_up(descriptor: int) -> bool:
    """Whether it reads no more either, as opposed to having sent all. Known on Linux only."""
    if sys.platform == "linux":
        poll = select.poll()
        poll.register(descriptor, 0)
        hung_up = any(event & select.POLLHUP for _, event in poll.poll(0))
    else:
        hung_up = False
    return hung_up
