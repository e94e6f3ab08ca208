"""service: the daemon as a service of the user's systemd."""

import getpass
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from cco_knowledge.paths import prepare_home
from cco_knowledge_client import Conflict
from kmctl import installed_service, systemctl, units
from kmctl.commands.lifecycle import daemon_flags, stop_running
from kmctl.options import Group, Invocation
from kmctl.output import print_facts, print_line, show
from kmctl.reach import home_of, load_settings, socket_path

_NOT_RUNNING = 3


@click.group(cls=Group)
def service() -> None:
    """Run the daemon as a service of systemd, which the first request starts."""


@service.command()
@click.option("--hardened", is_flag=True, help="Also the stricter drop-in; needs user namespaces.")
@click.option("--no-start", is_flag=True, help="Do not listen before the next login.")
@click.pass_obj
def install(invocation: Invocation, /, hardened: bool, no_start: bool) -> None:
    """Write the units, enable the socket and let it listen.

    --home, --socket and $CCO_KNOWLEDGE_MODEL, if given, are those of the service; all other
    settings belong into knowledge.toml. A daemon that runs already is stopped; the next request
    starts the service. Doing it again changes what has changed.
    """
    systemctl.require()
    load_settings(invocation)
    prepare_home(home_of(invocation))
    _refuse_another_home(invocation)
    if hardened:
        _refuse_hidden(home_of(invocation).path)
    changed = units.write(_units(invocation).rendered(hardened=hardened))
    removed = [] if hardened else units.remove([units.HARDENING])
    systemctl.do("daemon-reload")
    stopped_pid = None if no_start or installed_service.is_listening() else stop_running(invocation)
    systemctl.do("enable", *([] if no_start else ["--now"]), units.SOCKET)
    if changed or removed:
        systemctl.do("try-restart", units.SERVICE)
    result = {
        "written": list(map(str, changed)),
        "removed": list(map(str, removed)),
        "listening": installed_service.is_listening(),
        "stopped_pid": stopped_pid,
        "linger": _lingers(),
    }
    show(invocation, result, lambda _: _print_installed(invocation, result))


@service.command()
@click.pass_obj
def uninstall(invocation: Invocation, /) -> None:
    """Stop the service and take its units away; what is stored stays."""
    systemctl.require()
    removed: list[Path] = []
    if units.installed_places() is not None:
        _refuse_another_home(invocation)
        systemctl.do("disable", "--now", units.SOCKET, units.SERVICE)
        removed = units.remove([units.SOCKET, units.SERVICE, units.HARDENING])
        systemctl.do("daemon-reload")
        systemctl.forget_failures(units.SOCKET, units.SERVICE)
    result = {"removed": list(map(str, removed)), "home": str(home_of(invocation).path)}
    show(invocation, result, lambda _: _print_uninstalled(result))


@service.command()
@click.pass_obj
def status(invocation: Invocation, /) -> int:
    """Show the units and how the service is, without starting it.

    Exit 0 if a request would be answered, 3 if not.
    """
    systemctl.require()
    places = units.installed_places()
    enabled = systemctl.properties(units.SOCKET, ["UnitFileState"])["UnitFileState"]
    is_listening = places is not None and installed_service.is_listening()
    facts = {
        "installed": places is not None,
        "home": str(places[0]) if places else None,
        "socket": str(places[1]) if places else None,
        "hardened": (units.installed_folder() / units.HARDENING).exists(),
        "enabled": enabled == "enabled",
        "listening": is_listening,
        **installed_service.state(),
        "linger": _lingers(),
    }
    show(invocation, facts, print_facts)
    return 0 if is_listening else _NOT_RUNNING


@service.command()
@click.option("-n", "--lines", type=click.IntRange(min=1), default=50, help="How many; default 50.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes.")
@click.pass_obj
def logs(invocation: Invocation, /, lines: int, follow: bool) -> int:
    """Show what the service has logged, as journald keeps it."""
    systemctl.require()
    command = ["journalctl", f"--user-unit={units.SERVICE}", f"--lines={lines}", "--no-pager"]
    if invocation.as_json and follow:
        raise click.UsageError("--json prints one value: leave out --follow.")
    if not invocation.as_json:
        return subprocess.run([*command, *(["--follow"] if follow else [])], check=False).returncode
    ended = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise systemctl.ServiceManagerFailed(f"journalctl failed: {ended.stderr.strip()}")
    show(invocation, {"lines": ended.stdout.splitlines()}, print_facts)
    return 0


def _units(invocation: Invocation) -> units.Units:
    # -P: a random.py in some folder is not the standard library's.
    command = [sys.executable, "-P", "-m", "cco_knowledge", *daemon_flags(invocation, None)]
    return units.Units(home_of(invocation).path, socket_path(invocation), command)


def _refuse_another_home(invocation: Invocation) -> None:
    """A user has one service; kmctl never turns it to another home by the way."""
    wanted = (home_of(invocation).path, socket_path(invocation))
    found = units.installed_places() or wanted
    if found != wanted:
        raise Conflict(
            f"The service is installed for the home {found[0]} and the socket {found[1]}. Name "
            f"them, or take it away first: kmctl service uninstall --home {found[0]} "
            f"--socket {found[1]}"
        )


def _refuse_hidden(home: Path) -> None:
    for needed in (home, Path(sys.executable)):
        if needed.is_relative_to("/tmp") or needed.is_relative_to("/var/tmp"):  # noqa: S108  # looked for
            raise click.UsageError(
                "A hardened service has a /tmp and a /var/tmp of its own and would not see "
                f"{needed}. Choose another place, or leave out --hardened."
            )


def _lingers() -> bool:
    return Path("/var/lib/systemd/linger", getpass.getuser()).exists()


def _print_installed(invocation: Invocation, result: Any) -> None:
    if not result["written"] and not result["removed"]:
        print_line(f"Nothing to do: the units are in {units.installed_folder()}.")
    for path in result["written"]:
        print_line(f"Wrote {path}.")
    for path in result["removed"]:
        print_line(f"Removed {path}.")
    if result["stopped_pid"] is not None:
        print_line(f"The daemon that ran before (pid {result['stopped_pid']}) has stopped.")
    if result["listening"]:
        print_line(f"systemd listens at {socket_path(invocation)}: the first request starts it.")
    else:
        print_line("systemd listens from the next login on, or after: kmctl start")
    if not result["linger"]:
        print_line("It ends when you log out. To keep it: loginctl enable-linger")


def _print_uninstalled(result: Any) -> None:
    if not result["removed"]:
        print_line(f"Nothing to remove: kmctl installed no service in {units.installed_folder()}.")
        return
    for path in result["removed"]:
        print_line(f"Removed {path}.")
    print_line(f"What is stored stays in {result['home']}. kmctl start --detach starts a daemon.")
