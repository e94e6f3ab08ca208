"""`kmctl mcp` as a process: its streams, its end, and a daemon that comes and goes."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError

from conftest import StartDaemon
from process import Daemon

from .conftest import (
    called,
    connected,
    given,
    refused,
    server_command,
    server_environment,
    words,
)

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}
LIMIT_S = 30.0


class Peer:
    """The bare protocol, a line a message."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.stdin, self.stdout, self.stderr = process.stdin, process.stdout, process.stderr
        self._id = 0

    def send(self, method: str, params: object = None) -> None:
        assert self.stdin is not None
        self._id += 1
        message = {"jsonrpc": "2.0", "id": self._id, "method": method, "params": params or {}}
        self.stdin.write(json.dumps(message).encode() + b"\n")
        self.stdin.flush()

    def ask(self, method: str, params: object = None) -> Any:
        assert self.stdout is not None
        self.send(method, params)
        answer = json.loads(self.stdout.readline())
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", self._id)
        return answer

    def end(self) -> tuple[int, bytes, bytes]:
        """Hang up; the exit code, and what was still written on either stream."""
        out, err = self.process.communicate(timeout=LIMIT_S)
        return self.process.returncode, out, err


@contextmanager
def started(home: Path) -> Iterator[Peer]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        server_command(), env=server_environment(home), stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        peer = Peer(process)
        peer.ask("initialize", INITIALIZE)
        yield peer
    finally:
        process.kill()
        process.communicate()


def test_stdout_holds_the_protocol_only_and_the_end_of_stdin_ends_it(
    shared_daemon: Daemon, project: str
) -> None:
    with started(shared_daemon.home) as peer:
        arguments = {"text": "Line one.\nLine two.\u2028", "project_id": project}
        store = {"name": "store", "arguments": arguments}
        assert peer.ask("tools/call", store)["result"]["structuredContent"]["stored"] is True
        search = {"name": "search", "arguments": {"query": "line", "limit": 0}}
        assert peer.ask("tools/call", search)["result"]["isError"] is True
        assert peer.ask("no/such/method")["error"]["code"] == -32601
        assert peer.end() == (0, b"", b"")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(shared_daemon: Daemon, number: signal.Signals) -> None:
    with started(shared_daemon.home) as peer:
        peer.process.send_signal(number)
        assert peer.process.wait(LIMIT_S) == -number
        assert peer.end() == (-number, b"", b"")


def test_a_client_that_is_gone_is_no_failure(shared_daemon: Daemon) -> None:
    with started(shared_daemon.home) as peer:
        assert peer.stdout is not None
        peer.stdout.close()
        peer.send("tools/list")
        assert peer.end() == (0, b"", b"")


async def test_it_waits_for_a_daemon_and_finds_it_again(
    home: Path, start_daemon: StartDaemon
) -> None:
    async with connected(home, "--project", "shop", mode="legacy") as client:
        away = await refused(client, "search", {"query": "caches"})
        assert away.startswith(f"No daemon answers at {home / 'knowledge.sock'}")
        assert "kmctl start --detach" in away
        assert "(reason: unreachable; trying again may help)" in away
        with pytest.raises(MCPError, match="No daemon answers") as caught:
            await client.list_resources()
        assert caught.value.data == {"reason": "unreachable", "retryable": True}
        first = start_daemon()
        stored = await given(client, "store", text="Caches are filled at night.")
        first.stop()
        assert "unreachable" in await refused(client, "get", {"ids": [stored["id"]]})
        start_daemon()
        assert (await given(client, "get", ids=[stored["id"]]))["missing"] == []


async def test_a_server_that_only_reads_offers_nothing_that_stores(
    shared_daemon: Daemon, project: str
) -> None:
    arguments = ("--read-only", "--project", project)
    async with connected(shared_daemon.home, *arguments, mode="legacy") as client:
        offered = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
        assert list(offered) == ["search", "context", "query", "get", "stats"]
        assert all(hints and hints.read_only_hint for hints in offered.values())
        assert client.instructions is not None
        assert "call store" not in client.instructions
        with pytest.raises(MCPError, match="no tool 'store'"):
            await called(client, "store", text="Nobody keeps this.")
        assert (await given(client, "stats"))["total_records"] == 0


async def test_two_servers_share_what_is_stored_in_the_project_of_their_folder(
    shared_daemon: Daemon, tmp_path: Path
) -> None:
    folder = tmp_path / "garden"
    folder.mkdir()
    home = shared_daemon.home
    async with (
        connected(home, cwd=folder) as one,
        connected(home, "--project", "garden", cwd=tmp_path) as other,
    ):
        await given(one, "store", text="Tomatoes are watered in the morning.", agent="gardener")
        found = await called(other, "search", query="when to water tomatoes")
        assert "project garden, agent gardener" in words(found)


def test_without_the_sdk_it_says_how_to_install_it(home: Path) -> None:
    script = (
        "import sys; sys.modules['mcp'] = sys.modules['mcp_types'] = None; "
        "from kmctl.boundary import run; sys.exit(run(['mcp']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env=server_environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == (
        "kmctl: The MCP SDK is not installed. Install it with: pip install 'cco-knowledge[mcp]'\n"
    )
