"""The user's systemd, through its own commands."""

import shutil
import subprocess
from collections.abc import Sequence

from kmctl.service_manager import ServiceManagerFailed, ask


def require() -> None:
    """Raises ServiceManagerFailed where no systemd of this user can be asked."""
    if shutil.which("systemctl") is None:
        raise ServiceManagerFailed(
            "There is no systemd here (no systemctl). Start the daemon with: kmctl start --detach"
        )
    asked = _run("show", "--property=Version")
    if asked.returncode:
        raise ServiceManagerFailed(
            f"No systemd manager of this user can be asked: {_last_line(asked.stderr)} "
            "Log in with a session of your own (with ssh, not su), so that XDG_RUNTIME_DIR is set; "
            "on a machine without sessions first run: sudo loginctl enable-linger $USER"
        )


def do(*arguments: str) -> None:
    """Raises ServiceManagerFailed with what systemctl says."""
    ended = _run(*arguments)
    if ended.returncode:
        said = " ".join(ended.stderr.split()) or f"exit {ended.returncode}"
        raise ServiceManagerFailed(f"systemctl --user {' '.join(arguments)} failed: {said}")


def forget_failures(*units: str) -> None:
    """Of units that may not be loaded: otherwise a start soon after many is refused."""
    _run("reset-failed", *units)


def properties(unit: str, names: Sequence[str]) -> dict[str, str]:
    """Of a unit that need not exist; all are empty where no manager answers."""
    ended = _run("show", f"--property={','.join(names)}", unit)
    found = dict(line.partition("=")[::2] for line in ended.stdout.splitlines())
    return {name: found.get(name, "") for name in names}


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return ask(["systemctl", "--user", "--no-pager", *arguments])


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return f"{lines[-1].rstrip('.')}." if lines else "systemctl gave no reason."
