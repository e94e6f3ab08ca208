"""The manual pages. `scripts/manual.py FOLDER`, run by the .venv's Python, writes them there.

They are made from the code wherever a package is built, and kept nowhere, so none goes stale.
kmctl has one page for all of its commands, as systemctl has. Source of the macros: man(7).
"""

import argparse
import inspect
import json
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from cco_knowledge import __main__ as cco_knowledged
from cco_knowledge import __version__
from kmctl.app import kmctl
from kmctl.knowledge_manager import commands as knowledge_manager
from reflection import leaves, settings

_ESCAPES = str.maketrans(
    {
        "\\": r"\e",
        "-": r"\-",
        "'": r"\(aq",
        '"': r"\(dq",
        "`": r"\(ga",
        "^": r"\(ha",
        "~": r"\(ti",
    }
)
"""Without them a reader who copies an option would get a hyphen, and typographic quotes."""
_LINE_CHARACTERS = 70
_FILES = (
    ("~/.cco", "The home of the daemon, unless $CCO_HOME or --home name another."),
    ("~/.cco/knowledge.sock", "Its socket."),
    ("~/.cco/knowledge.toml", "Its settings, if you write them: knowledge.toml(5)."),
    ("~/.cco/knowledge/", "What is stored."),
    ("~/.cco/credential.key", "What opens sealed credentials. No backup holds it."),
)


def main() -> None:
    folder = Path(sys.argv[1])
    for name, text in pages().items():
        (folder / name).write_text(text, "utf-8")


def pages() -> dict[str, str]:
    return {
        "kmctl.1": kmctl_page(),
        "cco-knowledged.1": daemon_page(),
        "knowledge-manager.1": knowledge_manager_page(),
        "knowledge.toml.5": settings_page(),
    }


def kmctl_page() -> str:
    context = click.Context(kmctl, info_name="kmctl", **kmctl.context_settings)
    commands = list(leaves(context))
    common = [option for option in commands[0].command.params if not option.expose_value]
    options = definitions(help_records(commands[0], common))
    return page(
        "kmctl(1)",
        kmctl.get_short_help_str(200),
        section("SYNOPSIS", ".B kmctl", roff("COMMAND [OPTIONS] [ARGUMENTS]")),
        section("DESCRIPTION", *paragraphs(kmctl.help or "")),
        section("OPTIONS", roff("Every command takes these, and those of its own:"), *options),
        section("COMMANDS", *(line for each in commands for line in command_part(each))),
        section("FILES", *definitions(_FILES)),
        see_also("cco-knowledged(1)", "knowledge-manager(1)", "knowledge.toml(5)"),
    )


def command_part(context: click.Context) -> Iterator[str]:
    command = context.command
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f".SS {roff(f'{context.command_path} {pieces}')}"
    yield from paragraphs(command.help or "")
    own = [param for param in command.params if param.expose_value]
    yield from definitions(help_records(context, own))


def help_records(
    context: click.Context, params: Iterable[click.Parameter]
) -> Iterator[tuple[str, str]]:
    """Of arguments there is nothing to say that the usage has not said."""
    found = (param.get_help_record(context) for param in params)
    return (record for record in found if record is not None and record[1])


def daemon_page() -> str:
    parser = cco_knowledged.argument_parser()
    actions = parser._actions  # noqa: SLF001  # argparse has no public list of them
    shown = [action for action in actions if action.help != argparse.SUPPRESS]
    records = [(option_names(action), action.help or "") for action in shown]
    return page(
        "cco-knowledged(1)",
        "the knowledge daemon",
        section("SYNOPSIS", ".B cco\\-knowledged", roff("[OPTIONS]")),
        section("DESCRIPTION", *paragraphs(parser.description or "")),
        section("OPTIONS", *definitions(records)),
        section("FILES", *definitions(_FILES)),
        see_also("kmctl(1)", "knowledge.toml(5)"),
    )


def option_names(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
    return f"{', '.join(action.option_strings)}{value}"


def knowledge_manager_page() -> str:
    return page(
        "knowledge-manager(1)",
        "the command of the old Node.js tool, answered by the daemon",
        section("SYNOPSIS", ".B knowledge\\-manager", roff("COMMAND [ARGUMENTS] [OPTIONS]")),
        section("DESCRIPTION", *verbatim(knowledge_manager.USAGE.strip().splitlines())),
        see_also("kmctl(1)"),
    )


def settings_page() -> str:
    intro = """\
    Settings come from, in this order: flags, the environment, this file in the home of the daemon,
    defaults. A key that does not exist is an error. Every key is also a flag of the daemon, as in
    --set limits.drain_s=5, and a variable of the environment, as in
    CCO_KNOWLEDGE_LIMITS_DRAIN_S=5. The part of a key before its dot names the table in this file.
    """
    records = [
        (f"{each.key} = {json.dumps(each.default)}", f"{each.meaning} ({each.type})")
        for each in settings()
    ]
    example = ["[knowledge]", 'extra_types = ["bug", "runbook"]']
    return page(
        "knowledge.toml(5)",
        "settings of the knowledge daemon",
        section("DESCRIPTION", *paragraphs(intro)),
        section("EXAMPLE", *verbatim(example)),
        section("SETTINGS", roff("With their defaults:"), *definitions(records)),
        see_also("cco-knowledged(1)", "kmctl(1)"),
    )


# man(7)


def page(title: str, what: str, *sections: str) -> str:
    name, _, number = title.removesuffix(")").partition("(")
    built_s = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    day = time.strftime("%Y-%m-%d", time.gmtime(built_s))
    manual = "User Commands" if number == "1" else "File Formats"
    what = what.rstrip(".")
    head = f'.TH {roff(name.upper())} {number} {day} "CCO Knowledge {__version__}" "{manual}"'
    return "\n".join([head, section("NAME", rf"{roff(name)} \- {roff(what)}"), *sections, ""])


def section(title: str, *lines: str) -> str:
    return "\n".join([f".SH {title}", *lines])


def see_also(*titles: str) -> str:
    named = [title.removesuffix(")").partition("(") for title in titles]
    lines = [f".BR {roff(name)} ({number})" for name, _, number in named]
    return section("SEE ALSO", *(f"{line} ," for line in lines[:-1]), lines[-1])


def paragraphs(text: str) -> Iterator[str]:
    for index, paragraph in enumerate(inspect.cleandoc(text).split("\n\n")):
        if index:
            yield ".PP"
        yield from prose(paragraph)


def definitions(records: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in records:
        yield ".TP"
        yield f".B {roff(term)}"
        yield from prose(meaning)


def prose(text: str) -> Iterator[str]:
    yield from map(roff, textwrap.wrap(text, _LINE_CHARACTERS, break_on_hyphens=False))


def verbatim(lines: Iterable[str]) -> Iterator[str]:
    yield from (".nf", *map(roff, lines), ".fi")


def roff(line: str) -> str:
    """Text as it is, none of it a request."""
    escaped = line.translate(_ESCAPES)
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


if __name__ == "__main__":
    main()
