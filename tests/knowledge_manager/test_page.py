"""docs/knowledge-manager.md: its commands run, and its table names every command."""

import re
import shlex
from pathlib import Path

from kmctl.knowledge_manager.commands import COMMANDS
from manager_command import COMMAND, Manager

PAGE = (Path(__file__).parents[2] / "docs" / "knowledge-manager.md").read_text("utf-8")


def test_the_commands_of_the_page_run(manager: Manager) -> None:
    (example,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line.removeprefix("$"), comments=True) for line in example.splitlines()]
    assert {words[0] for words in lines} == {"knowledge-manager"}
    outcomes = [manager.run([*COMMAND, *words[1:]]) for words in lines]
    assert [(outcome.code, outcome.err) for outcome in outcomes] == [(0, "")] * len(lines)
    assert any('"text": "We use LanceDB for vectors"' in outcome.out for outcome in outcomes)


def test_every_command_has_its_row() -> None:
    rows = re.findall(r"^\| `(\w+)", PAGE, re.MULTILINE)
    assert rows == list(COMMANDS)
