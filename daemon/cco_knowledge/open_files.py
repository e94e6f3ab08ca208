"""How many files and sockets the process may have open at once."""

import contextlib
import resource

_ENOUGH = 65_536
_OF_THE_DATABASE = 512
"""A search opens each file of a table that is not compacted, and compaction all of two versions."""


def raise_limit() -> int:
    """As far as the system lets us; what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return _ENOUGH if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(ValueError, OSError):  # macOS has a further bound that it tells nobody
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def for_connections(limit: int) -> int:
    """What the database leaves of so many open files; at least half."""
    return max(limit - _OF_THE_DATABASE, limit // 2)
