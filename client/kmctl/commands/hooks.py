"""hooks: what Claude Code runs at the beginning and end of what is said."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from kmctl.hook_settings import EVENTS, hooks_for, interpreter_of
from kmctl.options import Group, Invocation
from kmctl.output import print_line, print_table, show
from kmctl.settings_file import SettingsFile

_SETTINGS = click.option(
    "--settings",
    "settings_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Claude Code's settings; default ~/.claude/settings.json.",
)


@click.group(cls=Group)
def hooks() -> None:
    """Let Claude Code remember: its hooks, into its settings and out again."""


@hooks.command()
@_SETTINGS
@click.pass_obj
def install(invocation: Invocation, /, settings_path: Path | None) -> None:
    """Add hooks for the start of a session, before a compaction, and after each turn.

    All else in the settings stays as it is. What they were is kept beside them, in
    settings.json.before-cco-knowledge, until "kmctl hooks uninstall". --home and --socket, if
    given, are those that the hooks use.
    """
    file = _file(settings_path)
    changed = file.install(hooks_for(sys.executable, _given(invocation)))
    result = {**_facts(file), "changed": changed}
    done = "Hooks are in" if changed else "Nothing to do: hooks are already in"
    show(invocation, result, lambda _: print_line(f"{done} {file.path}."))


@hooks.command()
@_SETTINGS
@click.pass_obj
def uninstall(invocation: Invocation, /, settings_path: Path | None) -> None:
    """Take the hooks out of Claude Code's settings.

    Settings that nobody has changed since become byte for byte what they were; otherwise only
    the hooks are taken out.
    """
    file = _file(settings_path)
    changed = file.uninstall()
    result = {**_facts(file), "changed": changed}
    done = "Hooks are out of" if changed else "Nothing to do: no hooks of kmctl are in"
    show(invocation, result, lambda _: print_line(f"{done} {file.path}."))


@hooks.command("show")
@_SETTINGS
@click.pass_obj
def show_hooks(invocation: Invocation, /, settings_path: Path | None) -> None:
    """Show which hooks are installed, and whether their interpreter is still there."""
    show(invocation, _facts(_file(settings_path)), _print_hooks)


def _file(settings_path: Path | None) -> SettingsFile:
    path = settings_path or Path.home() / ".claude" / "settings.json"
    return SettingsFile(path.absolute())


def _given(invocation: Invocation) -> list[str]:
    options = {"--home": invocation.home, "--socket": invocation.socket}
    return [word for name, value in options.items() if value for word in (name, value)]


def _facts(file: SettingsFile) -> dict[str, Any]:
    found = file.hooks()
    return {
        "settings": str(file.path),
        "backup": str(file.backup) if file.backup.exists() else None,
        "hooks": [_row(event, found) for event in EVENTS],
    }


def _row(event: str, found: Any) -> dict[str, Any]:
    hook = found.get(event)
    return {
        "event": event,
        "installed": hook is not None,
        "command": hook and hook["command"],
        "runnable": hook is not None and os.access(interpreter_of(hook), os.X_OK),
    }


def _print_hooks(facts: Any) -> None:
    print_line(facts["settings"])
    rows = [(row["event"], _state(row), row["command"]) for row in facts["hooks"]]
    print_table(("Event", "State", "Command"), rows)


def _state(row: Any) -> str:
    if not row["installed"]:
        return "not installed"
    return "installed" if row["runnable"] else "its interpreter is gone"
