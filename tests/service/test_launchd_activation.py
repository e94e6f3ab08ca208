"""The daemon takes the socket of launchd, from a C library of the test's own that plays launchd.

That macOS has the function, and that launchd calls and starts as it says, no test here proves.
"""

import contextlib
import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

from conftest import assert_healthy
from process import clean_environment, command, wait_until
from service.activation import listening
from wire import Raw, answer, request, result_of


@contextlib.contextmanager
def started(
    launchd_library: Path, home: Path, given: Sequence[socket.socket] = (), **environment: str
) -> "Iterator[subprocess.Popen[bytes]]":
    descriptors = [each.fileno() for each in given]
    activation = {"GIVEN": ",".join(map(str, descriptors))} if given else {}
    process = subprocess.Popen(
        command(home),
        env=clean_environment(home)
        | {"LD_PRELOAD": str(launchd_library)}
        | activation
        | environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def end_of(process: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """The exit code and what it said on stderr."""
    stderr: IO[bytes] | None = process.stderr
    assert stderr is not None
    said = stderr.read().decode()
    return process.wait(60), said


def test_the_first_client_waits_for_the_daemon_and_is_answered(
    launchd_library: Path, home: Path
) -> None:
    path = home / "given.sock"
    with listening(path) as given:
        inode = path.stat().st_ino
        first = Raw(path, 60.0)  # before there is a daemon
        first.send_line(request("knowledge.store", {"text": "The night shift starts at ten"}))
        with first, started(launchd_library, home, [given]) as process:
            assert result_of(first.line())["stored"] is True
            status = result_of(answer(path, "http", request("system.status")))
            assert (status["pid"], status["socket"]) == (process.pid, str(path))
            assert not (home / "knowledge.sock").exists()
            process.terminate()
            code, log = end_of(process)
        assert (code, path.stat().st_ino) == (0, inode)
        assert_healthy(log)
        given.settimeout(5.0)
        with Raw(path, 5.0):  # launchd, whose it is, goes on listening
            given.accept()[0].close()


@pytest.mark.parametrize("failure", [errno.ENOENT, errno.ESRCH], ids=["ENOENT", "ESRCH"])
def test_a_daemon_that_launchd_did_not_start_makes_its_own(
    launchd_library: Path, home: Path, failure: int
) -> None:
    path = home / "knowledge.sock"
    with started(launchd_library, home, FAILS=str(failure)) as process:
        wait_until(lambda: process.poll() is not None or is_listening(path))
        assert result_of(answer(path, "ndjson", request("system.ping"))) == "pong"
        process.terminate()
        code, log = end_of(process)
    assert code == 0
    assert_healthy(log)


def is_listening(path: Path) -> bool:
    with contextlib.suppress(OSError), Raw(path, 5.0):
        return True
    return False


def test_a_socket_that_is_not_handed_over_is_no_reason_to_make_another(
    launchd_library: Path, home: Path
) -> None:
    with started(launchd_library, home, FAILS=str(errno.EALREADY)) as process:
        code, said = end_of(process)
    assert code == 1
    assert f"launchd does not hand over the socket: {os.strerror(errno.EALREADY)}" in said
    assert not (home / "knowledge.sock").exists()


def test_two_sockets_are_refused(launchd_library: Path, home: Path) -> None:
    with (
        listening(home / "one.sock") as one,
        listening(home / "two.sock") as two,
        started(launchd_library, home, [one, two]) as process,
    ):
        code, said = end_of(process)
    assert (code, "it gave 2" in said) == (1, True)


def test_a_socket_of_another_kind_is_refused(launchd_library: Path, home: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as given,
        started(launchd_library, home, [given]) as process,
    ):
        code, said = end_of(process)
    assert (code, "exactly one listening Unix stream socket" in said) == (1, True)


def test_the_descriptors_are_handed_over_once_and_their_list_is_freed(
    launchd_library: Path, tmp_path: Path
) -> None:
    code = """
import ctypes, errno
from cco_knowledge import launchd
print(launchd.socket_descriptors(), ctypes.CDLL(None).list_is_freed())
try:
    launchd.socket_descriptors()
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(tmp_path) | {"LD_PRELOAD": str(launchd_library), "GIVEN": "7,11,13"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("[7, 11, 13] 1\nEALREADY\n", "")
