"""kmctl without a daemon, or with one that a test plays."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kmctl.app import kmctl
from kmctl.commands import lifecycle
from ndjson_peer import ENTRY, Peer, Recorded, serving
from outcome import Outcome, kmctl_process

STATUS = {"version": "9.9", "pid": 12345, "ready": True, "model": None, "queue": 0}


def type_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))


def all_commands() -> Iterator[tuple[str, ...]]:
    import click

    context = click.Context(kmctl)
    for name in kmctl.list_commands(context):
        yield (name,)
        command = kmctl.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


ALL_COMMANDS = list(all_commands())


def test_every_command_of_the_contract_is_there() -> None:
    names = (
        "start stop restart status health version call store search context query get update "
        "delete stats cleanup export import migrate eval model config service hooks mcp discover "
        "metrics top doctor logs completion bugreport backup restore optimize verify jobs token "
        "scrub bench"
    )
    assert {path[0] for path in ALL_COMMANDS} == set(names.split())
    assert {path for path in ALL_COMMANDS if len(path) == 2} == {
        ("hooks", "install"),
        ("hooks", "show"),
        ("hooks", "uninstall"),
        ("model", "list"),
        ("model", "pull"),
        ("model", "info"),
        ("config", "show"),
        ("config", "check"),
        ("service", "install"),
        ("service", "uninstall"),
        ("service", "status"),
        ("service", "logs"),
        ("jobs", "get"),
        ("jobs", "wait"),
        ("jobs", "cancel"),
        ("token", "create"),
        ("token", "list"),
        ("token", "revoke"),
        ("token", "rotate"),
    }


@pytest.mark.parametrize("path", ALL_COMMANDS, ids=" ".join)
def test_help(path: tuple[str, ...], command: Any) -> None:
    outcome = command(*path, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    for option in ("--json", "--home", "--socket", "--timeout"):
        assert option in outcome.out


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("store",),
        ("search", "x", "--bogus"),
        ("search", "x", "--mode", "magic"),
        ("search", "x", "--all-projects", "--project", "p"),
        ("search", "x", "--metadata", "[]"),
        ("context", "x", "--all-projects", "--project", "p"),
        ("store", "x", "--metadata", "{"),
        ("store", "x", "--metadata", '{"a": NaN}'),
        ("update", "id"),
        ("delete",),
        ("delete", "id", "--project", "p"),
        ("call", "system.ping", "{"),
        ("call", "system.ping", "1"),
        ("status", "--timeout", "0"),
        ("status", "--timeout", "nan"),
        ("import", "/no/such/file"),
        ("export", "-", "--json"),
        ("export", "/dev/null"),
        ("model", "pull", "no-such-model"),
        ("model", "info", "no-such-model"),
        ("eval",),
        ("eval", "/no/such/folder"),
        ("eval", "/", "--mode", "magic"),
        ("token", "create"),
        ("token", "create", "--role", "god"),
        ("token", "create", "--role", "admin", "--project", "p"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_2(arguments: tuple[str, ...], command: Any) -> None:
    outcome = command(*arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err
    outcome = command("--json", *arguments)
    assert outcome.code == 2
    assert (outcome.error["code"], outcome.error["reason"]) == (-32602, "invalid_params")


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("health",),
        ("store", "x"),
        ("search", "x"),
        ("context", "x"),
        ("query",),
        ("get", "x"),
        ("update", "x", "--text", "y"),
        ("delete", "x"),
        ("stats",),
        ("metrics",),
        ("bench",),
        ("top",),
        ("cleanup", "--dry-run"),
        ("call", "system.ping"),
        ("export", "-"),
        ("import", os.devnull),
    ],
    ids=" ".join,
)
def test_no_daemon_is_3(arguments: tuple[str, ...], command: Any) -> None:
    outcome = command(*arguments)
    assert (outcome.code, outcome.out) == (3, "")
    assert "kmctl start --detach" in outcome.err
    if arguments[0] != "export":
        outcome = command(*arguments, "--json")
        assert (outcome.code, outcome.error["reason"]) == (3, "unreachable")
        assert outcome.error["retryable"] is True


def test_commands_that_make_do_without_a_daemon(command: Any) -> None:
    assert command("stop", "--json").json == {"stopped": False, "pid": None}
    assert "No daemon is running" in command("stop").out
    assert command("version", "--json").json["daemon"] is None


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        (-32601, "method_not_found", 1),
        (-32602, "invalid_params", 2),
        (-32603, "internal", 1),
        (-32010, "not_found", 5),
        (-32011, "conflict", 6),
        (-32012, "unavailable", 75),
        (-32013, "deadline_exceeded", 75),
        (-32014, "embedding_failed", 1),
        (-32015, "store_failed", 1),
        (-32016, "unauthorized", 4),
        (-32017, "overloaded", 75),
        (-32017, "rate_limited", 75),
        (-32018, "storage_full", 1),
        (-32019, "too_large", 2),
    ],
)
def test_exit_codes_of_the_contract(code: int, reason: str, exit_code: int, command: Any) -> None:
    def script(peer: Peer) -> None:
        peer.refuse(peer.read(), code, reason, retryable=True, detail="more")

    with serving(*[script] * 4) as daemon:  # what is unavailable is tried a second time
        outcome = command("--socket", str(daemon.path), "stats")
        assert (outcome.code, outcome.out) == (exit_code, "")
        assert outcome.err == f"kmctl: refused: {reason}\n"
        outcome = command("stats", "--json", "--socket", str(daemon.path))
    assert outcome.code == exit_code
    assert outcome.error == {
        "code": code,
        "reason": reason,
        "retryable": True,
        "message": f"refused: {reason}",
        "detail": "more",
    }


def test_global_options_before_and_after_the_command(command: Any) -> None:
    status = Recorded({"system.status": STATUS})
    with serving(status, status, status) as daemon:
        socket = str(daemon.path)
        for arguments in (
            ("--json", "--socket", socket, "status"),
            ("status", "--json", "--socket", socket),
            ("--socket", "/wrong", "status", "--json", "--socket", socket, "--timeout", "5"),
        ):
            assert command(*arguments).json == STATUS


def test_the_socket_comes_from_the_home_and_its_configuration(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = Recorded({"system.status": STATUS})
    with serving(status, status, status) as daemon:
        monkeypatch.setenv("CCO_KNOWLEDGE_SOCKET", str(daemon.path))
        assert command("status", "--json").code == 0
        monkeypatch.delenv("CCO_KNOWLEDGE_SOCKET")
        home = tmp_path / "other"
        home.mkdir()
        (home / "knowledge.toml").write_text(f'[socket]\npath = "{daemon.path}"\n')
        assert command("status", "--json", "--home", str(home)).code == 0
        monkeypatch.setenv("CCO_KNOWLEDGE_SOCKET_PATH", str(daemon.path))
        assert command("status", "--json").code == 0


def test_health(command: Any) -> None:
    def knows(ready: bool) -> Recorded:
        return Recorded({"system.ping": "pong", "system.status": {**STATUS, "ready": ready}})

    with serving(knows(True), knows(False), knows(False)) as daemon:
        assert command("health", "--socket", str(daemon.path)) == Outcome(0, "ready\n", "")
        assert command("health", "--socket", str(daemon.path)) == Outcome(75, "not ready\n", "")
        outcome = command("health", "--json", "--socket", str(daemon.path))
        assert (outcome.code, outcome.json["ready"]) == (75, False)


def test_a_detached_start_finds_the_daemon_running(command: Any) -> None:
    with serving(Recorded({"system.status": STATUS})) as daemon:
        outcome = command("start", "--detach", "--json", "--socket", str(daemon.path))
    assert (outcome.code, outcome.json) == (0, {"pid": 12345, "started": False})


def test_stop_waits_until_the_process_is_gone(command: Any) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as process:
        with serving(Recorded({"system.status": {**STATUS, "pid": process.pid}})) as daemon:
            outcome = command("stop", "--json", "--socket", str(daemon.path))
        assert (outcome.code, outcome.json) == (0, {"stopped": True, "pid": process.pid})
        assert process.wait() == -signal.SIGTERM


def test_stop_gives_up_at_the_timeout(command: Any) -> None:
    program = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        with serving(Recorded({"system.status": {**STATUS, "pid": process.pid}})) as daemon:
            outcome = command("stop", "--timeout", "0.2", "--json", "--socket", str(daemon.path))
        assert process.poll() is None
    assert (outcome.code, outcome.error["reason"]) == (75, "deadline_exceeded")


def test_flags_of_the_daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from kmctl.options import Invocation

    monkeypatch.chdir(tmp_path)
    assert lifecycle.daemon_flags(Invocation(), None) == ["--home", str(tmp_path / "home")]
    monkeypatch.setenv("CCO_KNOWLEDGE_SOCKET", "relative.sock")
    assert lifecycle.daemon_flags(Invocation(home="/h"), "./m.gguf") == [
        *("--home", "/h"),
        *("--socket", str(tmp_path / "relative.sock")),
        *("--model", str(tmp_path / "m.gguf")),
    ]
    assert lifecycle.daemon_flags(Invocation(home="/h", socket="/s"), "bge-small-en-v1.5")[2:] == [
        *("--socket", "/s"),
        *("--model", "bge-small-en-v1.5"),
    ]


def test_filters_and_defaults(command: Any) -> None:
    page = {"results": [], "total": 0, "next_cursor": None}
    daemon_side = Recorded({"knowledge.search": page, "knowledge.query": page})
    with serving(*[daemon_side] * 4) as daemon:
        at = ("--socket", str(daemon.path))
        command("search", "x", *at)
        command("search", "x", "--all-projects", "--type", "issue", "--type", "pattern", *at)
        command("search", "x", "--project", "p", "--metadata", '{"a":1}', "--limit", "3", *at)
        command("query", "--agent", "a", "--session", "s", "--ascending", *at)
    assert daemon_side.params == [
        {"query": "x", "project_id": "shop"},
        {"query": "x", "type": ["issue", "pattern"]},
        {"query": "x", "project_id": "p", "metadata": {"a": 1}, "limit": 3},
        {"agent": "a", "session_id": "s", "descending": False},
    ]


def test_store_reads_standard_input(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon_side = Recorded({"knowledge.store": {"id": "new", "stored": True}})
    with serving(daemon_side, daemon_side) as daemon:
        type_in(monkeypatch, b"zwei\nZeilen\n\n")
        assert command("store", "-", "--socket", str(daemon.path)).out == "new\n"
        command("store", " x ", "--project", "p", "--id", "i", "--socket", str(daemon.path))
    assert daemon_side.params == [
        {"text": "zwei\nZeilen\n", "project_id": "shop"},
        {"text": " x ", "project_id": "p", "id": "i"},
    ]


def test_standard_input_that_is_no_utf8(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, b"caf\xe9")
    outcome = command("store", "-")
    assert (outcome.code, outcome.out) == (2, "")
    assert "UTF-8" in outcome.err


def test_an_argument_that_is_no_utf8(command: Any) -> None:
    outcome = command("store", os.fsdecode(b"caf\xe9"), "--json")
    assert (outcome.code, outcome.error["reason"]) == (2, "invalid_params")


def test_get_shows_what_it_finds_and_exits_5(command: Any) -> None:
    found = {"entries": [ENTRY], "missing": ["no"]}
    get = Recorded({"knowledge.get": found})
    with serving(get, get) as daemon:
        outcome = command("get", "decision-1-a", "no", "--json", "--socket", str(daemon.path))
        assert (outcome.code, outcome.json) == (5, found)
        assert json.loads(outcome.err)["error"]["reason"] == "not_found"
        outcome = command("get", "decision-1-a", "no", "--socket", str(daemon.path))
    assert outcome.out.splitlines() == [
        "decision-1-a  decision  shop  2026-11-22T10:30:00.123Z",
        "    We use LanceDB",
        "    for \\x1b[31mvectors",
    ]


def test_delete_sends_what_was_said_and_nothing_more(command: Any) -> None:
    delete = Recorded({"knowledge.delete": {"deleted": 2}})
    with serving(delete, delete) as daemon:
        at = ("--socket", str(daemon.path))
        assert command("delete", "a", "b", *at).out == "2 deleted\n"
        command("delete", "--type", "issue", "--expect", "2", *at)
    assert delete.params == [{"ids": ["a", "b"]}, {"type": "issue", "expect": 2}]


def test_call_prints_the_result(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    echo = Recorded({"any.method": lambda params: params})
    with serving(echo, echo, echo) as daemon:
        at = ("--socket", str(daemon.path))
        assert command("call", "any.method", *at).out == "{}\n"
        assert command("call", "any.method", '["ä"]', *at).out == '["ä"]\n'
        type_in(monkeypatch, b'{"a": 1}')
        assert command("call", "any.method", "-", *at).json == {"a": 1}


def test_config_show(command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "knowledge.toml").write_text("[limits]\ndrain_s = 5.0\n")
    monkeypatch.setenv("CCO_KNOWLEDGE_LOG_LEVEL", "debug")
    result = command("config", "show", "--json", "--socket", "/s").json
    assert (result["home"], result["socket"]) == (str(home), "/s")
    settings = {row["key"]: (row["value"], row["source"]) for row in result["settings"]}
    assert settings["limits.drain_s"] == (5.0, str(home / "knowledge.toml"))
    assert settings["log.level"] == ("debug", "environment CCO_KNOWLEDGE_LOG_LEVEL")
    assert settings["socket.path"] == ("/s", "flag")
    assert settings["model.name"][1] == "default"
    assert "limits.drain_s" in command("config", "show").out


def test_config_check(command: Any, tmp_path: Path) -> None:
    assert command("config", "check") == Outcome(0, "ok\n", "")
    assert command("config", "check", "--json").json == {"ok": True}
    home = tmp_path / "home"
    home.mkdir()
    (home / "knowledge.toml").write_text("[limits]\ndrian_s = 5.0\n")
    outcome = command("config", "check")
    assert (outcome.code, outcome.out) == (2, "")
    assert "limits.drain_s" in outcome.err
    assert command("config", "check", "--json").error["reason"] == "invalid_params"


def test_model_list_and_info(command: Any) -> None:
    models = command("model", "list", "--json").json["models"]
    assert {"all-MiniLM-L6-v2", "nomic-embed-text-v1.5"} <= {model["name"] for model in models}
    assert [model["name"] for model in models if model["default"]] == ["all-MiniLM-L6-v2"]
    assert "all-MiniLM-L6-v2" in command("model", "list").out
    info = command("model", "info", "--json").json
    assert (info["name"], info["dim"], info["present"]) == ("all-MiniLM-L6-v2", 384, False)


def test_a_file_that_is_no_model(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    file.write_text("no")
    outcome = command("model", "info", str(file), "--json")
    assert (outcome.code, outcome.error["reason"]) == (1, "start_refused")
    outcome = command("model", "pull", "--from", str(file), "--json")
    assert (outcome.code, outcome.error["reason"]) == (2, "invalid_params")


def test_it_runs_as_a_module() -> None:
    process = kmctl_process("--json", "status")
    out, err = process.communicate()
    assert (process.returncode, out) == (3, b"")
    assert json.loads(err)["error"]["reason"] == "unreachable"


def test_ctrl_c_is_130() -> None:
    has_read = threading.Event()

    def silent(peer: Peer) -> None:
        peer.read()
        has_read.set()
        peer.read()

    with serving(silent) as daemon:
        process = kmctl_process("status", "--socket", str(daemon.path))
        assert has_read.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err


def test_simple_calls_import_little() -> None:
    heavy = "rich asyncio cco_knowledge.config msgspec cco_knowledge.models numpy daemon tomllib"
    program = (
        "import sys; from kmctl.boundary import run; run(['--help']); run(['search', 'x']); "
        f"found = set('{heavy}'.split()) & set(sys.modules); assert not found, found"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, capture_output=True)
