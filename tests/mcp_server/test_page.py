"""docs/mcp.md says what the server does, and its examples are right."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from kmctl.commands.mcp import mcp
from kmctl.mcp_server.resources import TEMPLATE
from kmctl.mcp_server.tools import TOOLS, Tool

PAGE = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def rows(titles: str) -> list[list[str]]:
    lines = PAGE.partition(f"{titles}\n")[2].partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def argument_in_words(tool: Tool, name: str) -> str:
    schema = tool.takes["properties"][name]
    default = f"={json.dumps(schema['default'])}" if "default" in schema else ""
    return f"`{name}{'*' if name in tool.takes['required'] else default}`"


def test_the_table_of_tools_is_what_the_server_offers() -> None:
    same_as_store = "as of `store`"
    documented = rows("| tool | arguments | what comes back |")
    assert [name for name, _, _ in documented] == [f"`{tool.name}`" for tool in TOOLS]
    for tool, (_, arguments, result) in zip(TOOLS, documented, strict=True):
        names = tool.takes["properties"]
        assert arguments == ", ".join(argument_in_words(tool, name) for name in names)
        if result == same_as_store:
            assert tool.gives == TOOLS[0].gives
        else:
            assert result == ", ".join(f"`{name}`" for name in tool.gives["properties"])
    assert f"`{TEMPLATE}`" in PAGE


def test_the_table_of_options_is_complete() -> None:
    documented = {option for cell, _ in rows("| option | meaning |") for option in cell.split(", ")}
    options = {name for option in mcp.params for name in option.opts} - {"--json"}
    assert documented == {f"`{name}`" for name in options}


@pytest.mark.parametrize("example", blocks("json"))
def test_an_example_of_a_configuration_starts_the_server(example: str) -> None:
    configuration: dict[str, Any] = json.loads(example)
    (servers,) = configuration.values()
    (server,) = servers.values()
    assert Path(server["command"]).name == "kmctl"
    assert server.keys() <= {"type", "command", "args", "env"}
    assert_starts_the_server(server["args"])


def test_the_command_for_claude_code_starts_the_server() -> None:
    (line,) = [line for line in "".join(blocks("sh")).splitlines() if line.startswith("claude ")]
    _, _, command = line.partition(" -- ")
    name, *arguments = shlex.split(command)
    assert name == "kmctl"
    assert_starts_the_server(arguments)


def assert_starts_the_server(arguments: list[str]) -> None:
    command, *options = arguments
    assert command == mcp.name
    mcp.make_context("mcp", options)
