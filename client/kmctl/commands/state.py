"""status, health, version: how the daemon is."""

from typing import Any

import click

from cco_knowledge import __version__
from cco_knowledge_client import Unreachable
from kmctl import installed_service, units, versions
from kmctl.options import Command, Invocation
from kmctl.output import print_facts, print_line, show
from kmctl.reach import ask, connect, running_status

_TRY_AGAIN = 75


@click.command(cls=Command)
@click.pass_obj
def status(invocation: Invocation, /) -> None:
    """Show the daemon's version, model, load and memory.

    Where kmctl installed it as a service, also what systemd knows of it. One that has not been
    started is not started by this: exit 3, as where no daemon answers.
    """
    service = _service_facts() if installed_service.serves(invocation) else {}
    facts: dict[str, Any] = ask(invocation, "system.status")
    show(invocation, facts, lambda _: print_facts({**facts, **service, **_note(facts["version"])}))


def _note(daemon_version: str | None) -> dict[str, str]:
    note = daemon_version and versions.difference(daemon_version)
    return {"note": note} if note else {}


def _service_facts() -> dict[str, Any]:
    """Raises Unreachable where the service is not running."""
    failure = installed_service.failure()
    if failure is not None:
        raise Unreachable(f"{failure} When that is mended: kmctl start")
    if installed_service.main_pid() is None and installed_service.is_listening():
        raise Unreachable(
            f"{units.SERVICE} is not running; systemd listens, and the next request starts it. "
            "More: kmctl service status"
        )
    state = installed_service.state()
    return {"service": f"{units.SERVICE}, {state['service']}, {state['restarts']} restarts"}


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
