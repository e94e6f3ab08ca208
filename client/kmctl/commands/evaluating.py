"""eval: how well searches find what labelled sets say that they should."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cco_knowledge_client import KnowledgeClient
from kmctl.options import Command, Invocation
from kmctl.output import print_line, print_table, progress, show
from kmctl.reach import BULK_LIMIT_S, load_settings

if TYPE_CHECKING:
    from kmctl.labelled_set import LabelledSet

_START_LIMIT_S = 120.0
_MODES = ("hybrid", "vector", "text")
_TITLES = (
    *("Class", "Mode", "nDCG@10", "Recall@5", "Recall@10", "MRR"),
    *("Missed", "Declined", "p50 ms", "p95 ms"),
)
_ALL = "(all)"


@click.command("eval", cls=Command)
@click.argument(
    "folders",
    metavar="FOLDER...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--mode",
    "modes",
    multiple=True,
    type=click.Choice(_MODES),
    help="How to look; default: each of these.",
)
@click.pass_obj
def eval_(invocation: Invocation, /, folders: tuple[Path, ...], modes: tuple[str, ...]) -> None:
    """Measure how well searches find what they should.

    Each FOLDER is a labelled set. corpus.jsonl: entries, each with an id. queries.jsonl: each
    with an id and a text, perhaps a class, and filters. qrels.tsv: query, entry and grade, with
    tabs between; every grade above 0 counts the same, and a query without a line has no answer.

    The set runs in a daemon of its own with the configured settings and model, in a temporary
    folder. Your store is neither read nor changed.

    Missed: the share of the queries with an answer of which a search says that nothing stored
    answers them. Declined: the same share of the queries without an answer. Times are what a
    caller waits.
    """
    sets = _read(folders)
    result = {
        name: _evaluate(invocation, labelled, tuple(dict.fromkeys(modes)) or _MODES)
        for name, labelled in sets.items()
    }
    show(invocation, {"sets": result}, _print_sets)


def _read(folders: Sequence[Path]) -> "dict[str, LabelledSet]":
    from kmctl.labelled_set import LabelledSet

    sets: dict[str, LabelledSet] = {}
    for labelled in map(LabelledSet.read, folders):
        if labelled.name in sets:
            raise click.UsageError(f"Two of the folders are called {labelled.name}.")
        sets[labelled.name] = labelled
    return sets


def _evaluate(
    invocation: Invocation, labelled: "LabelledSet", modes: Sequence[str]
) -> dict[str, Any]:
    from kmctl.evaluation import evaluate, private_daemon

    start_limit_s = invocation.timeout_s or _START_LIMIT_S
    call_limit_s = invocation.timeout_s or BULK_LIMIT_S
    with (
        private_daemon(load_settings(invocation), start_limit_s) as socket,
        KnowledgeClient(socket, timeout_s=call_limit_s) as knowledge,
        progress(labelled.name) as draw,
    ):
        return evaluate(labelled, modes, knowledge, draw)


def _print_sets(result: Any) -> None:
    for number, (name, facts) in enumerate(result["sets"].items()):
        if number:
            print_line("")
        print_line(f"{name}: {facts['entries']} entries, {facts['queries']} queries")
        print_table(_TITLES, _rows(facts["modes"]))


def _rows(modes: Mapping[str, Any]) -> list[list[object]]:
    kinds = next(iter(modes.values()))["classes"]
    return [
        [_ALL if kind is None else kind, mode, *_in_short(figures, kind)]
        for kind in (None, *kinds)
        for mode, figures in modes.items()
    ]


def _in_short(figures: Mapping[str, Any], kind: str | None) -> list[str | None]:
    chosen = figures if kind is None else figures["classes"][kind]
    return [
        None if value is None else f"{value:.1f}" if name.endswith("_ms") else f"{value:.3f}"
        for name, value in chosen.items()
        if name != "classes"
    ]
