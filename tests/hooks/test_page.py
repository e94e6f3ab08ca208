"""docs/claude-code.md says what the hooks do."""

import re
import shlex
import sys
from pathlib import Path

from claude_code import Claude
from kmctl.hook_settings import EVENTS
from process import Daemon

PAGE = (Path(__file__).parents[2] / "docs" / "claude-code.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    claude = Claude(tmp_path, "shop")
    claude.settings.parent.mkdir()
    claude.settings.write_text('{"model":"opus"}')
    (example,) = blocks("console")
    words = [shlex.split(line.removeprefix("$"), comments=True) for line in example.splitlines()]
    assert [command[0] for command in words] == [".venv/bin/kmctl"] * len(words)
    install, show, uninstall = (claude.kmctl(*command[1:]) for command in words)
    assert (install.code, show.code, uninstall.code) == (0, 0, 0)
    assert all(event in show.out for event in EVENTS)
    assert claude.settings.read_text() == '{"model":"opus"}'


def test_the_trial_of_the_page_says_what_is_lacking(tmp_path: Path, shared_daemon: Daemon) -> None:
    claude = Claude(tmp_path, "shop")
    (trial,) = (block for block in blocks("sh") if "--verbose" in block)
    trial = trial.replace(".venv/bin/python", shlex.quote(sys.executable))
    assert "Unreachable" in claude.run(trial, b"").err
    claude.environment = {"CCO_HOME": str(shared_daemon.home)}
    assert claude.run(trial, b"").err == ""


def test_each_event_is_documented() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(EVENTS)
