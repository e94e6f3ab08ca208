"""The lock of a home, which its daemon holds as long as it runs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cco_knowledge.paths import Home


@contextmanager
def hold(home: Home) -> Iterator[bool]:
    """Hold the lock, if nobody else does: then no daemon starts meanwhile."""
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_free = True
    except BlockingIOError:
        is_free = False
    try:
        yield is_free
    finally:
        os.close(descriptor)


def holder(home: Home) -> str | None:
    """The process id that the holder of the lock wrote into it."""
    if not home.lock.exists():
        return None
    with hold(home) as is_free:
        return None if is_free else home.lock.read_text("ascii", "replace").strip()
