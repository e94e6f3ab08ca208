"""A stand-in for launchctl(1): it notes how it is called, and runs one agent as a child would.

It is no launchd: no request starts anything. The daemon takes its socket from launchd_library.c.
What it prints and how it exits is taken from what others have seen of launchctl.
"""

import json
import os
import plistlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path(__file__).parent
LOADED, PID, STARTS, ENDING = (FOLDER / name for name in ("loaded", "pid", "starts", "ending"))
DOMAIN = f"gui/{os.getuid()}"
# Of macOS 13, shortened; sections within the service repeat names of its own lines.
PRINTED = """{target} = {{
\tactive count = {active}
\tpath = {path}
\ttype = LaunchAgent
\tstate = {state}

\tprogram = {program}
\targuments = {{
\t\t{program}
\t}}

\tdomain = {domain} [100005]
\tasid = 100005
\tminimum runtime = 5
\texit timeout = 60
\truns = {starts}
{pid}\tlast exit code = {last_exit}

\tsockets = {{
\t\t"rpc" = {{
\t\t\ttype = stream
\t\t\tpath = {socket}
\t\t\tstate = listening
\t\t\tpid = 1
\t\t}}
\t}}
}}
"""


def main(command: str, *arguments: str) -> None:
    with (FOLDER / "calls").open("a") as calls:
        calls.write(json.dumps([command, *arguments]) + "\n")
    if arguments[0] == DOMAIN and (FOLDER / "nobody-is-logged-in").exists():
        fail(125, "Could not print domain: 125: Domain does not support specified action")
    if ENDING.exists() and not is_running():
        for path in (ENDING, LOADED, PID):
            path.unlink(missing_ok=True)
    COMMANDS[command](*arguments)


def print_(target: str) -> None:
    if target == DOMAIN:
        return
    agent, is_alive = loaded(target), is_running()
    sys.stdout.write(
        PRINTED.format(
            target=target,
            active=int(is_alive),
            path=LOADED.read_text(),
            state="running" if is_alive else "not running",
            program=agent["ProgramArguments"][0],
            domain=DOMAIN,
            starts=len(STARTS.read_text()) if STARTS.exists() else 0,
            pid=f"\tpid = {PID.read_text()}\n" if is_alive else "",
            last_exit="(never exited)",
            socket=agent["Sockets"]["rpc"]["SockPathName"],
        )
    )


def bootstrap(domain: str, path: str) -> None:
    assert domain == DOMAIN
    if LOADED.exists():
        fail(5, "Bootstrap failed: 5: Input/output error")
    LOADED.write_text(path)
    listening_socket(loaded(domain)).close()


def kickstart(target: str) -> None:
    agent = loaded(target)
    if is_running():
        return
    with Path(agent["StandardErrorPath"]).open("ab") as log, listening_socket(agent) as given:
        activation = {"LD_PRELOAD": str(FOLDER / "launchd.so"), "GIVEN": str(given.fileno())}
        started = subprocess.Popen(
            agent["ProgramArguments"],
            env=os.environ | activation,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[given.fileno()],
        )
    PID.write_text(str(started.pid))
    with STARTS.open("a") as starts:
        starts.write(".")


def kill(name: str, target: str) -> None:
    loaded(target)
    os.kill(int(PID.read_text()), signal.Signals[name])


def bootout(target: str) -> None:
    loaded(target)
    if not is_running():
        LOADED.unlink()
        return
    ENDING.touch()
    os.kill(int(PID.read_text()), signal.SIGTERM)
    fail(36, "Boot-out failed: 36: Operation now in progress")


def listening_socket(agent: dict[str, Any]) -> socket.socket:
    facts = agent["Sockets"]["rpc"]
    Path(facts["SockPathName"]).unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX)
    made.bind(facts["SockPathName"])
    Path(facts["SockPathName"]).chmod(facts["SockPathMode"])
    made.listen()
    return made


def loaded(target: str) -> dict[str, Any]:
    """The agent, which must be loaded."""
    if not LOADED.exists():
        fail(113, f'Could not find service "{target}" in domain for user gui')
    agent: dict[str, Any] = plistlib.loads(Path(LOADED.read_text()).read_bytes())
    return agent


def is_running() -> bool:
    """Nobody may have waited for it yet."""
    if not PID.exists():
        return False
    try:
        facts = Path("/proc", PID.read_text(), "stat").read_text()
    except FileNotFoundError:
        return False
    return facts.rpartition(") ")[2][0] != "Z"


def fail(code: int, message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(code)


COMMANDS: dict[str, Callable[..., None]] = {
    "print": print_,
    "enable": lambda _: None,
    "bootstrap": bootstrap,
    "kickstart": kickstart,
    "kill": kill,
    "bootout": bootout,
}
main(*sys.argv[1:])
