"""What the log tells of calls, and what it never does."""

import json
import logging
import os
from typing import Any

import pytest

from cco_knowledge import logs
from cco_knowledge.rpc.envelope import NO_ID
from cco_knowledge.rpc.observed import plain_id
from process import Daemon
from wire import FRAMINGS, MAX_REQUEST_BYTES, answer, answers, encoded, http_post, request

MARK = "xylophone-4711"
FIELDS = {
    *("id", "method", "peer", "token", "outcome"),
    *("queue_ms", "ms", "bytes_in", "bytes_out", "redacted"),
}


def calls_after(daemon: Daemon, begin: int) -> list[dict[str, Any]]:
    """The lines of the calls that were made since the log had this length."""
    lines = [json.loads(line) for line in daemon.stderr[begin:].splitlines()]
    return [line for line in lines if line["event"] == "call"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_call_is_one_line_with_all_that_may_be_told(shared_daemon: Daemon, framing: str) -> None:
    begin = len(shared_daemon.stderr)
    message = request("system.status", request_id="request-1")
    answer(shared_daemon.socket_path, framing, message)
    (line,) = calls_after(shared_daemon, begin)
    assert line.keys() >= FIELDS
    assert line["id"] == "request-1"
    assert (line["method"], line["outcome"]) == ("system.status", "ok")
    assert line["peer"] == os.getpid()
    assert line["token"] is None
    assert line["queue_ms"] >= 0
    assert line["ms"] >= 0
    assert line["bytes_in"] == len(json.dumps(message))
    assert line["bytes_out"] > 100


@pytest.mark.parametrize("framing", FRAMINGS)
def test_each_call_of_a_batch_has_its_line(shared_daemon: Daemon, framing: str) -> None:
    begin = len(shared_daemon.stderr)
    batch = [
        request("system.ping", request_id=7),
        {"jsonrpc": "2.0", "method": "system.ping"},
        request(f"no.{MARK}", request_id=MARK * 10),
        1,
    ]
    answers(shared_daemon.socket_path, framing, batch)
    lines = calls_after(shared_daemon, begin)
    told = [(line["id"], line["method"], line["outcome"], line["bytes_out"] > 0) for line in lines]
    assert sorted(told, key=str) == sorted(
        [
            (7, "system.ping", "ok", True),
            ("(none)", "system.ping", "ok", False),
            ("(string)", "unknown", "method_not_found", True),
            ("(null)", "unknown", "invalid_request", True),
        ],
        key=str,
    )


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_message_that_is_no_json_has_its_line(shared_daemon: Daemon, framing: str) -> None:
    begin = len(shared_daemon.stderr)
    answer(shared_daemon.socket_path, framing, b"{" + MARK.encode())
    (line,) = calls_after(shared_daemon, begin)
    assert (line["id"], line["outcome"]) == ("(null)", "parse_error")
    assert MARK not in shared_daemon.stderr[begin:]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_request_that_is_too_large_has_its_line(shared_daemon: Daemon, framing: str) -> None:
    begin = len(shared_daemon.stderr)
    body = b" " * MAX_REQUEST_BYTES + b"{}"
    with shared_daemon.raw() as raw:
        raw.send(body + b"\n" if framing == "ndjson" else http_post(body))
        _ = raw.line() if framing == "ndjson" else raw.http_reply()
    (line,) = calls_after(shared_daemon, begin)
    assert (line["method"], line["outcome"]) == ("unknown", "too_large")
    assert line["bytes_in"] > MAX_REQUEST_BYTES


def test_no_line_holds_what_was_stored_or_asked(shared_daemon: Daemon, project: str) -> None:
    begin = len(shared_daemon.stderr)
    text = {"text": f"The {MARK} is in tune.", "project_id": project, "metadata": {"m": MARK}}
    shared_daemon.call("knowledge.store", text)
    shared_daemon.call("knowledge.search", {"query": f"where is the {MARK}"})
    shared_daemon.call("embedding.embed", {"texts": [MARK]})
    shared_daemon.call("knowledge.query", {"metadata": {"m": MARK}})
    shared_daemon.refusal("knowledge.store", {"text": MARK, "type": MARK})
    shared_daemon.refusal("knowledge.store", {"text": MARK, MARK: 1})
    shared_daemon.refusal("knowledge.get", MARK)
    log = shared_daemon.stderr[begin:]
    assert len(calls_after(shared_daemon, begin)) == 7
    assert MARK not in log
    assert "[" not in log  # no vector


def test_waiting_for_a_place_counts_as_waiting(shared_daemon: Daemon) -> None:
    """A connection has 16 places; a call that came with 99 others waited for one."""
    begin = len(shared_daemon.stderr)
    with shared_daemon.raw() as raw:
        asked = [
            request("embedding.embed", {"texts": [f"waiting {number} {begin}"]}, number)
            for number in range(100)
        ]
        raw.send(b"".join(encoded(one) + b"\n" for one in asked))  # at once, however busy it is
        for _ in range(100):
            raw.line()
    waited = {line["id"]: line["queue_ms"] for line in calls_after(shared_daemon, begin)}
    assert waited[99] > max(10, waited[0])


@pytest.mark.parametrize(
    ("request_id", "told"),
    [
        (12, 12),
        (-(2**62), -(2**62)),
        (10**30, "(integer)"),
        ("a-1.B_2:c/3", "a-1.B_2:c/3"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "(string)"),
        ("two words", "(string)"),
        ("line\n", "(string)"),
        ("ä", "(string)"),
        ("", "(string)"),
        (None, "(null)"),
        (NO_ID, "(none)"),
    ],
)
def test_only_an_id_that_is_no_text_is_told(request_id: Any, told: object) -> None:
    assert plain_id(request_id) == told


def test_a_person_reads_one_short_line() -> None:
    record = logging.LogRecord("cco_knowledge", logging.INFO, "", 0, "call", (), None)
    facts = dict.fromkeys(FIELDS, 1) | {"method": "system.ping", "outcome": "ok", "ms": 0.2}
    record.__dict__.update(facts)
    line = logs._TerminalFormatter().format(record)
    assert line[8:] == (
        " info    system.ping ok in 0.2 ms (waited 1), 1 B in, 1 B out, id 1, peer 1, token 1"
    )
