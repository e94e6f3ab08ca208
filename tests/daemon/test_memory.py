"""What the daemon's process looks like from the system."""

import itertools
import platform
import resource
from pathlib import Path

import pytest

from entries import store_all
from process import Daemon, wait_until

_ARENA_BYTES = 64 << 20
"""glibc's HEAP_MAX_SIZE: an arena of a thread begins at a multiple, and reserves as much."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_all_threads_share_one_arena(daemon: Daemon) -> None:
    """Each further one keeps its own copy of the vectors that a search has looked through."""
    store_all(daemon, "p", *({"text": f"Note {n} about the gyroscope."} for n in range(200)))
    for n in range(20):
        daemon.call("knowledge.search", {"query": f"the gyroscope of note {n}"})
    assert arenas(daemon.pid) == []


@pytest.mark.skipif(platform.system() != "Linux", reason="elsewhere nothing is given back")
def test_what_calls_leave_behind_is_given_back_when_no_more_come(daemon: Daemon) -> None:
    """The pages of code that only calls need, and of the model, are most of it."""
    store_all(daemon, "p", *({"text": f"Note {n} about the gyroscope."} for n in range(20)))
    daemon.call("knowledge.search", {"query": "the gyroscope"})
    at_work = resident_bytes(daemon.pid)
    wait_until(lambda: resident_bytes(daemon.pid) < at_work - (30 << 20))
    assert daemon.call("knowledge.search", {"query": "the gyroscope again"})["results"]


def resident_bytes(pid: int) -> int:
    """As the system tells it: a call to the daemon would itself leave something behind."""
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def arenas(pid: int) -> list[int]:
    """Where those of threads begin: memory in use, and behind it what is only reserved."""
    lines = Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()
    mappings = [mapping(line) for line in lines]
    return [
        first
        for (first, last, used), (following, end, reserved) in itertools.pairwise(mappings)
        if (used, reserved) == ("rw-p", "---p")
        and last == following
        and first % _ARENA_BYTES == 0
        and end - first == _ARENA_BYTES
    ]


def mapping(line: str) -> tuple[int, int, str]:
    bounds, permissions, *_ = line.split(maxsplit=2)
    first, last = bounds.split("-")
    return int(first, 16), int(last, 16), permissions
