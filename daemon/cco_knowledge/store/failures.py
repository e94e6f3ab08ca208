"""LanceDB's errors as ours."""

import contextlib
import errno
import logging
import re
from collections.abc import Iterator

from cco_knowledge.errors import Overloaded, StorageFull, StoreFailed, Unavailable
from cco_knowledge.store.native import panics_caught

_RETRY_AFTER_MS = 1000

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """The texts of LanceDB's errors can hold stored values, so they are not passed on."""
    try:
        with panics_caught():
            yield
    except (RuntimeError, ValueError, OSError) as error:
        _log.error("database %s failed: %s", what, category(error))
        if _is(error, errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                "The disk is full; nothing was stored. Make room, then try again."
            ) from error
        if _is(error, errno.EROFS):
            raise Unavailable(
                "The disk is mounted read-only; nothing was changed. Mount it for writing, or see "
                "why the system did so, then try again."
            ) from error
        if _is(error, errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            raise Overloaded(
                "The system gave no more memory or open files. Try again in a moment.",
                retry_after_ms=_RETRY_AFTER_MS,
            ) from error
        raise StoreFailed(
            f"The database could not complete the {what} ({category(error)}). "
            "The daemon's log and the disk may tell more."
        ) from error


def category(error: Exception) -> str:
    """What kind of error it is, without its text."""
    match = re.search(r"LanceError\((\w+)\)", str(error))
    return match.group(0) if match else type(error).__name__


def _is(error: Exception, *codes: int) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in codes
    return any(f"os error {code})" in str(error) for code in codes)
