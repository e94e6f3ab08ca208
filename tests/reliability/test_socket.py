"""The socket removed or replaced under a running daemon."""

import shutil
import socket
from pathlib import Path

import pytest

from process import Daemon, wait_until
from wire import Raw, request, result_of


def reached(daemon: Daemon) -> bool:
    try:
        return bool(daemon.call("system.ping") == "pong")
    except OSError:
        return False


def dead_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as former:
        former.bind(str(path))


def test_a_socket_that_went_is_made_again_while_clients_go_on(daemon: Daemon) -> None:
    path = daemon.socket_path
    put: list[tuple[str, object]] = [
        ("nothing", lambda: None),
        ("a dead socket", lambda: dead_socket(path)),
        ("a file", lambda: path.write_text("somebody's")),
        ("a folder", path.mkdir),
    ]
    with daemon.raw() as connected:
        for what, put_there in put:
            path.unlink()
            assert callable(put_there)
            put_there()
            wait_until(lambda: reached(daemon))
            assert path.stat().st_mode & 0o777 == 0o600, what
            connected.send_line(request("knowledge.store", {"text": what}))
            assert result_of(connected.line())["stored"]
    kept = path.with_name("knowledge.sock.found-1")
    assert kept.read_text() == "somebody's"
    assert path.with_name("knowledge.sock.found-2").is_dir()
    assert "made again" in daemon.stderr
    assert daemon.stop() == 0
    assert not path.exists()


def test_a_client_that_waits_in_a_removed_socket_is_served(daemon: Daemon) -> None:
    with Raw(daemon.socket_path) as connected:
        daemon.socket_path.unlink()
        wait_until(lambda: reached(daemon))
        connected.send_line(request("system.ping"))
        assert result_of(connected.line()) == "pong"


def test_where_another_one_answers_the_daemon_stops(daemon: Daemon) -> None:
    """`kmctl restart` puts such a socket there, for the daemon that follows."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        beside = daemon.socket_path.with_suffix(".new")
        other.bind(str(beside))
        other.listen()
        beside.replace(daemon.socket_path)
        assert daemon.wait() == 0
        assert daemon.socket_path.exists()


@pytest.mark.parametrize("replaced", [False, True])
def test_where_the_home_went_the_daemon_stops(daemon: Daemon, *, replaced: bool) -> None:
    shutil.rmtree(daemon.home)
    if replaced:
        daemon.home.mkdir(mode=0o700)
    assert daemon.wait() == 0
    assert not daemon.socket_path.exists()
