"""status, health, version: how the daemon is."""

from typing import Any

import click

from cco_knowledge import __version__
from cco_knowledge_client import Unreachable
from kmctl.installed_service import manager_of
from kmctl.options import Command, Invocation
from kmctl.output import print_facts, print_line, show
from kmctl.reach import ask, connect, running_status
from kmctl.service_manager import ServiceManager

_TRY_AGAIN = 75


@click.command(cls=Command)
@click.pass_obj
def status(invocation: Invocation, /) -> None:
    """Show the daemon's version, model, load and memory.

    Where kmctl installed it as a service, also what its manager knows of it. One that has not
    been started is not started by this: exit 3, as where no daemon answers.
    """
    manager = manager_of(invocation)
    service = _service_facts(manager) if manager else {}
    facts: dict[str, Any] = ask(invocation, "system.status")
    show(invocation, facts, lambda _: print_facts({**facts, **service}))


def _service_facts(manager: ServiceManager) -> dict[str, Any]:
    """Raises Unreachable where the service is not running."""
    if manager.main_pid() is None and manager.is_listening():
        raise Unreachable(
            f"{manager.service} is not running; {manager.name} listens, and the next request "
            "starts it. More: kmctl service status"
        )
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
    """Show this version and the daemon's.

    A daemon that does not answer has none.
    """
    facts = running_status(invocation)
    versions = {"client": __version__, "daemon": facts["version"] if facts else None}
    show(invocation, versions, print_facts)
