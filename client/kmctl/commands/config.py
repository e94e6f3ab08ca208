"""config: the settings in force, and who set them."""

from typing import Any

import click

from kmctl.options import Group, Invocation
from kmctl.output import print_line, print_table, show
from kmctl.reach import load_settings


@click.group(cls=Group)
def config() -> None:
    """Show and check the daemon's settings."""


@config.command("show")
@click.pass_obj
def show_config(invocation: Invocation, /) -> None:
    """Show each setting with its value and where that comes from."""
    loaded = load_settings(invocation)
    facts = {
        "home": str(loaded.home.path),
        "socket": str(loaded.socket_path),
        "settings": [
            {"key": setting.key, "value": setting.value, "source": setting.source}
            for setting in loaded.settings
        ],
    }
    show(invocation, facts, _print_settings)


@config.command()
@click.pass_obj
def check(invocation: Invocation, /) -> None:
    """Say whether the daemon would accept its settings; exit 2 if not."""
    load_settings(invocation)
    show(invocation, {"ok": True}, lambda _: print_line("ok"))


def _print_settings(facts: Any) -> None:
    rows = [(row["key"], row["value"], row["source"]) for row in facts["settings"]]
    print_table(("Setting", "Value", "Source"), rows)
