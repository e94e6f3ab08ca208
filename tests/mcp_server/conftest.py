"""Clients of the official SDK, each with a `kmctl mcp` of its own as a real process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest_asyncio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult, Implementation, TextContent

from process import Daemon, clean_environment

CLIENT_NAME = "sdk-client"
SHARED_PROJECT = "mcp-default"


def server_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kmctl", "mcp", *arguments]


def server_environment(home: Path) -> dict[str, str]:
    import_path = os.pathsep.join(filter(None, sys.path))
    return clean_environment(home) | {"PYTHONPATH": import_path, "CCO_HOME": str(home)}


@asynccontextmanager
async def connected(
    home: Path, *arguments: str, mode: str = "auto", cwd: Path | None = None
) -> AsyncIterator[Client]:
    """At the end the server must have said nothing on standard error."""
    command, *rest = server_command(*arguments)
    server = StdioServerParameters(
        command=command, args=rest, env=server_environment(home), cwd=cwd
    )
    log = home / f"mcp-{os.urandom(4).hex()}.stderr"
    with log.open("w+") as stderr:
        who = Implementation(name=CLIENT_NAME, version="1")
        async with Client(stdio_client(server, stderr), mode=mode, client_info=who) as client:
            yield client
    assert log.read_text() == ""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_client(session_daemon: Daemon) -> AsyncIterator[Client]:
    """One server for many tests: name your own `project`."""
    ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    finished = asyncio.Event()

    async def hold() -> None:
        # In one task from beginning to end, as the SDK's cancel scopes ask for.
        async with connected(session_daemon.home, "--project", SHARED_PROJECT) as client:
            ready.set_result(client)
            await finished.wait()

    holding = asyncio.create_task(hold())
    waited_for: list[asyncio.Future[Any]] = [holding, ready]
    await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
    if holding.done():
        holding.result()
    yield ready.result()
    finished.set()
    await holding


async def called(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    """The SDK checks what comes against the tool's output schema."""
    return await client.call_tool(tool, arguments)


async def given(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured content of a call that goes well."""
    result = await called(client, tool, **arguments)
    assert not result.is_error, result
    return result.structured_content


def words(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def refused(client: Client, tool: str, arguments: Mapping[str, Any]) -> str:
    result = await called(client, tool, **arguments)
    assert result.is_error, result
    assert result.structured_content is None
    return words(result)
