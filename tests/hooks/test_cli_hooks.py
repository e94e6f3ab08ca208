"""kmctl hooks install, show and uninstall."""

import sys
from pathlib import Path

import pytest

from claude_code import Claude

EVENTS = ["SessionStart", "PreCompact", "Stop"]


@pytest.fixture
def claude(tmp_path: Path) -> Claude:
    return Claude(tmp_path, "shop")


def test_install_show_uninstall(claude: Claude) -> None:
    shown = claude.kmctl("hooks", "show", "--json").json
    assert (shown["settings"], shown["backup"]) == (str(claude.settings), None)
    assert [hook["event"] for hook in shown["hooks"] if not hook["installed"]] == EVENTS

    claude.settings.parent.mkdir()
    claude.settings.write_text('{"model": "opus"}')
    first = claude.kmctl("hooks", "install", "--json").json
    assert first["changed"]
    assert first["backup"] == f"{claude.settings}.before-cco-knowledge"
    assert not claude.kmctl("hooks", "install", "--json").json["changed"]
    assert "already" in claude.kmctl("hooks", "install").out

    shown = claude.kmctl("hooks", "show", "--json").json
    assert [hook["event"] for hook in shown["hooks"] if hook["runnable"]] == EVENTS
    assert shown["hooks"][0]["command"] == f"{sys.executable} -P -m kmctl.hook session-start"
    lines = claude.kmctl("hooks", "show").out.splitlines()
    assert lines[0] == str(claude.settings)
    assert [line.split()[:2] for line in lines[2:]] == [[event, "installed"] for event in EVENTS]

    removed = claude.kmctl("hooks", "uninstall", "--json").json
    assert (removed["changed"], removed["backup"]) == (True, None)
    assert claude.settings.read_text() == '{"model": "opus"}'
    assert list(claude.settings.parent.iterdir()) == [claude.settings]
    assert "Nothing to do" in claude.kmctl("hooks", "uninstall").out


def test_the_settings_of_a_project_and_a_daemon_elsewhere(claude: Claude) -> None:
    settings = claude.folder / ".claude" / "settings.json"
    outcome = claude.kmctl(
        *("hooks", "install", "--settings", "src/shop/.claude/settings.json"),
        *("--home", "/srv/it's a home", "--json"),
    )
    assert outcome.json["settings"] == str(settings)
    command = outcome.json["hooks"][2]["command"]
    assert command.endswith(""" -m kmctl.hook stop --home '/srv/it'"'"'s a home'""")
    assert not claude.settings.exists()
    claude.kmctl("hooks", "uninstall", "--settings", str(settings))
    assert list(claude.folder.iterdir()) == []


def test_a_vanished_interpreter_is_shown_and_replaced(claude: Claude) -> None:
    claude.kmctl("hooks", "install")
    text = claude.settings.read_text()
    claude.settings.write_text(text.replace(sys.executable, "/gone/python"))
    assert "its interpreter is gone" in claude.kmctl("hooks", "show").out
    claude.kmctl("hooks", "install")
    assert claude.settings.read_text() == text


def test_settings_that_are_no_json_are_refused(claude: Claude) -> None:
    claude.settings.parent.mkdir()
    claude.settings.write_text("{oops")
    for action in ("install", "show", "uninstall"):
        outcome = claude.kmctl("hooks", action, "--json")
        assert (outcome.code, outcome.error["reason"]) == (2, "invalid_params")
        assert str(claude.settings) in outcome.error["message"]
    assert claude.settings.read_text() == "{oops"


def test_a_folder_that_cannot_be_made_is_an_error(claude: Claude) -> None:
    outcome = claude.kmctl("hooks", "install", "--settings", "no/such/settings.json")
    assert (outcome.code, outcome.out) == (1, "")
    assert "no/such" in outcome.err
