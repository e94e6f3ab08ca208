"""What a connection may not do: send too much, too slowly, nonsense, or never read."""

import contextlib
import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from conftest import MakeHome
from entries import store_all
from process import Daemon, wait_until
from wire import (
    FRAMINGS,
    MAX_REQUEST_BYTES,
    Raw,
    answer,
    answers,
    encoded,
    http_post,
    request,
)

PING = encoded(request("system.ping"))
MIB = 1 << 20
SLACK_BYTES = 120 * MIB


# Too much


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_request_of_16_mib_is_answered(shared_daemon: Daemon, framing: str) -> None:
    message = PING + b" " * (MAX_REQUEST_BYTES - len(PING))
    assert answer(shared_daemon.socket_path, framing, message)["result"] == "pong"


def test_a_line_of_one_byte_more_is_too_large(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        raw.send(PING + b" " * (MAX_REQUEST_BYTES - len(PING) + 1) + b"\n")
        response = raw.line()
        assert response["id"] is None
        assert response["error"]["code"] == -32019
        assert response["error"]["data"]["reason"] == "too_large"
        raw.send(PING + b"\n")
        assert raw.line()["result"] == "pong"


def test_a_body_of_one_byte_more_is_413(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        raw.send(http_post(PING + b" " * (MAX_REQUEST_BYTES - len(PING) + 1)))
        reply = raw.http_reply()
        assert reply.status == 413
        assert reply.document["error"]["code"] == -32019
    assert shared_daemon.call("system.ping", framing="http") == "pong"


def peak_while_sending(daemon: Daemon, raw: Raw, n_chunks: int) -> int:
    """The daemon's greatest resident set, in bytes, while it gets chunks of 1 MiB."""
    process, chunk = psutil.Process(daemon.pid), b"x" * MIB
    peak = 0
    for _ in range(n_chunks):
        raw.send(chunk)
        peak = max(peak, process.memory_info().rss)
    return peak


def test_a_line_of_1_gb_is_skipped_in_bounded_memory(daemon: Daemon) -> None:
    before = psutil.Process(daemon.pid).memory_info().rss
    with daemon.raw() as raw:
        raw.send(b"{")
        peak = peak_while_sending(daemon, raw, 1000)
        raw.send(b"\n" + PING + b"\n")
        assert raw.line()["error"]["data"]["reason"] == "too_large"
        assert raw.line()["result"] == "pong"
    assert peak - before < SLACK_BYTES


def test_a_body_of_1_gb_is_refused_in_bounded_memory(daemon: Daemon) -> None:
    daemon.call("system.ping", None, "http")  # loads aiohttp
    before, peak = psutil.Process(daemon.pid).memory_info().rss, 0
    head = http_post(b"").replace(b"Content-Length: 0", b"Content-Length: %d" % (1000 * MIB))
    with daemon.raw() as raw:
        raw.send(head)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            peak = peak_while_sending(daemon, raw, 1000)
        reply = raw.http_reply()
        assert reply.status == 413
    assert peak - before < SLACK_BYTES
    assert daemon.call("system.ping") == "pong"


# Nonsense


NONSENSE = {
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "1e999": b'{"a": 1e999}',
    "-1e999": b'{"a": [-1e999]}',
    "invalid UTF-8": b'{"a": "\xff\xfe"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "cut UTF-8": b'{"a": "\xe2\x82',
    "lone high surrogate": rb'{"a": "\ud800"}',
    "lone low surrogate": rb'{"a": "\udc00"}',
    "surrogates in the wrong order": rb'{"a": "\udc00\ud800"}',
    "surrogate as a key": rb'{"\ud800": 1}',
    "raw NUL": b'{"a": "\0"}',
    "raw control character": b'{"a": "\x1f"}',
    "single quotes": b"{'a': 1}",
    "trailing comma": b'{"a": 1,}',
    "comment": b'{"a": 1} // x',
    "two values": b'{"a": 1} {"a": 2}',
    "leading zero": b'{"a": 01}',
    "hex": b'{"a": 0x10}',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "unclosed": b"[" * 1_000_000,
    "a long integer": b'{"a": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("nonsense", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_a_parse_error_and_stores_nothing(
    shared_daemon: Daemon, project: str, framing: str, nonsense: bytes
) -> None:
    params = b'{"text": "a", "project_id": "%s", "metadata": %s}' % (project.encode(), nonsense)
    message = b'{"jsonrpc":"2.0","id":1,"method":"knowledge.store","params":%s}' % params
    response = answer(shared_daemon.socket_path, framing, message)
    assert (response["error"]["code"], response["id"]) == (-32700, None)
    assert shared_daemon.call("knowledge.query", {"project_id": project})["total"] == 0


def test_empty_lines_are_nothing(shared_daemon: Daemon) -> None:
    message = b"\n\r\n  \n" + PING + b"\r\n\n"
    assert len(answers(shared_daemon.socket_path, "ndjson", message)) == 1


def test_nonsense_leaves_the_connection_usable(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        for nonsense in NONSENSE.values():
            raw.send(b"{" + nonsense + b"\n")
            assert raw.line()["error"]["code"] == -32700
        raw.send(PING + b"\n")
        assert raw.line()["result"] == "pong"


# Too slow. All wait at the same time: the daemon drops a half request after ten seconds.


@dataclass
class Stalled:
    daemon: Daemon
    halves: dict[str, Raw] = field(default_factory=dict)
    idle: dict[str, Raw] = field(default_factory=dict)
    slow_threads: dict[str, threading.Thread] = field(default_factory=dict)
    lasted_s: dict[str, float] = field(default_factory=dict)
    paced: list[object] = field(default_factory=list)


HALVES = {
    "a line": b'{"jsonrpc":"2.0",',
    "the second line": PING + b"\n" + PING[:10],
    "a line that is too large": b"{" + b"x" * (MAX_REQUEST_BYTES + 1),
    "a request line": b"POST /rpc",
    "headers": http_post(PING).split(b"\r\n\r\n")[0] + b"\r\n",
    "a body": http_post(PING)[:-1],
    "the second body": http_post(PING) + http_post(PING)[:-1],
    "a body for nowhere": http_post(PING, "/nowhere")[:-1],
}
IDLE = {
    "nothing": b"",
    "a line": PING + b"\n",
    "HTTP 200": http_post(PING),
    "HTTP 200 of /healthz": b"GET /healthz HTTP/1.1\r\nHost: cco\r\n\r\n",
    "HTTP 404": http_post(PING, "/nowhere"),
    "HTTP 405": http_post(PING).replace(b"POST", b"PUT"),
    "HTTP 415": http_post(PING, Content_Type="text/plain"),
}


@pytest.fixture(scope="module")
def stalled(new_home: MakeHome) -> Iterator[Stalled]:
    daemon = Daemon(new_home()).start().wait_ready()
    state = Stalled(daemon)
    with contextlib.ExitStack() as stack:
        stack.callback(daemon.discard)
        for name, half in HALVES.items():
            state.halves[name] = stack.enter_context(daemon.raw())
            state.halves[name].send(half)
        for name, whole in IDLE.items():
            state.idle[name] = raw = stack.enter_context(daemon.raw())
            raw.send(whole)
            if whole:
                raw.line() if name == "a line" else raw.http_reply()
        for name, work in {"drip": drip, "pace": pace}.items():
            state.slow_threads[name] = threading.Thread(target=work, args=(state,))
            state.slow_threads[name].start()
        yield state
        for thread in state.slow_threads.values():
            thread.join()


def drip(state: Stalled) -> None:
    """One byte a second, until the daemon closes."""
    begun = time.monotonic()
    with state.daemon.raw() as raw, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for byte in PING:
            raw.send(bytes([byte]))
            if select.select([raw.socket], [], [], 1.0)[0] and not raw.socket.recv(1):
                break
    state.lasted_s["drip"] = time.monotonic() - begun


def pace(state: Stalled) -> None:
    """Fourteen lines, each half a second after the one before, always half a line ahead."""
    data = (PING + b"\n") * 28
    step = len(PING) + 1
    with state.daemon.raw() as raw, contextlib.suppress(OSError, EOFError):
        raw.send(data[: step // 2])
        for number in range(28):
            start = step // 2 + number * step
            raw.send(data[start : start + step])
            state.paced.append(raw.line()["result"])
            select.select([raw.socket], [], [], 0.5)


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_dropped(stalled: Stalled, half: str) -> None:
    begun = time.monotonic()
    assert stalled.daemon.call("system.ping") == "pong"
    assert time.monotonic() - begun < 5
    stalled.halves[half].socket.settimeout(15)
    stalled.halves[half].rest()


def test_a_request_byte_by_byte_is_dropped(stalled: Stalled) -> None:
    stalled.slow_threads["drip"].join()
    assert 8 < stalled.lasted_s["drip"] < 20


def test_a_client_that_always_is_half_a_line_ahead_is_served(stalled: Stalled) -> None:
    stalled.slow_threads["pace"].join()
    assert stalled.paced == ["pong"] * 28


@pytest.mark.parametrize("idle", IDLE)
def test_an_idle_connection_stays(stalled: Stalled, idle: str) -> None:
    for thread in stalled.slow_threads.values():  # longer than half a request may take
        thread.join()
    raw = stalled.idle[idle]
    if idle.startswith("HTTP"):
        raw.send(http_post(PING))
        assert raw.http_reply().document["result"] == "pong"
    else:
        raw.send(PING + b"\n")
        assert raw.line()["result"] == "pong"


@pytest.mark.timeout(300)
def test_a_client_that_sends_more_than_can_be_done_in_ten_seconds_is_served(
    daemon: Daemon,
) -> None:
    """While it is busy the daemon stops reading, in the middle of a line: its own doing."""
    texts = [f"{number} " + "some words to embed " * 700 for number in range(20)]
    lines = [encoded(request("embedding.embed", {"texts": [t]}, n)) for n, t in enumerate(texts)]
    with daemon.raw(timeout_s=280) as raw:
        sender = threading.Thread(target=send_all, args=(raw, b"\n".join(lines) + b"\n"))
        sender.start()
        try:
            assert sorted(raw.line()["id"] for _ in lines) == list(range(20))
        finally:
            sender.join()


def send_all(raw: Raw, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        raw.send(data)


# Never reading


def test_a_client_that_never_reads_costs_bounded_memory_and_harms_nobody(daemon: Daemon) -> None:
    store_all(daemon, "large", *({"text": f"{n} " + " " * 20_000} for n in range(50)))
    before = daemon.call("system.status")["rss_bytes"]
    ask = encoded(request("knowledge.query", {"project_id": "large", "limit": 50})) + b"\n"
    with daemon.raw() as raw:
        raw.send(ask * 500)
        peak = 0
        for _ in range(60):
            assert daemon.call("knowledge.query", {"limit": 1})["total"] == 50
            peak = max(peak, daemon.call("system.status")["rss_bytes"])
        assert daemon.call("knowledge.search", {"query": "anything"})["count"] == 10
        assert peak - before < SLACK_BYTES
        for _ in range(500):
            assert raw.line()["result"]["total"] == 50


def test_what_was_sent_is_stored_even_if_the_client_leaves(daemon: Daemon) -> None:
    for number in range(50):
        with daemon.raw() as raw:
            raw.send_line(request("knowledge.store", {"text": f"gone {number}"}))
    wait_until(lambda: daemon.call("knowledge.stats")["total_records"] == 50)


def test_an_http_client_that_leaves_harms_nobody(daemon: Daemon) -> None:
    for number in range(50):
        with daemon.raw() as raw:
            store = request("knowledge.store", {"text": f"gone {number}"})
            raw.send(http_post(encoded(store)))
    assert daemon.call("system.ping", framing="http") == "pong"
    wait_until(lambda: daemon.call("system.status")["connections"] == 1)
