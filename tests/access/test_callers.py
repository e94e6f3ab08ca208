"""Who gets in, how far, and how a token ends: over both framings, on a running daemon."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from access.token_calls import With, post, token
from cco_knowledge import tokens
from cco_knowledge.rpc.methods import METHODS, SYSTEM
from conftest import StartDaemon
from other_user import another_user, as_root
from process import Daemon, wait_until
from wire import Raw, RpcError, encoded, request

NOT_A_TOKEN = "cco_00000000_" + "A" * 43


@pytest.fixture
def file(session_daemon: Daemon) -> Iterator[Path]:
    """That of the shared daemon, gone afterwards."""
    path = session_daemon.home / "api_token"
    yield path
    path.unlink(missing_ok=True)


def test_a_token_has_its_rights_and_says_so(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "reader", name="agent", projects=["shop"])
    with With(shared_daemon, secret) as agent:
        assert agent.rights == {"name": "agent", "role": "reader", "projects": ["shop"]}
        assert agent.call("knowledge.query")["results"] == []
        assert agent.reason("knowledge.store", {"text": "x", "project_id": "shop"}) == (
            "unauthorized"
        )
        assert agent.call("system.ping") == "pong"  # to ask too much ends nothing
    assert shared_daemon.call("system.ping") == "pong"


@pytest.mark.parametrize("role", tokens.ROLES)
def test_each_method_needs_its_role(shared_daemon: Daemon, file: Path, role: tokens.Role) -> None:
    """With params that no method takes: who may call it hears of those."""
    with With(shared_daemon, token(shared_daemon.home, role)) as agent:
        for name, method in (METHODS | SYSTEM).items():
            allowed = tokens.allows(role, method.role)
            expected = "invalid_params" if allowed else "unauthorized"
            assert agent.reason(name, {"nonsense": 1}) == expected, name


def test_the_methods_say_which_role_they_need(shared_daemon: Daemon) -> None:
    told = {m["name"]: m["x-role"] for m in shared_daemon.call("rpc.discover")["methods"]}
    assert {name for name, role in told.items() if role == "admin"} == {
        *("system.shutdown", "system.reload", "system.optimize", "system.verify", "system.backup"),
        *("system.scrub", "knowledge.reveal"),
    }
    assert told["knowledge.delete"] == "writer"
    assert told["knowledge.search"] == "reader"


def test_a_wrong_token_is_refused_and_not_the_peer_heard_instead(daemon: Daemon) -> None:
    """And who goes on trying is slowed down; this process is one peer."""
    for secret in (NOT_A_TOKEN, "nonsense"):
        with daemon.raw() as raw:
            wrong = request("system.authenticate", {"token": secret})
            calls = (wrong, request("knowledge.stats", request_id=2))
            raw.send(b"".join(encoded(call) + b"\n" for call in calls))  # both before it ends
            assert [RpcError(raw.line()["error"]).reason for _ in range(2)] == ["unauthorized"] * 2
            assert raw.rest() == b""
        with daemon.raw() as raw:
            raw.send(post(request("knowledge.stats"), secret))
            reply = raw.http_reply()
            assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
            assert RpcError(reply.document["error"]).reason == "unauthorized"
            assert raw.rest() == b""
    errors = [daemon.refusal("system.authenticate", {"token": NOT_A_TOKEN}) for _ in range(3)]
    assert errors[-1].reason == "rate_limited"
    assert errors[-1].data["retry_after_ms"] > 0
    with daemon.raw() as raw:
        raw.send(post(request("knowledge.stats"), NOT_A_TOKEN))
        assert raw.http_reply().status == 429
    assert daemon.call("system.ping") == "pong"  # without a token it is the own user's process
    lines = [json.loads(line) for line in daemon.stderr.splitlines()]
    told = [line["event"] for line in lines if "presented a token" in line["event"]]
    assert len(told) == 5
    assert all("unknown or revoked" in event for event in told)
    assert NOT_A_TOKEN not in daemon.stderr


def test_http_takes_a_token_with_each_request(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "reader", projects=["shop"])
    with shared_daemon.raw() as raw:
        for given, expected in ((secret, None), (None, {"bytes"}), (secret, None)):
            raw.send(post(request("knowledge.stats"), given))
            storage = raw.http_reply().document["result"]["storage"]
            assert storage is None if expected is None else storage.keys() >= expected
        raw.send(post(None, secret, "GET /healthz"))
        assert raw.http_reply().status == 200
        raw.send(post(None, secret, "GET /metrics"))
        assert raw.http_reply().status == 403
        raw.send(post(None, token(shared_daemon.home, "reader"), "GET /metrics"))
        assert raw.http_reply().status == 200


def test_another_token_takes_the_place_of_the_first(shared_daemon: Daemon, file: Path) -> None:
    with With(shared_daemon, token(shared_daemon.home, "admin")) as agent:
        lesser = token(shared_daemon.home, "reader", projects=["shop"])
        assert agent.call("system.authenticate", {"token": lesser})["role"] == "reader"
        assert agent.reason("system.optimize") == "unauthorized"


def test_what_comes_behind_a_token_in_one_breath_has_its_rights(
    shared_daemon: Daemon, file: Path
) -> None:
    secret = token(shared_daemon.home, "reader", projects=["shop"])
    lines = [
        request("system.authenticate", {"token": secret}, 1),
        request("knowledge.stats", request_id=2),
        [request("knowledge.stats", request_id=3)],
    ]
    with shared_daemon.raw() as raw:
        raw.send(b"".join(encoded(line) + b"\n" for line in lines))
        answers = [raw.line() for _ in lines]
    by_id = {answer["id"]: answer for answer in answers if isinstance(answer, dict)}
    assert by_id[1]["result"]["projects"] == ["shop"]
    assert by_id[2]["result"]["storage"] is None


def end_by_revoking(path: Path, token_id: str) -> None:
    tokens.revoke(path, token_id)


def end_by_rotating(path: Path, token_id: str) -> None:
    tokens.rotate(path, token_id)


def end_by_damaging(path: Path, token_id: str) -> None:
    path.write_bytes(token_id.encode())


def end_by_removing(path: Path, token_id: str) -> None:
    path.unlink()


@pytest.mark.parametrize(
    "end", [end_by_revoking, end_by_rotating, end_by_damaging, end_by_removing]
)
def test_a_token_that_ends_ends_its_connections(
    shared_daemon: Daemon, file: Path, end: object
) -> None:
    secret = token(shared_daemon.home, "admin")
    (made,) = tokens.listed(file)
    with With(shared_daemon, secret) as agent:
        assert agent.call("system.ping") == "pong"
        assert callable(end)
        end(file, made.id)
        assert agent.reason("system.ping") == "unauthorized"
        assert agent.raw.rest() == b""
    assert shared_daemon.call("system.ping") == "pong"  # the own user is never locked out


def test_a_token_expires_on_living_connections_too(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "admin")
    with With(shared_daemon, secret) as agent:
        file.write_bytes(
            file.read_bytes().replace(b'"expires":null', b'"expires":"2026-01-01T00:00:00.000Z"')
        )
        assert agent.reason("system.ping") == "unauthorized"


def test_the_log_names_the_token_and_never_shows_it(shared_daemon: Daemon, file: Path) -> None:
    begin = len(shared_daemon.stderr)
    secret = token(shared_daemon.home, "reader", name="agent-7")
    with With(shared_daemon, secret) as agent:
        agent.call("system.ping")
    lines = [json.loads(line) for line in shared_daemon.stderr[begin:].splitlines()]
    told = [(line["method"], line["token"]) for line in lines if line["event"] == "call"]
    assert told == [("system.authenticate", "agent-7"), ("system.ping", "agent-7")]
    assert secret.split("_", 2)[2] not in shared_daemon.stderr


def test_calls_are_limited_for_each_token(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "reader", calls_per_s=3)
    with With(shared_daemon, secret) as agent:
        answers = [agent.response("system.ping") for _ in range(20)]
        refused = [RpcError(answer["error"]) for answer in answers if "error" in answer]
        assert {(error.reason, error.code) for error in refused} == {("rate_limited", -32017)}
        assert len(refused) >= 10
        assert "result" in answers[0]
        assert 0 < refused[-1].data["retry_after_ms"] <= 334
        wait_until(lambda: "result" in agent.response("system.ping"))
    for _ in range(20):
        assert shared_daemon.call("system.ping") == "pong"  # the own user has no limit


@as_root
def test_another_user_gets_in_with_a_token_alone(daemon: Daemon) -> None:
    secret = token(daemon.home, "reader", name="container")

    def as_another_user() -> Raw:
        with another_user(daemon):
            return daemon.raw()

    with as_another_user() as raw:
        raw.send_line(request("system.authenticate", {"token": secret}))
        raw.send_line(request("system.ping", request_id=2))
        assert [raw.line()["id"], raw.line()["result"]] == [1, "pong"]
    for message in (request("system.ping"), request("rpc.discover"), {"what": "?"}):
        with as_another_user() as raw:
            late = request("system.authenticate", {"token": secret}, 2)
            raw.send(encoded(message) + b"\n" + encoded(late) + b"\n")  # it closes after the first
            assert RpcError(raw.line()["error"]).reason in ("unauthorized", "invalid_request")
            raw.end()
            raw.rest()
    with as_another_user() as raw:
        raw.send(encoded(request("system.authenticate", {"token": "x" * 5000})) + b"\n")
        assert RpcError(raw.line()["error"]).reason == "unauthorized"
        assert raw.rest() == b""
    for path in ("POST /rpc", "GET /healthz", "GET /metrics", "GET /nothing"):
        with as_another_user() as raw:
            raw.send(post(request("system.ping"), None, path))
            assert raw.http_reply().status in (401, 404), path
    with as_another_user() as raw:
        raw.send(post(request("system.ping"), secret))
        assert raw.http_reply().document["result"] == "pong"


def test_the_own_user_may_need_a_token_too(home: Path, start_daemon: StartDaemon) -> None:
    (home / "knowledge.toml").write_text("[auth]\nrequire_token = true\n")
    daemon = start_daemon()
    assert daemon.refusal("system.ping").reason == "unauthorized"
    secret = token(home, "admin")
    with With(daemon, secret) as admin:
        (home / "knowledge.toml").write_text("[limits]\ncalls_per_s = 2\n")
        reloaded = admin.call("system.reload")
        assert reloaded["applied"] == ["limits.calls_per_s", "auth.require_token"]
    reasons = []
    with daemon.raw() as raw:
        for number in range(10):
            raw.send_line(request("system.ping", request_id=number))
            reasons.append(raw.line().get("error", {"data": {"reason": "ok"}})["data"]["reason"])
    assert set(reasons) == {"ok", "rate_limited"}
    assert reasons.count("ok") < 9
