"""stats, cleanup: what is stored altogether, and making it less."""

from typing import Any

import click

from kmctl.options import Command, Invocation, given
from kmctl.output import print_facts, print_line, show
from kmctl.reach import BULK_LIMIT_S, ask


@click.command(cls=Command)
@click.option("--project", "project_id", help="Of this project; default: of all.")
@click.pass_obj
def stats(invocation: Invocation, /, **options: Any) -> None:
    """Count what is stored."""
    show(invocation, ask(invocation, "knowledge.stats", given(options)), print_facts)


@click.command(cls=Command)
@click.option("--older-than-days", type=int, help="Default: 90.")
@click.option("--project", "project_id", help="Of this project; default: of all.")
@click.option("--type", "type", help="Of this type; default: of all.")
@click.option("--dry-run", is_flag=True, default=None, help="Only show what would be deleted.")
@click.pass_obj
def cleanup(invocation: Invocation, /, **options: Any) -> None:
    """Delete old entries.

    Of all projects, unless --project is given.
    """
    params = given(options)
    result = ask(invocation, "knowledge.cleanup", params, BULK_LIMIT_S)
    show(invocation, result, lambda _: _print_cleaned(result, "dry_run" in params))


def _print_cleaned(result: Any, dry_run: bool) -> None:
    for entry_id in result["ids"]:
        print_line(entry_id)
    click.echo(f"{result['count']} {'would be deleted' if dry_run else 'deleted'}", err=True)
