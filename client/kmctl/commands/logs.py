"""logs: the end of the log in the home."""

import time
from collections.abc import Sequence
from pathlib import Path

import click

from cco_knowledge_client import NotFound
from kmctl.daemon_log import following, in_words, last_lines, parsed
from kmctl.options import Command, Invocation
from kmctl.output import print_json, print_line
from kmctl.reach import home_of

_POLL_S = 0.2


@click.command(cls=Command)
@click.option(
    "-n",
    "--lines",
    "n_lines",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="How many.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@click.pass_obj
def logs(invocation: Invocation, /, n_lines: int, follow: bool) -> None:
    """Show the last lines of the log that a daemon writes into its home.

    A detached daemon does, and one that launchd runs.

    With --json, a list of what the daemon wrote.
    """
    if follow and invocation.as_json:
        raise click.UsageError("--follow never ends, and --json is one value.")
    path = home_of(invocation).log
    end = _size_bytes(path)
    lines = last_lines(path, n_lines, end)
    if invocation.as_json:
        print_json([parsed(line) for line in lines])
        return
    _print_lines(lines)
    if follow:
        for line in following(path, end, lambda: time.sleep(_POLL_S)):
            _print_lines([line])


def _size_bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise NotFound(
            f"There is no log at {path}. `kmctl start --detach` and launchd let a daemon write "
            "one; that of another goes to its terminal, or to a service manager: kmctl service logs"
        ) from error


def _print_lines(lines: Sequence[str]) -> None:
    for line in lines:
        print_line(in_words(line))
