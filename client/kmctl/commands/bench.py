"""bench: how quick the daemon is that runs."""

from typing import Any

import click

from kmctl.options import Command, Invocation
from kmctl.output import print_line, print_table, show, warn
from kmctl.reach import BULK_LIMIT_S, connect, socket_path

_TITLES = ("Call", "Calls", "p50 ms", "p95 ms", "p99 ms", "per second")


@click.command(cls=Command)
@click.option(
    "--entries",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="Single stores, as many calls of each other kind, and one batch of so many.",
)
@click.option(
    "--clients",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="At once, in the second half.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1, max=3_600),
    default=5.0,
    show_default=True,
    help="How long these call.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of all texts.")
@click.pass_obj
def bench(invocation: Invocation, /, entries: int, clients: int, seconds: float, seed: int) -> int:
    """Measure how quick the daemon is that runs.

    First one caller makes each kind of call in turn, then several search and store at once. What
    it stores, entries of 30 words in the project kmctl-bench, is deleted at the end, after Ctrl-C
    too; until then others' searches may find it. Exit 1 where calls of those several failed.
    """
    from kmctl.benchmark import PROJECT, Benchmark

    if not invocation.as_json:
        warn(
            f"Calls the daemon at {socket_path(invocation)} for about {seconds:g} s and some more, "
            f"and stores at least {2 * entries} entries in the project {PROJECT}; all of them are "
            "deleted again."
        )
    done = Benchmark(
        lambda: connect(invocation, BULK_LIMIT_S), entries, clients, seconds, seed
    ).run()
    show(invocation, done, _print)
    return 1 if done["failed"] else 0


def _print(done: Any) -> None:
    print_table(_TITLES, [_row(name, figures) for name, figures in done["operations"].items()])
    print_line(f"mixed: {done['clients']} clients, 70% search, 30% store")
    if done["failed"]:
        print_line(f"{done['failed']} of their calls failed")
    print_line(f"{done['deleted']} entries stored and deleted again")


def _row(name: str, figures: Any) -> list[object]:
    times = (figures[key] for key in ("p50_ms", "p95_ms", "p99_ms"))
    in_words = ["-" if ms is None else f"{ms:.2f}" for ms in times]
    return [name, figures["calls"], *in_words, figures["per_s"]]
