"""Waiting for the end of a process that is not a child."""

import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

if sys.platform == "linux":

    @contextmanager
    def watch(pid: int) -> Iterator[Callable[[float], bool]]:
        """A function that waits so many seconds and says whether the process has ended.

        Watch first and send the signal then: the number of an ended process may be given to
        another one.

        Raises:
            ProcessLookupError: there is no such process.
        """
        process = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(process, select.POLLIN)
            yield lambda limit_s: bool(poll.poll(limit_s * 1000))
        finally:
            os.close(process)

else:

    @contextmanager
    def watch(pid: int) -> Iterator[Callable[[float], bool]]:
        """As on Linux, with kqueue(2)."""
        queue = select.kqueue()
        try:
            end = select.kevent(
                pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, fflags=select.KQ_NOTE_EXIT
            )
            queue.control([end], 0)
            yield lambda limit_s: bool(queue.control(None, 1, limit_s))
        finally:
            queue.close()
