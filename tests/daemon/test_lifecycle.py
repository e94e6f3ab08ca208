"""Stopping, dying, and what is true all the time in between."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from conftest import MakeHome, StartDaemon
from entries import query_ids, store_all
from other_user import another_user, as_root
from process import Daemon, wait_until
from wire import FRAMINGS, Raw, RpcError, encoded, http_post, request, result_of

PING = encoded(request("system.ping"))
SLOW_TEXT = "words that keep the model busy for a good while " * 15


def slow_batch(count: int) -> dict[str, object]:
    items = [{"text": f"{number} {SLOW_TEXT}"} for number in range(count)]
    return request("knowledge.store_batch", {"items": items})


def send(raw: Raw, framing: str, message: object) -> None:
    raw.send(http_post(encoded(message)) if framing == "http" else encoded(message) + b"\n")


def receive(raw: Raw, framing: str) -> dict[str, object]:
    response: dict[str, object] = raw.http_reply().document if framing == "http" else raw.line()
    return response


def wait_until_busy(daemon: Daemon) -> None:
    wait_until(lambda: daemon.call("system.status")["queue"] > 0)


def wait_until_gone(path: Path) -> None:
    wait_until(lambda: not path.exists())


# Stopping


def test_a_stop_exits_0_and_removes_the_socket(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    assert not daemon.socket_path.exists()


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stop_answers_what_was_accepted(
    daemon: Daemon, start_daemon: StartDaemon, framing: str
) -> None:
    with daemon.raw() as raw:
        send(raw, framing, PING)  # the first HTTP connection waits for aiohttp
        receive(raw, framing)
        send(raw, framing, slow_batch(60))
        wait_until_busy(daemon)
        daemon.terminate()
        batch = result_of(receive(raw, framing))
        assert (batch["stored"], batch["failed"]) == (60, 0)
        assert raw.rest() == b""
    assert daemon.wait() == 0
    again = start_daemon()
    ids = [result["id"] for result in batch["results"]]
    assert set(query_ids(again)) == set(ids)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_call_that_comes_while_stopping_is_told_to_come_again(
    daemon: Daemon, framing: str
) -> None:
    with daemon.raw() as busy, daemon.raw() as late:
        send(late, framing, PING)
        receive(late, framing)
        send(busy, framing, slow_batch(60))
        wait_until_busy(daemon)
        daemon.terminate()
        wait_until_gone(daemon.socket_path)
        send(late, framing, request("knowledge.store", {"text": "late"}))
        with pytest.raises(RpcError) as refused:
            result_of(receive(late, framing))
        assert (refused.value.code, refused.value.reason) == (-32012, "unavailable")
        assert refused.value.data["retryable"] is True
        assert result_of(receive(busy, framing))["stored"] == 60
    assert daemon.wait() == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stop_leaves_no_request_unread(daemon: Daemon, framing: str) -> None:
    """On a connection that it has, and on one that it has not even accepted."""
    with daemon.raw() as known:
        send(known, framing, PING)
        receive(known, framing)
        os.kill(daemon.pid, signal.SIGSTOP)
        with daemon.raw() as waiting:
            for raw in (known, waiting):
                send(raw, framing, request("knowledge.store", {"text": "late"}))
            daemon.terminate()
            os.kill(daemon.pid, signal.SIGCONT)
            for raw in (known, waiting):
                answered: dict[str, Any] = receive(raw, framing)
                assert "result" in answered or RpcError(answered["error"]).reason == "unavailable"
                assert raw.rest() == b""
    assert daemon.wait() == 0


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_stop_brings_a_large_answer_to_its_end(daemon: Daemon, framing: str) -> None:
    store_all(daemon, "large", *({"text": f"{n} " + " " * 200_000} for n in range(50)))
    with daemon.raw() as raw:
        send(raw, framing, request("knowledge.query", {"limit": 50}))
        raw.socket.recv(1)  # the answer is on its way
        daemon.terminate()
        wait_until_gone(daemon.socket_path)
        rest = raw.rest()
        assert len(rest) > 50 * 200_000
        assert rest.rstrip().endswith(b"}")
    assert daemon.wait() == 0


def test_acknowledged_entries_are_there_after_a_restart(
    daemon: Daemon, start_daemon: StartDaemon
) -> None:
    ids = [daemon.call("knowledge.store", {"text": f"entry {n}"})["id"] for n in range(20)]
    changed = daemon.call("knowledge.update", {"id": ids[0], "text": "changed"})
    assert changed["updated"]
    daemon.call("knowledge.delete", {"ids": ids[1:2]})
    daemon.stop()
    again = start_daemon()
    found = again.call("knowledge.get", {"ids": ids})
    assert found["missing"] == ids[1:2]
    assert found["entries"][0]["text"] == "changed"
    (hit,) = again.call("knowledge.search", {"query": "changed", "limit": 1})["results"]
    assert hit["id"] == ids[0]


def test_a_second_signal_hurries(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with daemon.raw() as raw:
        raw.send_line(slow_batch(1000))
        wait_until_busy(daemon)
        daemon.terminate()
        wait_until_gone(daemon.socket_path)
        daemon.terminate()
        assert RpcError(raw.line()["error"]).reason == "deadline_exceeded"
        assert raw.rest() == b""
    assert daemon.wait() == 0


def test_the_drain_has_a_limit(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "limits.drain_s=0.2")
    with daemon.raw() as raw:
        raw.send_line(slow_batch(1000))
        wait_until_busy(daemon)
        daemon.terminate()
        assert RpcError(raw.line()["error"]).reason == "deadline_exceeded"
        assert raw.rest() == b""
    assert daemon.wait() == 0


def test_a_stop_does_not_wait_for_idle_connections(daemon: Daemon) -> None:
    with daemon.raw() as silent, daemon.raw() as line, daemon.raw() as http:
        send(line, "ndjson", PING)
        receive(line, "ndjson")
        send(http, "http", PING)
        receive(http, "http")
        daemon.terminate()
        assert daemon.wait(10) == 0
        assert silent.rest() == line.rest() == http.rest() == b""


def test_a_stop_while_loading_is_a_clean_stop(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ready=False)
    wait_until(daemon.socket_path.exists)
    assert daemon.stop() == 0
    assert not daemon.socket_path.exists()


def test_a_socket_that_took_our_place_is_left_alone(daemon: Daemon) -> None:
    daemon.socket_path.unlink()
    daemon.socket_path.write_text("precious")
    assert daemon.stop() == 0
    aside = daemon.socket_path.with_name("knowledge.sock.found-1")  # where it looked just then
    kept = aside if aside.exists() else daemon.socket_path
    assert kept.read_text() == "precious"


# Loading


@pytest.mark.parametrize("framing", FRAMINGS)
def test_who_connects_while_it_loads_is_answered(start_daemon: StartDaemon, framing: str) -> None:
    daemon = start_daemon(ready=False)
    daemon.wait_listening()
    assert daemon.call("system.ping", framing=framing) == "pong"
    assert daemon.call("system.status", framing=framing)["pid"] == daemon.pid
    assert daemon.call("knowledge.store", {"text": "early"}, framing=framing)["stored"]
    daemon.wait_ready()
    assert daemon.call("system.status")["ready"] is True


# Dying


def store_until_killed(daemon: Daemon, name: str, acknowledged: list[str]) -> None:
    """One store after the other; what was acknowledged goes into the list at once."""
    with contextlib.suppress(OSError, EOFError), daemon.raw() as raw:
        for number in range(10_000):
            entry_id = f"{name}-{number}"
            params = {"id": entry_id, "text": f"entry {number % 7}", "on_duplicate": "store"}
            raw.send_line(request("knowledge.store", params))
            if result_of(raw.line())["stored"]:
                acknowledged.append(entry_id)


def test_a_kill_loses_no_acknowledged_entry(start_daemon: StartDaemon) -> None:
    acknowledged: list[str] = []
    for round_number in range(4):
        daemon = start_daemon()
        target = len(acknowledged) + 40 + round_number * 13
        threads = [
            threading.Thread(
                target=store_until_killed, args=(daemon, f"{round_number}-{n}", acknowledged)
            )
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda target=target: len(acknowledged) >= target)  # type: ignore[misc]
        daemon.kill()
        for thread in threads:
            thread.join()
    survivor = start_daemon()
    found = query_ids(survivor)
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found)
    assert len(found) <= len(acknowledged) + 4 * 4  # at most one unanswered a thread and round
    assert survivor.call("knowledge.stats")["total_records"] == len(found)


# Who may call


@as_root
def test_another_user_is_refused_over_ndjson(daemon: Daemon) -> None:
    with another_user(daemon):
        raw = daemon.raw()
    with raw:
        raw.send(PING + b"\n")
        error = RpcError(raw.line()["error"])
        assert (error.code, error.reason) == (-32016, "unauthorized")
        assert raw.rest() == b""
    assert daemon.call("system.ping") == "pong"


@as_root
def test_another_user_is_refused_over_http(daemon: Daemon) -> None:
    with another_user(daemon):
        raw = daemon.raw()
    with raw:
        raw.send(http_post(PING))
        reply = raw.http_reply()
        assert reply.status == 403
        assert RpcError(reply.document["error"]).reason == "unauthorized"
        assert raw.rest() == b""


@as_root
def test_another_user_stores_nothing(daemon: Daemon) -> None:
    with another_user(daemon):
        raw = daemon.raw()
    with raw, contextlib.suppress(ConnectionResetError):
        raw.send((encoded(request("knowledge.store", {"text": "evil"})) + b"\n") * 100)
        raw.rest()
    assert daemon.call("knowledge.stats")["total_records"] == 0


# Always


def test_the_daemon_has_no_network_connection(shared_daemon: Daemon) -> None:
    shared_daemon.call("knowledge.search", {"query": "anything"})
    assert psutil.Process(shared_daemon.pid).net_connections("inet") == []


def test_logs_hold_no_texts_queries_or_params(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "log.level=debug")
    marker = "zanzibar"
    stored = daemon.call(
        "knowledge.store",
        {"text": marker, "agent": marker, "metadata": {marker: marker}, "project_id": marker},
    )
    daemon.call("knowledge.search", {"query": f"where is {marker}", "agent": marker})
    daemon.call("knowledge.update", {"id": stored["id"], "text": f"{marker} again"})
    daemon.call("embedding.embed", {"texts": [marker]})
    daemon.refusal("knowledge.store", {"text": marker, "type": marker})
    daemon.refusal(f"{marker}.method")
    daemon.refusal("knowledge.store", {marker: marker})
    assert daemon.stop() == 0
    assert "knowledge.store" in daemon.stderr
    assert marker not in daemon.stderr


# A failing disk


def test_a_broken_database_is_an_error_without_a_path(daemon: Daemon) -> None:
    """A search needs nothing of it: it is answered from memory."""
    store_all(daemon, "p", *[{}] * 3)
    shutil.rmtree(daemon.home / "knowledge")
    for method, params in {
        "knowledge.query": {},
        "knowledge.stats": {},
        "knowledge.store": {"text": "lost?"},
    }.items():
        error = daemon.refusal(method, params)
        assert (error.code, error.reason) == (-32015, "store_failed"), method
        assert str(daemon.home) not in error.message
    assert daemon.call("system.ping") == "pong"


@pytest.fixture
def small_disk(new_home: MakeHome) -> Iterator[Path]:
    home = new_home()
    data = home / "knowledge"
    data.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", str(data)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield home
    subprocess.run(["umount", "--lazy", str(data)], check=True)


@as_root
def test_a_full_disk_is_told_and_nothing_is_lost(
    small_disk: Path, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(at=small_disk)
    acknowledged: list[str] = []
    error = None
    for number in range(200):
        params = {"text": f"{number} " + " " * 200_000}
        try:
            acknowledged.append(daemon.call("knowledge.store", params)["id"])
        except RpcError as refused:
            error = refused
            break
    assert error is not None
    assert (error.code, error.reason, error.data["retryable"]) == (-32018, "storage_full", True)
    assert str(small_disk) not in error.message
    assert set(query_ids(daemon)) == set(acknowledged)
    daemon.kill()
    assert set(query_ids(start_daemon(at=small_disk))) == set(acknowledged)
