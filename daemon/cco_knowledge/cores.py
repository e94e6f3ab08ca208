"""The machine's cores, which others want too."""

import contextlib
import os
import platform


def add_niceness(increment: int) -> None:
    """To that of the calling thread, for good: without privileges nothing takes it away again.

    Only Linux has a niceness for each thread; elsewhere, or where it is forbidden, nothing happens.
    """
    if platform.system() == "Linux":
        with contextlib.suppress(PermissionError):
            os.nice(increment)


def n_unwanted() -> int:
    """By anybody but the calling thread at this moment: at least its own. Takes 15 µs.

    All, where the system does not tell.
    """
    n_cores = os.cpu_count() or 1
    try:
        with open("/proc/loadavg", "rb", buffering=0) as load:  # noqa: PTH123  # half the time
            n_running = int(load.read(64).split()[3].partition(b"/")[0])
    except (OSError, ValueError, IndexError):
        return n_cores
    return max(1, n_cores - n_running + 1)
