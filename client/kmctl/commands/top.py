"""top: what the daemon does, as it does it."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from typing import Any

import click

from kmctl.options import Command, Invocation
from kmctl.output import print_json, print_line
from kmctl.top.layout import lines_of, plain
from kmctl.top.reading import Seen
from kmctl.top.source import Source

_WIDTH_IN_A_FILE = 100


@click.command(cls=Command)
@click.option(
    "--interval",
    "interval_s",
    type=click.FloatRange(min=0.1, max=3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Look every so many seconds.",
)
@click.option(
    "-n",
    "--count",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="Print so many snapshots as plain lines, and end.",
)
@click.option("--once", is_flag=True, help="As --count 1; what is done without a terminal.")
@click.pass_obj
def top(invocation: Invocation, /, interval_s: float, count: int | None, once: bool) -> None:
    """Show what the daemon does, as it does it.

    Calls, latencies, the model, the table and the process, on a screen that q or Ctrl-C ends. It
    waits for a daemon that is not there. In a pipe, or with --json, one snapshot of what happened
    within one interval; exit 3 where no daemon answers.
    """
    if once and count is not None:
        raise click.UsageError("--once and --count exclude each other.")
    if invocation.as_json and count is not None:
        raise click.UsageError("--json is one value: without --count.")
    with closing(Source(invocation)) as source:
        if invocation.as_json:
            print_json(_as_json(source.look_over(interval_s)))
        elif once or count is not None or not _is_on_a_screen():
            _print_snapshots(source.look_over(interval_s) for _ in range(count or 1))
        else:
            from kmctl.top import screen

            screen.show(source, interval_s)


def _is_on_a_screen() -> bool:
    from kmctl.top import screen

    return screen.can_show()


def _print_snapshots(snapshots: Iterator[Seen]) -> None:
    width = shutil.get_terminal_size((_WIDTH_IN_A_FILE, 0)).columns
    for number, seen in enumerate(snapshots):
        if number:
            print_line("")
        for line in plain(lines_of(seen, width)).split("\n"):
            print_line(line)


def _as_json(seen: Seen) -> dict[str, Any]:
    at = seen.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"at": at, "pid": seen.pid, **asdict(seen.reading)}
