"""store, get, update, delete: single entries by their text or id."""

from typing import Any

import click

from cco_knowledge_client import NotFound, project_of
from kmctl.options import (
    Command,
    Invocation,
    field_options,
    filter_options,
    given,
    text_or_stdin,
)
from kmctl.output import print_entries, print_line, show, warn
from kmctl.reach import BULK_LIMIT_S, ask
from kmctl.redactions import redacted_in_words


@click.command(cls=Command)
@click.argument("text")
@field_options
@click.option("--id", "id", help="Its id; default: the daemon makes one.")
@click.option(
    "--supersedes",
    metavar="ID",
    multiple=True,
    help="An entry that it replaces; may be given several times.",
)
@click.option(
    "--on-duplicate",
    type=click.Choice(["return", "store", "reject"]),
    help="What if the same text is there: return its id (default), store it again, or fail.",
)
@click.pass_obj
def store(invocation: Invocation, /, text: str, supersedes: tuple[str, ...], **fields: Any) -> None:
    """Store a text.

    TEXT "-" stands for standard input, without the one newline that may end it. --project
    defaults to $CCO_PROJECT, else to the git repository or folder you are in. Older entries that
    it nearly repeats are named, and what looked like a secret and was not stored.
    """
    params = given({"text": text_or_stdin(text), **fields})
    params.setdefault("project_id", project_of())
    if supersedes:
        params["supersedes"] = list(supersedes)
    show(invocation, ask(invocation, "knowledge.store", params), _print_stored)


def _print_stored(result: Any) -> None:
    print_line(result["id"] if result["stored"] else f"{result['id']} (was there already)")
    _warn_of_redactions(result)
    for similar in result.get("similar", ()):
        warn(
            f"nearly repeats {similar['id']} ({similar['similarity']:.2f}); if it replaces that "
            f"one: kmctl update {similar['id']} --superseded-by {result['id']}"
        )


def _print_updated(result: Any) -> None:
    print_line(f"{result['id']} {'updated' if result['updated'] else 'is so already'}")
    _warn_of_redactions(result)


def _warn_of_redactions(result: Any) -> None:
    if redactions := result.get("redactions"):
        warn(redacted_in_words(redactions))


@click.command(cls=Command)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def get(invocation: Invocation, /, ids: tuple[str, ...]) -> None:
    """Show entries by their ids.

    An unknown id is exit 5, after the others are shown.
    """
    result = ask(invocation, "knowledge.get", {"ids": list(ids)})
    show(invocation, result, lambda found: print_entries(found["entries"]))
    if result["missing"]:
        raise NotFound(f"Nothing has the id {', '.join(result['missing'])}.")


@click.command(cls=Command)
@click.argument("id", metavar="ID")
@click.option("--text", help='The new text, or "-" for standard input.')
@field_options
@click.option("--superseded-by", metavar="ID", help="The entry that replaces it.")
@click.pass_obj
def update(invocation: Invocation, /, id: str, text: str | None, **fields: Any) -> None:  # noqa: A002
    """Change one entry.

    Only the fields that are given change.
    """
    changes = given({"text": None if text is None else text_or_stdin(text), **fields})
    if not changes:
        raise click.UsageError("Say what to change, for example --text or --type.")
    result = ask(invocation, "knowledge.update", {"id": id, **changes})
    show(invocation, result, _print_updated)


@click.command(cls=Command)
@click.argument("ids", metavar="[ID...]", nargs=-1)
@filter_options
@click.option("--expect", type=int, help="How many entries the filters select.")
@click.pass_obj
def delete(
    invocation: Invocation, /, ids: tuple[str, ...], expect: int | None, **filters: Any
) -> None:
    """Delete entries by ids or filters.

    Filters need --expect N and delete nothing unless they select exactly N entries. No filter is
    ever added: without --project, they select from all projects.
    """
    selection = given({"expect": expect, **filters})
    if ids and selection:
        raise click.UsageError("Give either ids or filters, not both.")
    if not ids and not selection:
        raise click.UsageError("Say what to delete: ids, or filters with --expect.")
    params = {"ids": list(ids)} if ids else selection
    result = ask(invocation, "knowledge.delete", params, BULK_LIMIT_S)
    show(invocation, result, lambda _: print_line(f"{result['deleted']} deleted"))
