"""token: who else gets in, and how far."""

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cco_knowledge.paths import prepare_home
from cco_knowledge.timestamps import format_timestamp
from kmctl.options import Group, Invocation
from kmctl.output import print_facts, print_line, print_table, show, warn
from kmctl.reach import home_of

if TYPE_CHECKING:
    from cco_knowledge.tokens import Role, Token

_ROLES = ("reader", "writer", "admin")
_SHOWN_ONCE = "Keep it: nothing shows it again. It goes into CCO_KNOWLEDGE_TOKEN of who is to call."


@click.group(cls=Group)
def token() -> None:
    """Let others in, or your own agents no further than they need.

    A process of yours needs no token (unless auth.require_token is set); one of another user, as
    behind a socket that is mounted into a container, always does. These commands work on the file
    api_token in the home, daemon or not; a running one acts on the change with its next call.
    """


@token.command()
@click.option(
    "--role",
    type=click.Choice(_ROLES),
    required=True,
    help="Read; store, change and delete too; or all that you can.",
)
@click.option("--project", "projects", multiple=True, help="Nothing but this project; repeatable.")
@click.option("--name", help="What the log calls it; default: its id.")
@click.option("--expires-in-days", "days", type=click.FloatRange(min=0, min_open=True, max=36_500))
@click.option(
    "--calls-per-s",
    type=click.FloatRange(min=0),
    default=0.0,
    help="At most so many calls a second, after as many at once. Default: no limit of its own.",
)
@click.pass_obj
def create(
    invocation: Invocation,
    /,
    role: "Role",
    projects: tuple[str, ...],
    name: str | None,
    days: float | None,
    calls_per_s: float,
) -> None:
    """Make a token and show it, once."""
    from cco_knowledge import tokens

    if role == "admin" and projects:
        raise click.UsageError("An admin is not limited to projects: what it may do is about all.")
    home = home_of(invocation)
    prepare_home(home)
    made, secret = tokens.create(
        home.tokens,
        role=role,
        name=name,
        projects=projects,
        expires=_expiry(days),
        calls_per_s=calls_per_s,
    )
    _show_secret(invocation, made, secret)


@token.command(name="list")
@click.pass_obj
def list_(invocation: Invocation, /) -> None:
    """List all tokens, without what is presented for them."""
    from cco_knowledge import tokens

    listed = {"tokens": [_facts(each) for each in tokens.listed(home_of(invocation).tokens)]}
    show(invocation, listed, lambda _: _print_list(listed["tokens"]))


@token.command()
@click.argument("token_id", metavar="ID|NAME")
@click.pass_obj
def revoke(invocation: Invocation, /, token_id: str) -> None:
    """Let a token open nothing any more, also on connections that it has opened."""
    from cco_knowledge import tokens

    revoked = tokens.revoke(home_of(invocation).tokens, token_id)
    show(invocation, _facts(revoked), lambda _: print_line(f"{revoked.name} is revoked."))


@token.command()
@click.argument("token_id", metavar="ID|NAME")
@click.pass_obj
def rotate(invocation: Invocation, /, token_id: str) -> None:
    """Put a new secret in place of the old one, which opens nothing any more.

    To change over without a gap, create a second token and revoke the first one afterwards.
    """
    from cco_knowledge import tokens

    rotated, secret = tokens.rotate(home_of(invocation).tokens, token_id)
    _show_secret(invocation, rotated, secret)


def _expiry(days: float | None) -> str | None:
    if days is None:
        return None
    return format_timestamp(datetime.fromtimestamp(time.time(), UTC) + timedelta(days=days))


def _show_secret(invocation: Invocation, made: "Token", secret: str) -> None:
    result = {**_facts(made), "token": secret}
    if not invocation.as_json:
        warn(_SHOWN_ONCE)
    show(invocation, result, print_facts)


def _facts(made: "Token") -> dict[str, Any]:
    """What may be shown of it at any time."""
    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(made)
    del facts["digest"]
    return facts


def _print_list(listed: list[dict[str, Any]]) -> None:
    if not listed:
        print_line("No tokens.")
        return
    rows = [
        (
            one["id"],
            one["name"],
            one["role"],
            "all" if one["projects"] is None else one["projects"],
            one["created"],
            one["expires"] or "never",
        )
        for one in listed
    ]
    print_table(("Token", "Name", "Role", "Projects", "Created", "Expires"), rows)
