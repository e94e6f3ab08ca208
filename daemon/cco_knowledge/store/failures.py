"""LanceDB's errors as ours."""

import contextlib
import errno
import logging
import re
from collections.abc import Iterator

from cco_knowledge.errors import StorageFull, StoreFailed
from cco_knowledge.store.native import panics_caught

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """The texts of LanceDB's errors can hold stored values, so they are not passed on."""
    try:
        with panics_caught():
            yield
    except (RuntimeError, ValueError, OSError) as error:
        _log.error("database %s failed: %s", what, category(error))
        if _is_disk_full(error):
            raise StorageFull(
                "The disk is full; nothing was stored. Make room, then try again."
            ) from error
        raise StoreFailed(
            f"The database could not complete the {what} ({category(error)}). "
            "The daemon's log and the disk may tell more."
        ) from error


def category(error: Exception) -> str:
    """What kind of error it is, without its text."""
    match = re.search(r"LanceError\((\w+)\)", str(error))
    return match.group(0) if match else type(error).__name__


def _is_disk_full(error: Exception) -> bool:
    return getattr(error, "errno", None) == errno.ENOSPC or f"os error {errno.ENOSPC}" in str(error)
