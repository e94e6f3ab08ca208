"""The user's launchd, through launchctl(1): the session of who is logged in at the screen."""

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

from cco_knowledge.errors import DeadlineExceeded
from kmctl.service_manager import LIMIT_S, ServiceManagerFailed, ask

_POLL_S = 0.1
_STILL_STOPPING = 36
"""An exit code of bootout: EINPROGRESS of Darwin."""
_OWN_LINE = re.compile(r"^(?:\t| {4})(\w[\w ]*?) = ([^{\s].*)$", re.MULTILINE)


def require() -> None:
    """Raises ServiceManagerFailed where no launchd of this user can be asked."""
    if shutil.which("launchctl") is None:
        raise ServiceManagerFailed(
            "There is no launchd here (no launchctl). Start the daemon with: kmctl start --detach"
        )
    asked = _run("print", _domain())
    if asked.returncode:
        raise ServiceManagerFailed(
            f"launchd has no session {_domain()}: {_said(asked)} It keeps agents only for a user "
            "who is logged in at the screen of this Mac. Log in there, then try again."
        )


def bootstrap(agent: Path) -> None:
    """From now on it listens. One that is loaded must have been booted out."""
    _do("bootstrap", _domain(), str(agent))


def bootout(label: str) -> None:
    """Returns when it is gone: while it ends, launchd refuses to load it anew."""
    asked = _run("bootout", _target(label))
    end_s = time.monotonic() + LIMIT_S
    while is_loaded(label):
        if asked.returncode not in (0, _STILL_STOPPING):
            raise ServiceManagerFailed(f"launchctl cannot stop {label}: {_said(asked)}")
        if time.monotonic() > end_s:
            raise DeadlineExceeded(f"launchd is still stopping {label} after {LIMIT_S:g} s.")
        time.sleep(_POLL_S)


def enable(label: str) -> None:
    """At each login, whatever `launchctl disable` has said before."""
    _do("enable", _target(label))


def kickstart(label: str) -> None:
    """Without waiting for a request. Not with -k, which kills: no call would be answered."""
    _do("kickstart", _target(label))


def terminate(label: str) -> None:
    _do("kill", "SIGTERM", _target(label))


def is_loaded(label: str) -> bool:
    """Whether it listens, runs, or is still ending."""
    return _run("print", _target(label)).returncode == 0


def properties(label: str) -> dict[str, str]:
    """What launchd tells of a loaded service, in words that may change with each macOS."""
    return own_properties(_run("print", _target(label)).stdout)


def own_properties(printed: str) -> dict[str, str]:
    """The lines `name = value` of the service itself, not of the sections within."""
    return dict(_OWN_LINE.findall(printed))


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _target(label: str) -> str:
    return f"{_domain()}/{label}"


def _do(*arguments: str) -> None:
    ended = _run(*arguments)
    if ended.returncode:
        raise ServiceManagerFailed(f"launchctl {' '.join(arguments)} failed: {_said(ended)}")


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return ask(["launchctl", *arguments])


def _said(ended: "subprocess.CompletedProcess[str]") -> str:
    said = " ".join(ended.stderr.split()) or f"exit {ended.returncode}"
    return f"{said.rstrip('.')}."
