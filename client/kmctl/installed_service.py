"""The daemon as a service of systemd, for the commands that act through it where it is there."""

import sys
from pathlib import Path
from typing import Any

from kmctl import systemctl, units
from kmctl.options import Invocation
from kmctl.reach import home_of, socket_path

_ACTIVE = ("active", "activating", "reloading", "deactivating")


def serves(invocation: Invocation) -> bool:
    """Whether the daemon that is meant is a service that kmctl installed.

    Raises:
        ServiceManagerFailed: it is, and systemd cannot be asked.
    """
    return serves_at(home_of(invocation).path, socket_path(invocation))


def serves_at(home: Path, socket: Path) -> bool:
    """As `serves`."""
    if sys.platform != "linux":
        return False
    if units.installed_places() != (home, socket):
        return False
    systemctl.require()
    return True


def is_listening() -> bool:
    """Whether a request would be answered, by a daemon that runs or by one that it starts."""
    state = systemctl.properties(units.SOCKET, ["ActiveState"])["ActiveState"]
    return state in _ACTIVE


def ready_pid() -> int | None:
    """Of a daemon that has become ready, or None where it starts, ends or is not there."""
    state = systemctl.properties(units.SERVICE, ["ActiveState"])["ActiveState"]
    return main_pid() if state == "active" and not _has_lost_socket() else None


def main_pid() -> int | None:
    return int(systemctl.properties(units.SERVICE, ["MainPID"])["MainPID"] or "0") or None


def state() -> dict[str, Any]:
    names = ("ActiveState", "SubState", "StatusText", "NRestarts", "Result")
    found = systemctl.properties(units.SERVICE, names)
    return {
        "service": f"{found['ActiveState']} ({found['SubState']})",
        "status": found["StatusText"] or None,
        "restarts": int(found["NRestarts"] or "0"),
        "result": found["Result"],
        "pid": main_pid(),
    }


def failure() -> str | None:
    """Why systemd has given up on the service, in one sentence; None: it has not."""
    found = systemctl.properties(
        units.SERVICE, ["ActiveState", "NRestarts", "Result", "StatusText"]
    )
    if found["ActiveState"] != "failed":
        return None
    said = found["StatusText"] or "nothing"
    return (
        f"systemd has given up on {units.SERVICE} after {found['NRestarts']} restarts "
        f"({found['Result']}); nobody listens any more. The daemon said last: {said}"
    )


def start() -> int:
    """The pid of a daemon that is ready; its socket listens too."""
    if is_listening() and _has_lost_socket():
        stop()  # systemd goes on listening where nobody gets to
    return _until_ready("start", units.SOCKET, units.SERVICE)


def restart() -> int:
    """As `start`. The socket goes on listening, so that no client is refused meanwhile."""
    return _until_ready("restart", units.SERVICE)


def stop() -> None:
    """The socket too: otherwise the next request would start the daemon again.

    Its path goes first: nobody comes any more, the daemon answers all who came, and none is left
    in the socket that systemd closes last.
    """
    places = units.installed_places()
    if places is not None:
        places[1].unlink(missing_ok=True)
    systemctl.do("stop", units.SOCKET, units.SERVICE)


def _has_lost_socket() -> bool:
    places = units.installed_places()
    return places is not None and not places[1].exists()


def _until_ready(*arguments: str) -> int:
    systemctl.forget_failures(units.SOCKET, units.SERVICE)
    try:
        systemctl.do(*arguments)
    except systemctl.ServiceManagerFailed as error:
        status = state()["status"]
        raise systemctl.ServiceManagerFailed(
            f"{error.message} The daemon said: {status or 'nothing'}. Its log: kmctl service logs"
        ) from error
    pid = main_pid()
    if pid is None:
        raise systemctl.ServiceManagerFailed(
            "The daemon ended right after its start. Its log: kmctl service logs"
        )
    return pid
