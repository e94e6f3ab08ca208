"""Faults on purpose, for tests: what is to happen at a named point of the code.

`CCO_FAULTS` names a file with lines of `POINT ACTION [PASS]`. It is read at each point, so that a
fault begins and ends while the daemon runs. Without the variable a point costs one comparison.

    kill, stop, abort   the process gets that signal
    hang                the thread waits until the line has gone from the file
    memory              MemoryError
    an errno's name     that OSError, such as ENOSPC or EIO

With PASS, a number from 1, it happens at that pass of the point only, counted from the start.
"""

import asyncio
import errno
import os
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Final

VARIABLE: Final = "CCO_FAULTS"
POINTS: Final[frozenset[str]] = frozenset(
    {
        "backup.linked",
        "backup.written",
        "embedding.call",
        "maintenance.folded",
        "maintenance.linked",
        "store.append",
        "store.appended",
        "store.delete",
        "store.deleted",
        "store.repointed",
        "store.sync",
        "store.synced",
        "store.upsert",
        "store.upserted",
    }
)
"""All that there are. One named like an act comes before it, one named like what was done after."""

_SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "abort": signal.SIGABRT}
_LOOK_AGAIN_S = 0.02
_file: Final = Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None
_passes: Counter[str] = Counter()


def are_possible() -> bool:
    return _file is not None


def at(point: str) -> None:
    """Raises OSError or MemoryError, or never returns, where the file says so."""
    if _file is None:
        return
    if point not in POINTS:
        raise LookupError(point)
    _passes[point] += 1
    at_pass = _passes[point]
    action = _action(_file, point, at_pass)
    if action in _SIGNALS:
        os.kill(os.getpid(), _SIGNALS[action])
    elif action == "hang":
        while _action(_file, point, at_pass) == "hang":
            time.sleep(_LOOK_AGAIN_S)
    elif action == "memory":
        raise MemoryError
    elif action is not None:
        raise OSError(getattr(errno, action), os.strerror(getattr(errno, action)))


async def on_a_thread(point: str) -> None:
    """As `at`, for the event loop, which goes on meanwhile."""
    if _file is not None:
        await asyncio.to_thread(at, point)


def _action(file: Path, point: str, at_pass: int) -> str | None:
    try:
        lines = [line.split() for line in file.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return None
    for name, action, *only_pass in filter(None, lines):
        if name == point and (not only_pass or int(only_pass[0]) == at_pass):
            return action
    return None
