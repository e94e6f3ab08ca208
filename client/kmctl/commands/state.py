"""status, health, version: how the daemon is."""

from collections.abc import Mapping
from typing import Any

import click

from cco_knowledge import __version__
from kmctl import versions
from kmctl.installed_service import manager_of, refuse_to_wake
from kmctl.options import Command, Invocation
from kmctl.output import print_facts, print_line, show
from kmctl.reach import ask, connect, running_status

_TRY_AGAIN = 75


@click.command(cls=Command)
@click.pass_obj
def status(invocation: Invocation, /) -> None:
    """Show the daemon's version, model, load, memory, work and table.

    Where kmctl installed it as a service, also what its manager knows of it. One that has not
    been started is not started by this: exit 3, as where no daemon answers. With --json: the
    result of system.status. How it is doing now: kmctl top.
    """
    service = _service(invocation)
    facts: dict[str, Any] = ask(invocation, "system.status")
    show(invocation, facts, lambda _: _print_status(invocation, {**facts, **service}))


def _print_status(invocation: Invocation, facts: Mapping[str, object]) -> None:
    from kmctl.since_start import facts_since_start

    print_facts({**facts, **facts_since_start(invocation), **_note(facts["version"])})


def _note(daemon_version: Any) -> dict[str, str]:
    note = daemon_version and versions.difference(daemon_version)
    return {"note": note} if note else {}


def _service(invocation: Invocation) -> dict[str, str]:
    """Raises Unreachable where it sleeps."""
    manager = manager_of(invocation)
    if manager is None:
        return {"service": "none installed for this home"}
    refuse_to_wake(manager)
    return {"service": f"{manager.service}, {manager.summary()}"}


@click.command(cls=Command)
@click.pass_obj
def health(invocation: Invocation, /) -> int:
    """Say whether the daemon is ready.

    Exit 0 if so, 75 while it loads, 3 if none answers. With --json: the result of system.status.
    """
    with connect(invocation) as knowledge:
        knowledge.ping()
        facts: dict[str, Any] = knowledge.call("system.status")
    show(invocation, facts, lambda _: print_line("ready" if facts["ready"] else "not ready"))
    return 0 if facts["ready"] else _TRY_AGAIN


@click.command(cls=Command)
@click.pass_obj
def version(invocation: Invocation, /) -> None:
    """Show this version and the daemon's, and what to do where they differ.

    A daemon that does not answer has none.
    """
    facts = running_status(invocation)
    theirs = facts["version"] if facts else None
    both = {"client": __version__, "daemon": theirs}
    show(invocation, both, lambda _: print_facts({**both, **_note(theirs)}))
