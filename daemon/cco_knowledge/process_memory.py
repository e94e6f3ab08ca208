"""The process's own memory: the allocator's settings, what it holds, giving it back."""

import contextlib
import ctypes
import functools
import platform
import resource
import time
from collections.abc import Iterator
from pathlib import Path

# glibc's mallopt(3) parameters, from <malloc.h>.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_KEPT_BYTES = 4 << 20
_LARGEST_KEPT_BYTES = 32 << 20
_MADV_DONTNEED = 4  # <sys/mman.h> of Linux
_LARGE_BYTES = 1 << 20
_TRIM_EACH_S = 5.0
_NEVER_WRITTEN = {"r-xp", "r--s"}


def tune_allocator() -> None:
    """Call before the first thread starts. Does nothing where the C library is not glibc.

    One arena instead of one per thread: 25 MB less. What is freed at the end of it goes back to the
    system beyond a few megabytes; large blocks stay in it, to be used again without page faults.
    """
    if not _has_glibc():
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_ARENA_MAX, 1)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def keep_large_blocks() -> None:
    """For a table of which each exact search copies the vectors, into freed memory if it can.

    Fresh memory would cost page faults each time: 20 ms in place of 9 for 15 MB.
    """
    if _has_glibc():
        ctypes.CDLL(None).mallopt(_M_TRIM_THRESHOLD, _LARGEST_KEPT_BYTES)


@contextlib.contextmanager
def large_blocks_apart() -> Iterator[None]:
    """What is allocated meanwhile comes fresh from the system where it takes a megabyte or more.

    Of such a block only what is written to takes memory; one that was used before takes all of it.
    """
    if not _has_glibc():
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)


def trim() -> None:
    """Give freed memory back to the system. Takes milliseconds."""
    if _has_glibc():
        ctypes.CDLL(None).malloc_trim(0)


def release_pages(address: int, length_bytes: int) -> None:
    """Give whole pages of a range back to the system; what they held reads as zero afterwards.

    Only for memory whose content nobody needs.
    """
    if platform.system() != "Linux":
        return
    page_bytes = resource.getpagesize()
    first = -(-address // page_bytes) * page_bytes
    last = (address + length_bytes) // page_bytes * page_bytes
    if last > first:
        ctypes.CDLL(None).madvise(
            ctypes.c_void_p(first), ctypes.c_size_t(last - first), _MADV_DONTNEED
        )


def release_files() -> None:
    """Drop the pages of code and of the model that only the start has touched (27 MB of code).

    They are never written to, so those in use come back from the page cache by themselves.
    """
    if platform.system() != "Linux":
        return
    for line in Path("/proc/self/maps").read_text("utf-8").splitlines():
        bounds, permissions, *_ = line.split(maxsplit=2)
        first, last = (int(bound, 16) for bound in bounds.split("-"))
        if permissions in _NEVER_WRITTEN and last - first >= _LARGE_BYTES:
            release_pages(first, last - first)


class Leftovers:
    """What calls and compactions leave behind in the process's memory, given back to the system."""

    def __init__(self) -> None:
        self._n_seen = 0
        self._n_given_back = 0
        self._given_back_at_s = time.monotonic()

    def look(self, n_done: int, *, are_running: bool) -> None:
        """Each second: at once where no more are done, else now and then.

        The pages of files only in the first case: the next call would bring most of them back.
        """
        is_quiet = n_done == self._n_seen and not are_running
        self._n_seen = n_done
        now_s = time.monotonic()
        is_due = is_quiet or now_s - self._given_back_at_s >= _TRIM_EACH_S
        if n_done == self._n_given_back or not is_due:
            return
        self._given_back_at_s = now_s
        trim()
        if is_quiet:
            self._n_given_back = n_done
            release_files()


def resident_bytes() -> int:
    """The resident set; on macOS its peak, the nearest that the system tells without a library."""
    if platform.system() == "Linux":
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        return pages * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@functools.cache
def _has_glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
