"""service: the daemon as a service of the user's systemd, or of launchd on macOS."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from cco_knowledge.paths import prepare_home
from cco_knowledge_client import Conflict
from kmctl.commands.lifecycle import daemon_flags, stop_running
from kmctl.installed_service import meant, of_this_system
from kmctl.options import Group, Invocation
from kmctl.output import print_facts, print_line, show
from kmctl.reach import home_of, load_settings, socket_path
from kmctl.service_manager import Service, ServiceManager, ServiceManagerFailed

_NOT_RUNNING = 3


@click.group(cls=Group)
def service() -> None:
    """Run the daemon as a service, which the first request starts.

    On Linux a service of the user's systemd, on macOS an agent of launchd.
    """


@service.command()
@click.option("--hardened", is_flag=True, help="systemd: also the stricter drop-in.")
@click.option("--no-start", is_flag=True, help="Do not listen before the next login.")
@click.pass_obj
def install(invocation: Invocation, /, hardened: bool, no_start: bool) -> None:
    """Write what the service manager reads, and let it listen.

    --home, --socket and $CCO_KNOWLEDGE_MODEL, if given, are those of the service; all other
    settings belong into knowledge.toml. A daemon that runs already is stopped; the next request
    starts the service. Doing it again changes what has changed. The drop-in of --hardened needs
    user namespaces.
    """
    manager = of_this_system()
    manager.require()
    settings = load_settings(invocation)
    prepare_home(home_of(invocation))
    _refuse_another_home(invocation, manager)
    made = Service(
        home_of(invocation),
        socket_path(invocation),
        # -P: a random.py in some folder is not the standard library's.
        [sys.executable, "-P", "-m", "cco_knowledge", *daemon_flags(invocation, None)],
        settings.config.limits.drain_s,
    )
    written, removed = manager.write(made, is_hardened=hardened)
    stopped_pid = None if no_start or manager.is_listening() else stop_running(invocation)
    manager.enable(listens_now=not no_start, is_changed=bool(written or removed))
    result = {
        "written": list(map(str, written)),
        "removed": list(map(str, removed)),
        "listening": manager.is_listening(),
        "stopped_pid": stopped_pid,
        "linger": manager.is_kept_after_logout(),
    }
    show(invocation, result, lambda _: _print_installed(invocation, manager, result))


@service.command()
@click.pass_obj
def uninstall(invocation: Invocation, /) -> None:
    """Stop the service and take it away; what is stored stays."""
    manager = of_this_system()
    manager.require()
    removed: list[Path] = []
    if manager.places() is not None:
        _refuse_another_home(invocation, manager)
        removed = manager.remove()
    result = {"removed": list(map(str, removed)), "home": str(home_of(invocation).path)}
    show(invocation, result, lambda _: _print_uninstalled(manager, result))


@service.command()
@click.pass_obj
def status(invocation: Invocation, /) -> int:
    """Show how the service is, without starting it.

    Exit 0 if a request would be answered, 3 if not.
    """
    manager = of_this_system()
    manager.require()
    places = manager.places()
    facts = {
        "installed": places is not None,
        "home": str(places.home) if places else None,
        "socket": str(places.socket) if places else None,
        **manager.facts(),
        "linger": manager.is_kept_after_logout(),
    }
    if manager.failure():
        facts["to mend it"] = "see kmctl service logs and kmctl doctor; then kmctl start"
    show(invocation, facts, print_facts)
    return 0 if facts["listening"] else _NOT_RUNNING


@service.command()
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, help="How many; default 50.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.pass_obj
def logs(invocation: Invocation, /, lines: int, follow: bool) -> int:
    """Show what the service has logged.

    systemd's journald keeps it; a service of launchd writes it into the home.
    """
    manager = of_this_system()
    manager.require()
    if invocation.as_json and follow:
        raise click.UsageError("--json prints one value: leave out --follow.")
    command = manager.log_command(lines, is_following=follow, is_bare=invocation.as_json)
    if not invocation.as_json:
        return subprocess.run(command, check=False).returncode
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise ServiceManagerFailed(f"{command[0]} failed: {ended.stderr.strip()}")
    show(invocation, {"lines": ended.stdout.splitlines()}, print_facts)
    return 0


def _refuse_another_home(invocation: Invocation, manager: ServiceManager) -> None:
    """A user has one service; kmctl never turns it to another home by the way."""
    wanted = meant(invocation)
    found = manager.places() or wanted
    if found != wanted:
        raise Conflict(
            f"The service is installed for the home {found.home} and the socket {found.socket}. "
            "Name them, or take it away first: kmctl service uninstall "
            f"--home {found.home} --socket {found.socket}"
        )


def _print_installed(invocation: Invocation, manager: ServiceManager, result: Any) -> None:
    if not result["written"] and not result["removed"]:
        print_line("Nothing to do: the service is installed like this.")
    for path in result["written"]:
        print_line(f"Wrote {path}.")
    for path in result["removed"]:
        print_line(f"Removed {path}.")
    if result["stopped_pid"] is not None:
        print_line(f"The daemon that ran before (pid {result['stopped_pid']}) has stopped.")
    if result["listening"]:
        where = socket_path(invocation)
        print_line(f"{manager.name} listens at {where}: the first request starts it.")
    else:
        print_line(f"{manager.name} listens from the next login on, or after: kmctl start")
    if not result["linger"]:
        keep = manager.keeps_after_logout
        print_line("It ends when you log out." + (f" To keep it: {keep}" if keep else ""))


def _print_uninstalled(manager: ServiceManager, result: Any) -> None:
    if not result["removed"]:
        print_line(f"Nothing to remove: kmctl installed no service of {manager.name}.")
        return
    for path in result["removed"]:
        print_line(f"Removed {path}.")
    print_line(f"What is stored stays in {result['home']}. kmctl start --detach starts a daemon.")
