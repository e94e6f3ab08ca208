"""What one process may take of the connections, of the memory, and of the log."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cco_knowledge_client import KnowledgeClient
from conftest import StartDaemon
from outcome import Kmctl
from process import Daemon, wait_until
from prometheus_text import measured
from wire import FRAMINGS, Raw, encoded, http_post, request, result_of

MIB = 1 << 20
PING = encoded(request("system.ping"))
_CONNECTED = """
import socket, sys
held = [socket.socket(socket.AF_UNIX) for _ in range(int(sys.argv[2]))]
for one in held:
    one.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.read()
for one in held:
    one.sendall(b'{"jsonrpc":"2.0","id":1,"method":"system.ping"}\\n')
    print("closed" if not one.recv(99) else "answered", flush=True)
"""


def is_answered(raw: Raw) -> bool:
    with contextlib.suppress(OSError, EOFError):
        raw.send(PING + b"\n")
        return bool(raw.line()["result"] == "pong")
    return False


@contextlib.contextmanager
def other_process(path: Path, n: int) -> Iterator["subprocess.Popen[str]"]:
    """It holds so many connections; once its input ends it tells of each whether it still is."""
    with subprocess.Popen(
        [sys.executable, "-c", _CONNECTED, str(path), str(n)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "connected\n"
        yield process


def test_for_one_more_the_connection_goes_that_has_been_idle_longest(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon("--set", "socket.max_connections=6")
    with contextlib.ExitStack() as stack:
        first, second, third = (stack.enter_context(daemon.raw()) for _ in range(3))
        assert all(map(is_answered, (second, third, first)))
        fourth = stack.enter_context(daemon.raw())
        assert is_answered(fourth)
        assert second.rest() == b""
        assert all(map(is_answered, (first, third, fourth)))


def test_a_process_loses_none_of_its_connections_to_another_one(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "socket.max_connections=8")
    with other_process(daemon.socket_path, 2) as other, contextlib.ExitStack() as stack:
        mine = [stack.enter_context(daemon.raw()) for _ in range(20)]
        assert is_answered(mine[-1])
        told, _ = other.communicate()
    assert told == "answered\nanswered\n"


def test_where_none_is_idle_a_new_connection_learns_why_it_is_refused(
    start_daemon: StartDaemon,
) -> None:
    daemon = start_daemon("--set", "socket.max_connections=4")
    with daemon.raw() as one, daemon.raw() as two:
        for raw in (one, two):
            raw.send(PING + b"\n" + PING[:10])  # and now it waits for the rest
            assert raw.line()["result"] == "pong"
        for framing in FRAMINGS:
            with daemon.raw() as three:
                with contextlib.suppress(BrokenPipeError):
                    three.send(PING + b"\n" if framing == "ndjson" else http_post(PING))
                told = three.rest()
                assert b'"overloaded"' in told
                assert b'"retry_after_ms"' in told
        two.send(PING[10:] + b"\n")
        assert two.line()["result"] == "pong"
        with daemon.raw() as three:
            assert is_answered(three)


def test_half_requests_of_one_process_are_bounded_together(daemon: Daemon) -> None:
    half = b'{"x":"' + b"x" * (14 * MIB)
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(daemon.raw()) for _ in range(4)]
        for raw in halves[:2]:
            raw.send(half)
        for raw in halves[2:]:
            raw.send(half)
            told = raw.line()
            assert told["id"] is None
            assert told["error"]["data"]["reason"] == "overloaded"
            raw.send(b'"}\n')  # the rest of what was refused
            assert is_answered(raw)
        with other_process(daemon.socket_path, 1) as other:
            assert other.communicate()[0] == "answered\n"
        halves[0].send(b'"}\n')
        assert halves[0].line()["error"]["data"]["reason"] == "invalid_request"


def test_a_body_of_a_process_that_has_sent_too_much_is_503(daemon: Daemon) -> None:
    with daemon.raw() as one, daemon.raw() as two, daemon.raw() as three:
        for raw in (one, two):
            raw.send(b'{"x":"' + b"x" * (15 * MIB))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            three.send(http_post(b" " * (8 * MIB)))
        reply = three.http_reply()
        assert reply.status == 503
        assert reply.document["error"]["data"]["reason"] == "overloaded"


@pytest.mark.timeout(300)  # 77 MiB are stored, read and exported
def test_an_answer_is_bounded_and_says_so(daemon: Daemon) -> None:
    # Embedded at once; and as JSON a half longer, so that an export has to ask for less, too.
    text = " " * (150 << 10) + "\n" * ((106 << 10) - 8)
    with KnowledgeClient(daemon.socket_path, timeout_s=100) as knowledge:
        ids = []
        for part in range(7):  # each nearly as large as a request may be
            items = [{"text": f"{part}{n:02}{text}", "project_id": "large"} for n in range(44)]
            stored = knowledge.call("knowledge.store_batch", {"items": items})
            ids += [one["id"] for one in stored["results"]]
    for method, params in {
        "knowledge.query": {"project_id": "large", "limit": 1000},
        "knowledge.get": {"ids": ids},
    }.items():
        error = daemon.refusal(method, params)
        assert (error.code, error.reason) == (-32019, "too_large")
    assert daemon.call("knowledge.query", {"project_id": "large", "limit": 100})["total"] == 308
    batch = [request("knowledge.query", {"limit": 100}, number) for number in range(3)]
    with daemon.raw() as raw:
        raw.send_line(batch)
        answers = raw.line()
    refused = [one for one in answers if "error" in one]
    assert [one["id"] for one in answers] == [0, 1, 2]
    assert {one["error"]["data"]["reason"] for one in refused} == {"too_large"}
    assert 0 < len(refused) < 3
    assert result_of(next(one for one in answers if "result" in one))["total"] == 308
    exported = daemon.home / "exported"
    assert Kmctl(daemon.home)("export", str(exported)).code == 0
    assert len(exported.read_bytes().splitlines()) == 308


def test_a_flood_does_not_fill_the_log(daemon: Daemon) -> None:
    with daemon.raw() as raw:
        raw.send((PING + b"\n") * 2000)
        for _ in range(2000):
            raw.line()
    counted = measured(daemon.socket_path)
    assert counted.value("cco_knowledge_calls_total", method="system.ping", outcome="ok") == 2000
    begin = len(daemon.stderr)
    wait_until(lambda: "have no line" in _after_a_call(daemon))
    assert len(daemon.stderr[:begin].splitlines()) < 1500
    (left_out,) = re.findall(r"(\d+) calls have no line", daemon.stderr)[-1:]
    assert int(left_out) > 0


def _after_a_call(daemon: Daemon) -> str:
    daemon.call("system.ping")
    return daemon.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a peer has hung up")
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_read_ends_when_nobody_waits_for_it(daemon: Daemon, framing: str) -> None:
    texts = [f"{n} " + "words that keep the model busy for a good while " * 15 for n in range(256)]
    ask = encoded(request("embedding.embed", {"texts": texts}))
    with daemon.raw() as raw:
        raw.send(ask + b"\n" if framing == "ndjson" else http_post(ask))
        wait_until(lambda: daemon.call("system.status")["queue"] > 0)
    wait_until(lambda: daemon.call("system.status")["queue"] == 0)
    ended = {"method": "embedding.embed", "outcome": "cancelled"}
    wait_until(
        lambda: measured(daemon.socket_path).value("cco_knowledge_calls_total", **ended) == 1
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a peer has hung up")
def test_all_that_a_peer_has_asked_ends_when_it_is_gone(daemon: Daemon) -> None:
    """So much that the daemon reads nothing more of it, and so does not hear of its end."""
    texts = [f"{n} " + "words that keep the model busy for a while " * 4 for n in range(64)]
    with daemon.raw() as raw:
        for number in range(20):
            asked = {"texts": [f"{number} {text}" for text in texts]}
            raw.send(encoded(request("embedding.embed", asked)) + b"\n")
        wait_until(lambda: daemon.call("system.status")["queue"] > 100)
    wait_until(lambda: daemon.call("system.status")["queue"] == 0)
    wait_until(lambda: _embeds(daemon, "cancelled") > 10)
    wait_until(lambda: daemon.call("system.status")["connections"] == 1)


def _embeds(daemon: Daemon, outcome: str) -> float:
    counted = measured(daemon.socket_path)
    ended = {"method": "embedding.embed", "outcome": outcome}
    return counted.value("cco_knowledge_calls_total", **ended)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a peer has hung up")
def test_what_a_peer_sent_before_it_went_is_stored(daemon: Daemon) -> None:
    """More than is read at once: an answer that nobody takes does not end the reading."""
    note = "words " * 1000
    with daemon.raw() as raw:
        for number in range(30):
            entry = {"text": f"entry {number}", "metadata": {"note": note}}
            raw.send(encoded(request("knowledge.store", entry)) + b"\n")
    wait_until(lambda: daemon.call("knowledge.stats")["total_records"] == 30)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a peer has hung up")
def test_what_a_gone_peer_only_wanted_to_read_is_passed_over(daemon: Daemon) -> None:
    """And not what it wanted to change, wherever that stands."""
    asked = encoded(request("knowledge.search", {"query": "anything"}))
    entry = encoded(request("knowledge.store", {"text": "kept"}))
    with daemon.raw() as raw:
        raw.send((asked + b"\n") * 1000 + entry + b"\n" + (asked + b"\n") * 500)
    wait_until(lambda: daemon.call("system.status")["connections"] == 1)
    assert daemon.call("knowledge.stats")["total_records"] == 1
    calls = measured(daemon.socket_path)
    ended = {"method": "knowledge.search", "outcome": "ok"}
    assert calls.value("cco_knowledge_calls_total", **ended) < 100


@pytest.mark.parametrize("framing", FRAMINGS)
def test_who_only_sends_no_more_is_answered(daemon: Daemon, framing: str) -> None:
    ask = encoded(request("knowledge.search", {"query": "anything"}))
    with daemon.raw() as raw:
        raw.send(ask + b"\n" if framing == "ndjson" else http_post(ask))
        raw.end()
        assert b'"covered"' in raw.rest()
