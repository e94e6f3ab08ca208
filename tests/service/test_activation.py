"""The daemon under a service manager that a test plays: sd_listen_fds(3) and sd_notify(3)."""

import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import assert_healthy
from service.activation import Activated, Ear, listening
from wire import Raw, answer, request, result_of

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="needs the abstract namespace")


@pytest.fixture(params=["path", pytest.param("abstract", marks=linux_only)])
def ear(request: pytest.FixtureRequest, home: Path) -> Iterator[Ear]:
    is_path = request.param == "path"
    made = Ear(str(home / "notify") if is_path else f"@kd-{secrets.token_hex(8)}")
    yield made
    made.close()


def test_the_first_client_waits_for_the_daemon_and_is_answered(home: Path, ear: Ear) -> None:
    path = home / "given.sock"
    with listening(path) as given:
        first = Raw(path, 60.0)  # before there is a daemon
        first.send_line(request("knowledge.store", {"text": "The night shift starts at ten"}))
        before = path.stat().st_ino
        with (
            first,
            Activated(home, [given], NOTIFY_SOCKET=ear.address, WATCHDOG_USEC="400000") as daemon,
        ):
            heard = ear.wait_for("READY=1")
            assert "STATUS=loading the model all-MiniLM-L6-v2" in heard
            assert "STATUS=opening the table" in heard
            assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in heard)
            assert heard[-1] == "STATUS=ready, with the model all-MiniLM-L6-v2"
            assert result_of(first.line())["stored"] is True
            status = result_of(answer(path, "http", request("system.status")))
            assert (status["pid"], status["socket"]) == (daemon.process.pid, str(path))
            assert not (home / "knowledge.sock").exists()
            for _ in range(3):
                ear.wait_for("WATCHDOG=1", 5.0)
            code, log = daemon.stop()
            assert ear.wait_for("STOPPING=1")[-1] == "EXTEND_TIMEOUT_USEC=55000000"
        assert (code, path.stat().st_ino) == (0, before)
        assert_healthy(log)


def test_a_stopped_daemon_feeds_no_watchdog_and_one_that_goes_on_does(home: Path) -> None:
    ear = Ear(str(home / "notify"))
    with (
        listening(home / "knowledge.sock") as given,
        Activated(home, [given], NOTIFY_SOCKET=ear.address, WATCHDOG_USEC="200000") as daemon,
    ):
        ear.wait_for("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED | os.WNOWAIT)
        ear.forget()
        with pytest.raises(TimeoutError):
            ear.wait_for("WATCHDOG=1", 1.0)
        daemon.process.send_signal(signal.SIGCONT)
        ear.wait_for("WATCHDOG=1")
    ear.close()


def test_two_sockets_are_refused_and_the_manager_hears_why(home: Path) -> None:
    ear = Ear(str(home / "notify"))
    with (
        listening(home / "one.sock") as one,
        listening(home / "two.sock") as two,
        Activated(home, [one, two], NOTIFY_SOCKET=ear.address) as daemon,
    ):
        code, said = daemon.end()
        assert (code, "exactly one listening Unix stream socket" in said) == (1, True)
        ear.wait_for("STATUS=The service manager must hand over exactly one*")
    ear.close()


def test_a_socket_of_another_kind_is_refused(home: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as given,
        Activated(home, [given]) as daemon,
    ):
        code, said = daemon.end()
    assert (code, "exactly one listening Unix stream socket" in said) == (1, True)


def test_sockets_for_another_process_are_left_alone(home: Path) -> None:
    from cco_knowledge.service_manager import ServiceManager

    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "NOTIFY_SOCKET": "/none", "LANG": "C"}
    service_manager = ServiceManager.from_environment(environ)
    assert environ == {"LANG": "C"}
    assert service_manager.listening_socket() is None
    service_manager.notify("READY=1")  # nobody hears it, and that is nobody's trouble
