"""How little the system favours a thread where others want the cores."""

import contextlib
import os
import platform


def add(increment: int) -> None:
    """To that of the calling thread, for good: without privileges nothing takes it away again.

    Only Linux has a niceness for each thread; elsewhere, or where it is forbidden, nothing happens.
    """
    if platform.system() == "Linux":
        with contextlib.suppress(PermissionError):
            os.nice(increment)
