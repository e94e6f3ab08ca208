"""search, context, query: entries by meaning or by their fields."""

from typing import Any

import click

from cco_knowledge_client import project_of
from kmctl.options import Command, Invocation, filter_options, given, text_or_stdin
from kmctl.output import print_entries, print_line, show
from kmctl.reach import ask


@click.command(cls=Command)
@click.argument("query")
@filter_options
@click.option("--all-projects", is_flag=True, help="Look into all, not only the current one.")
@click.option("--limit", type=int, help="At most so many; default 10.")
@click.option("--threshold", type=float, help="The least cosine similarity, 0 to 1.")
@click.option(
    "--mode",
    type=click.Choice(["hybrid", "vector", "text"]),
    help="By meaning and by words (hybrid, the default), or by one of them.",
)
@click.option("--explain", is_flag=True, default=None, help="Say why each is where it is.")
@click.pass_obj
def search(invocation: Invocation, /, all_projects: bool, **options: Any) -> None:
    """Find what answers QUERY, best first.

    Looks into the current project ($CCO_PROJECT, else the git repository or folder you are in),
    unless --project or --all-projects is given. Of a long text you see the passage that matches;
    "kmctl get" shows the whole.
    """
    params = _in_project(given(options), all_projects)
    show(invocation, ask(invocation, "knowledge.search", params), _print_hits)


@click.command(cls=Command)
@click.argument("task")
@filter_options
@click.option("--all-projects", is_flag=True, help="Look into all, not only the current one.")
@click.option("--token-budget", type=int, help="At most so many tokens; default 1500.")
@click.pass_obj
def context(invocation: Invocation, /, task: str, all_projects: bool, **options: Any) -> None:
    """Print what is stored that helps with TASK.

    One text to give to an agent: the best entries, quoted, each with its date, type and source.
    TASK "-" stands for standard input. Looks into the current project, as "kmctl search" does.
    """
    params = _in_project(given({"task": text_or_stdin(task), **options}), all_projects)
    show(invocation, ask(invocation, "knowledge.context", params), _print_context)


@click.command(cls=Command)
@filter_options
@click.option("--all-projects", is_flag=True, help="The default, spelt out.")
@click.option("--limit", type=int, help="At most so many; default 20.")
@click.option("--cursor", help="Where the page before ended.")
@click.option("--order-by", help="A field; default timestamp.")
@click.option("--descending/--ascending", default=None, help="Default: descending.")
@click.pass_obj
def query(invocation: Invocation, /, all_projects: bool, **options: Any) -> None:
    """List entries by their fields.

    All that the filters select, newest first, page by page. No filter is ever added: without
    --project, all projects are listed.
    """
    params = given(options)
    _refuse_both(params, all_projects)
    show(invocation, ask(invocation, "knowledge.query", params), _print_page)


def _in_project(params: dict[str, Any], all_projects: bool) -> dict[str, Any]:
    _refuse_both(params, all_projects)
    return params if all_projects else {"project_id": project_of(), **params}


def _refuse_both(params: dict[str, Any], all_projects: bool) -> None:
    if all_projects and "project_id" in params:
        raise click.UsageError("Give either --project or --all-projects, not both.")


def _print_hits(result: Any) -> None:
    if not result["results"]:
        click.echo("Nothing found.", err=True)
        return
    if not result.get("covered", True):
        click.echo("Nothing stored answers this; the nearest:", err=True)
    print_entries(result["results"])


def _print_context(result: Any) -> None:
    if result["text"]:
        print_line(result["text"].removesuffix("\n"))
    else:
        click.echo("Nothing stored answers this.", err=True)


def _print_page(result: Any) -> None:
    print_entries(result["results"])
    click.echo(f"{len(result['results'])} of {result['total']}", err=True)
    if result["next_cursor"]:
        click.echo(f"More with --cursor {result['next_cursor']}", err=True)
