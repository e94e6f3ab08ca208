"""start, stop, restart."""

import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import click

from cco_knowledge import __version__
from cco_knowledge.paths import prepare_home
from cco_knowledge_client import DeadlineExceeded
from kmctl import succession
from kmctl.installed_service import manager_of
from kmctl.options import Command, Invocation
from kmctl.output import print_line, show
from kmctl.process_end import watch
from kmctl.reach import home_of, load_settings, running_status, socket_path
from kmctl.service_manager import ServiceManager

_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 60.0
_model_option = click.option("--model", help="A known model's name, or the path of a GGUF file.")


@click.command(cls=Command)
@click.option("--detach", is_flag=True, help="Return when it is ready; log into the home.")
@_model_option
@click.pass_obj
def start(invocation: Invocation, /, detach: bool, model: str | None) -> None:
    """Start the daemon, in the foreground or detached.

    A detached start that finds the daemon running says so and succeeds. Where kmctl installed it
    as a service, systemd or launchd starts it, and the command returns when it is ready.
    """
    manager = manager_of(invocation)
    if manager is not None:
        _start_service(invocation, manager, model)
        return
    if not detach:
        _become_daemon(invocation, model)
    status = running_status(invocation)
    pid = status["pid"] if status else launch(invocation, model)
    verb = "is running already" if status else "is ready"
    show(
        invocation,
        {"pid": pid, "started": status is None},
        lambda _: print_line(f"The daemon {verb} (pid {pid}) at {socket_path(invocation)}."),
    )


@click.command(cls=Command)
@click.pass_obj
def stop(invocation: Invocation, /) -> None:
    """Stop the daemon and wait until it is gone.

    It answers first what it has accepted. Where no daemon answers, that is said, and the
    command succeeds. Where kmctl installed it as a service, systemd or launchd stops it and its
    socket, until "kmctl start" or the next login.
    """
    manager = manager_of(invocation)
    service_pid = None
    if manager is not None:
        service_pid = manager.main_pid()
        manager.stop()
    pid = service_pid or stop_running(invocation)
    sentence = f"The daemon (pid {pid}) has stopped."
    if pid is None:
        sentence = f"No daemon is running: none answers at {socket_path(invocation)}."
    if manager is not None:
        sentence += (
            f" {manager.name} has stopped {manager.service} and its socket; "
            "kmctl start starts them."
        )
    result = {"stopped": pid is not None, "pid": pid, **_through(manager)}
    show(invocation, result, lambda _: print_line(sentence))


@click.command(cls=Command)
@_model_option
@click.pass_obj
def restart(invocation: Invocation, /, model: str | None) -> None:
    """Stop the daemon and start it detached.

    It starts with the options given here, whatever it was started with before. Settings that
    the daemon would refuse leave it running. It answers first what it has accepted; who calls
    meanwhile waits for the new one. Where kmctl installed it as a service, systemd or launchd
    restarts it.
    """
    load_settings(invocation)
    manager = manager_of(invocation)
    if manager is not None:
        _restart_service(invocation, manager, model)
        return
    prepare_home(home_of(invocation))
    with succession.alone(home_of(invocation).path):
        old = running_status(invocation)
        pid = _replace(invocation, old, model)
    show(
        invocation,
        {"pid": pid, "started": True, "old_pid": old["pid"] if old else None},
        lambda _: print_line(
            f"The daemon is ready (pid {pid}) at {socket_path(invocation)}.{_upgraded(old)}"
        ),
    )


def _replace(invocation: Invocation, old: dict[str, Any] | None, model: str | None) -> int:
    if old is None:
        return launch(invocation, model)
    with succession.waiting_room(socket_path(invocation)) as listening:
        _stop_process(invocation, old["pid"])
        return launch(invocation, model, listening.fileno())


def _upgraded(old: dict[str, Any] | None) -> str:
    """Kmctl and the daemon that it starts are of one installation, and so of one version."""
    if old is None or old["version"] == __version__:
        return ""
    return f" It was version {old['version']} and is {__version__} now."


def _start_service(invocation: Invocation, manager: ServiceManager, model: str | None) -> None:
    _refuse_model(model)
    pid = manager.ready_pid() or _pid_without_service(invocation, manager)
    is_started = pid is None
    pid = pid or manager.start()
    sentence = f"{manager.name} has started {manager.service}: the daemon is ready (pid {pid})"
    if not is_started:
        sentence = f"The daemon is running already (pid {pid})"
    show(
        invocation,
        {"pid": pid, "started": is_started, **_through(manager)},
        lambda _: print_line(f"{sentence} at {socket_path(invocation)}."),
    )


def _restart_service(invocation: Invocation, manager: ServiceManager, model: str | None) -> None:
    _refuse_model(model)
    old_pid = manager.main_pid()
    old = running_status(invocation) if manager.ready_pid() else None
    if old_pid is None and not manager.is_listening():
        old_pid = stop_running(invocation)
    pid = manager.restart()
    sentence = f"{manager.name} has restarted {manager.service}: the daemon is ready (pid {pid})"
    show(
        invocation,
        {"pid": pid, "started": True, "old_pid": old_pid, **_through(manager)},
        lambda _: print_line(f"{sentence} at {socket_path(invocation)}.{_upgraded(old)}"),
    )


def _through(manager: ServiceManager | None) -> dict[str, str]:
    return {"service": manager.service} if manager is not None else {}


def _pid_without_service(invocation: Invocation, manager: ServiceManager) -> int | None:
    """Of a daemon that somebody started by hand. Asked only where that starts none."""
    status = None if manager.is_listening() else running_status(invocation)
    return status["pid"] if status else None


def _refuse_model(model: str | None) -> None:
    if model is not None:
        raise click.UsageError(
            "The daemon is a service, which --model does not reach. Set model.name in "
            "knowledge.toml, then: kmctl restart"
        )


def stop_running(invocation: Invocation) -> int | None:
    """The pid of the daemon that was stopped, or None where none answered."""
    status = running_status(invocation)
    if status is None:
        return None
    pid: int = status["pid"]
    _stop_process(invocation, pid)
    return pid


def _stop_process(invocation: Invocation, pid: int) -> None:
    limit_s = invocation.timeout_s or _STOP_LIMIT_S
    try:
        with watch(pid) as ended_within:
            os.kill(pid, signal.SIGTERM)
            if ended_within(limit_s):
                return
    except ProcessLookupError:
        return
    raise DeadlineExceeded(f"The daemon (pid {pid}) is still stopping after {limit_s:g} s.")


def launch(invocation: Invocation, model: str | None, listening_fd: int | None = None) -> int:
    from cco_knowledge.daemonize import launch_detached

    limit_s = invocation.timeout_s or _START_LIMIT_S
    flags = daemon_flags(invocation, model)
    return launch_detached(home_of(invocation), flags, limit_s, listening_fd)


def _become_daemon(invocation: Invocation, model: str | None) -> NoReturn:
    # -P: a random.py in the current folder is not the standard library's.
    command = [sys.executable, "-P", "-m", "cco_knowledge", *daemon_flags(invocation, model)]
    os.execv(sys.executable, command)  # noqa: S606  # no shell is wanted


def daemon_flags(invocation: Invocation, model: str | None) -> list[str]:
    """Absolute paths, because a detached daemon works in its home."""
    flags = ["--home", str(home_of(invocation).path)]
    if invocation.socket or os.environ.get("CCO_KNOWLEDGE_SOCKET"):
        flags += ["--socket", str(socket_path(invocation))]
    chosen = model or os.environ.get("CCO_KNOWLEDGE_MODEL")
    if chosen:
        is_path = os.sep in chosen or chosen.endswith(".gguf")
        flags += ["--model", str(Path(chosen).expanduser().absolute()) if is_path else chosen]
    return flags
