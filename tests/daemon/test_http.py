"""What HTTP adds: status codes, bodies of errors, routes, keep-alive."""

import contextlib
import json
from typing import Any

import pytest

from process import Daemon
from wire import HttpReply, RpcError, encoded, http_post, request

PING = encoded(request("system.ping"))


def exchange(daemon: Daemon, data: bytes) -> HttpReply:
    with daemon.raw() as raw:
        raw.send(data)
        return raw.http_reply()


def head(line: str, *headers: str) -> bytes:
    return "\r\n".join([line, "Host: cco", *headers, "", ""]).encode()


def error_of(reply: HttpReply) -> RpcError:
    """The JSON-RPC error in a transport error's body."""
    assert reply.headers["content-type"].startswith("application/json")
    document = reply.document
    assert (document["jsonrpc"], document["id"]) == ("2.0", None)
    return RpcError(document["error"])


def test_a_result_is_200_and_json(shared_daemon: Daemon) -> None:
    reply = exchange(shared_daemon, http_post(PING))
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.document == {"jsonrpc": "2.0", "result": "pong", "id": 1}


def test_the_first_connections_are_heard_from_their_first_byte(daemon: Daemon) -> None:
    """What speaks HTTP is loaded when they come."""
    whole = http_post(PING)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(daemon.raw()) for _ in range(5)]
        for part in (whole[:1], whole[1:30], whole[30:]):
            for connection in connections:
                connection.send(part)
        connections[0].end()
        for connection in connections:
            assert connection.http_reply().document["result"] == "pong"


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"1", b'{"jsonrpc":"2.0","id":1,"method":"no.such"}', b"\xff", b""]
)
def test_a_json_rpc_error_is_200(shared_daemon: Daemon, body: bytes) -> None:
    reply = exchange(shared_daemon, http_post(body))
    assert reply.status == 200
    assert reply.document["error"]["code"] < -32000


def test_a_notification_is_204_without_a_body(shared_daemon: Daemon) -> None:
    reply = exchange(shared_daemon, http_post(b'{"jsonrpc":"2.0","method":"system.ping"}'))
    assert (reply.status, reply.body) == (204, b"")


@pytest.mark.parametrize("target", ["/", "/RPC", "/rpc/", "/rpc/x", "/metricz", "//rpc", "/%2e"])
def test_another_path_is_404(shared_daemon: Daemon, target: str) -> None:
    reply = exchange(shared_daemon, http_post(PING, target))
    assert reply.status == 404
    assert error_of(reply).reason == "invalid_request"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_405_and_names_the_right_one(shared_daemon: Daemon, method: str) -> None:
    reply = exchange(shared_daemon, head(f"{method} /rpc HTTP/1.1", "Content-Length: 0"))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert error_of(reply).reason == "invalid_request"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_another_content_type_is_415(shared_daemon: Daemon, kind: str) -> None:
    reply = exchange(shared_daemon, http_post(PING, Content_Type=kind))
    assert reply.status == 415
    assert error_of(reply).reason == "invalid_request"


def test_a_missing_content_type_is_415(shared_daemon: Daemon) -> None:
    data = head("POST /rpc HTTP/1.1", f"Content-Length: {len(PING)}") + PING
    assert exchange(shared_daemon, data).status == 415


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_may_be_spelled_otherwise(shared_daemon: Daemon, kind: str) -> None:
    assert exchange(shared_daemon, http_post(PING, Content_Type=kind)).status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_content_encoding_is_415(shared_daemon: Daemon, coding: str) -> None:
    reply = exchange(shared_daemon, http_post(PING, Content_Encoding=coding))
    assert reply.status in {400, 415}
    assert error_of(reply).reason == "invalid_request"


def test_a_chunked_body_is_read(shared_daemon: Daemon) -> None:
    start = head(
        "POST /rpc HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in PING) + b"0\r\n\r\n"
    assert exchange(shared_daemon, start + chunks).document["result"] == "pong"


def test_http_1_0_is_answered_and_closed(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        raw.send(http_post(PING).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert raw.http_reply().document["result"] == "pong"
        assert raw.rest() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: minus\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /rpc HTTP/1.1\r\nBad Header\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"\0\r\n\r\n",
    ],
    ids=range(11),
)
def test_malformed_http_is_a_4xx_with_a_json_rpc_error(shared_daemon: Daemon, data: bytes) -> None:
    with shared_daemon.raw() as raw:
        raw.send(data)
        reply = raw.http_reply()
        assert 400 <= reply.status < 500
        assert error_of(reply).reason == "invalid_request"
        assert b"Traceback" not in reply.body
        raw.rest()
    assert shared_daemon.call("system.ping") == "pong"


def test_a_conflict_of_lengths_is_refused(shared_daemon: Daemon) -> None:
    data = http_post(PING, Transfer_Encoding="chunked")
    assert 400 <= exchange(shared_daemon, data).status < 500


@pytest.mark.parametrize(("target", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_health_and_readiness(shared_daemon: Daemon, target: str, status: str) -> None:
    reply = exchange(shared_daemon, head(f"GET {target} HTTP/1.1"))
    assert (reply.status, reply.document) == (200, {"status": status})


def test_a_connection_serves_many_requests(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        for number in range(20):
            raw.send(http_post(encoded(request("system.ping", request_id=number))))
            assert raw.http_reply().document["id"] == number


def test_pipelined_requests_are_answered_in_order(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        posts = [http_post(encoded(request("system.ping", request_id=n))) for n in range(20)]
        raw.send(b"".join(posts))
        assert [raw.http_reply().document["id"] for _ in posts] == list(range(20))


@pytest.mark.parametrize(
    "refused",
    [
        http_post(PING, "/nowhere"),
        head("GET /rpc HTTP/1.1"),
        http_post(PING, Content_Type="text/plain"),
        http_post(b"{"),
    ],
    ids=["404", "405", "415", "parse_error"],
)
def test_a_connection_survives_a_refused_request(shared_daemon: Daemon, refused: bytes) -> None:
    with shared_daemon.raw() as raw:
        for data in (refused, http_post(PING)):
            raw.send(data)
            reply = raw.http_reply()
        assert reply.document["result"] == "pong"


def test_connection_close_is_honoured(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        raw.send(http_post(PING, Connection="close"))
        assert raw.http_reply().status == 200
        assert raw.rest() == b""


def test_a_request_in_single_bytes(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        for byte in http_post(PING):
            raw.send(bytes([byte]))
        assert raw.http_reply().document["result"] == "pong"


def test_unicode_goes_through(shared_daemon: Daemon, project: str) -> None:
    text = "\u00e4\u4e2d\U0001f600"
    params: dict[str, Any] = {"text": text, "project_id": project}
    body = json.dumps(request("knowledge.store", params), ensure_ascii=False).encode()
    stored = exchange(shared_daemon, http_post(body)).document["result"]
    (entry,) = shared_daemon.call("knowledge.get", {"ids": [stored["id"]]})["entries"]
    assert entry["text"] == text


def test_a_peer_that_sends_no_more_is_answered(shared_daemon: Daemon) -> None:
    with shared_daemon.raw() as raw:
        raw.send(http_post(encoded(request("embedding.embed", {"texts": ["half closed"]}))))
        raw.end()
        assert len(raw.http_reply().document["result"]["vectors"]) == 1
        assert raw.rest() == b""
