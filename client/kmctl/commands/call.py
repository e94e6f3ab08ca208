"""call: any method by its name."""

from typing import Any

import click

from kmctl.options import JSON_VALUE, Command, Invocation, read_stdin
from kmctl.output import print_json
from kmctl.reach import BULK_LIMIT_S, connect


@click.command(cls=Command)
@click.argument("method")
@click.argument("params", metavar="[JSON]", required=False)
@click.pass_obj
def call(invocation: Invocation, /, method: str, params: str | None) -> None:
    """Call any method of the daemon.

    The params are a JSON object or list; "-" reads them from standard input.
    """
    with connect(invocation, BULK_LIMIT_S) as knowledge:
        print_json(knowledge.call(method, _parse(read_stdin() if params == "-" else params)))


def _parse(text: str | None) -> dict[str, Any] | list[Any] | None:
    if text is None:
        return None
    value = JSON_VALUE.convert(text, None, None)
    if not isinstance(value, dict | list):
        raise click.UsageError("The params are a JSON object or list.")
    return value
