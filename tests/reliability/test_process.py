"""What the system does to the process: too few open files, too little memory, a pause."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import psutil
import pytest

from cco_knowledge_client import DeadlineExceeded, KnowledgeClient
from entries import query_ids, store_all
from process import Daemon, wait_until
from wire import RpcError, request, result_of

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")


@only_linux
def test_the_soft_limit_of_open_files_is_raised(daemon: Daemon) -> None:
    soft, hard = psutil.Process(daemon.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert soft == min(hard, 65_536) or soft == psutil.RLIM_INFINITY


WITH_FEW_FILES = ("sh", "-c", 'ulimit -n 200 && exec "$@"', "sh")


def test_more_clients_than_open_files(home: Path) -> None:
    """The database keeps its half; idle connections make way, and nobody waits for anything."""
    daemon = Daemon(home, prefix=WITH_FEW_FILES).start().wait_ready()
    try:
        (kept,) = store_all(daemon, "p", {})
        with contextlib.ExitStack() as stack:
            for _ in range(300):
                stack.enter_context(daemon.raw())
            wait_until(lambda: is_served(daemon))
            assert daemon.call("knowledge.search", {"query": "text"})["count"] == 1
        wait_until(lambda: is_served(daemon))
        assert daemon.call("knowledge.get", {"ids": [kept]})["missing"] == []
        assert daemon.stderr.count("no open files are left") <= 1  # many came in one turn
    finally:
        daemon.discard()


@only_linux
def test_without_any_file_left_it_waits_says_so_once_and_goes_on(daemon: Daemon) -> None:
    process = psutil.Process(daemon.pid)
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack, daemon.raw() as known:
        known.send_line(request("system.ping"))
        assert result_of(known.line()) == "pong"
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds(), before[1]))
        for _ in range(20):
            stack.enter_context(daemon.raw())
        wait_until(lambda: "no open files are left" in daemon.stderr)
        known.send_line(request("system.ping"))
        assert result_of(known.line()) == "pong"
        process.rlimit(psutil.RLIMIT_NOFILE, before)
        assert daemon.call("knowledge.store", {"text": "served again"})["stored"]
    assert daemon.stderr.count("no open files are left") == 1
    assert "out of system resource" not in daemon.stderr


def is_served(daemon: Daemon) -> bool:
    with contextlib.suppress(OSError, EOFError, ValueError):
        return bool(daemon.call("system.ping") == "pong")
    return False


@only_linux
def test_a_request_without_memory_for_it_ends_at_worst_its_connection(daemon: Daemon) -> None:
    (kept,) = store_all(daemon, "p", {})
    process = psutil.Process(daemon.pid)
    free = (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)
    with daemon.raw() as raw:
        raw.send_line(request("system.ping"))
        raw.line()
        in_use = process.memory_info().vms
        process.rlimit(psutil.RLIMIT_AS, (in_use + (8 << 20), psutil.RLIM_INFINITY))
        large = {"items": [{"text": "x" * 200_000} for _ in range(60)]}
        with contextlib.suppress(RpcError, EOFError, OSError):
            raw.send_line(request("knowledge.store_batch", large))
            result_of(raw.line())
        process.rlimit(psutil.RLIMIT_AS, free)
    assert daemon.call("knowledge.get", {"ids": [kept]})["missing"] == []


def test_a_pause_of_the_whole_process(daemon: Daemon) -> None:
    """A client's deadline holds meanwhile; all is answered afterwards, and nothing stored twice."""
    with daemon.raw() as raw, KnowledgeClient(daemon.socket_path) as impatient:
        assert impatient.ping() == "pong"
        os.kill(daemon.pid, signal.SIGSTOP)
        for n in range(20):
            raw.send_line(request("knowledge.store", {"id": f"e{n}", "text": f"text {n}"}, n))
        with pytest.raises(DeadlineExceeded):
            impatient.store("text 0 again", id="again", timeout_s=0.3)
        resumed = threading.Timer(0.0, os.kill, (daemon.pid, signal.SIGCONT))
        resumed.start()
        answered = {raw.line()["id"] for _ in range(20)}
        assert answered == set(range(20))
        assert impatient.store("text 0 again", id="again").id == "again"
    assert sorted(query_ids(daemon)) == sorted([*(f"e{n}" for n in range(20)), "again"])
