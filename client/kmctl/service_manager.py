"""What kmctl asks of the user's service manager, whichever the system has."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cco_knowledge.errors import DeadlineExceeded, KnowledgeError
from cco_knowledge.paths import Home

LIMIT_S = 150.0
"""Beyond the time after which systemd gives up on a start that does not ask for more."""


class ServiceManagerFailed(KnowledgeError):
    reason = "service_manager_failed"


class Places(NamedTuple):
    """Which daemon a service runs."""

    home: Path
    socket: Path


@dataclass(frozen=True, slots=True)
class Service:
    """What a manager needs to know of one daemon. All paths are absolute."""

    home: Home
    socket: Path
    command: Sequence[str]
    drain_s: float
    """So long a daemon that is stopped waits for what it has accepted."""


class Changes(NamedTuple):
    written: list[Path]
    removed: list[Path]


class ServiceManager(Protocol):
    """Runs one service for a user. All but `places` raise ServiceManagerFailed.

    The socket listens from the login on, and the first request starts the daemon.
    """

    name: str
    """As people are told."""
    service: str
    """What it calls the service."""
    keeps_after_logout: str | None
    """The command that makes it keep the service then, where there is one."""

    def require(self) -> None:
        """Raises where no manager of this user can be asked."""

    def places(self) -> Places | None:
        """Of the installed service, or None where kmctl installed none. Asks only the disk."""

    def write(self, service: Service, *, is_hardened: bool) -> Changes:
        """What the manager reads. A file that kmctl did not write stays.

        Raises:
            Conflict: there is a foreign file; nothing was written.
            InvalidParams: it cannot be hardened.
        """

    def enable(self, *, listens_now: bool, is_changed: bool) -> None:
        """From the next login on, or now. What runs and is changed is restarted."""

    def remove(self) -> list[Path]:
        """Stop it, and take away what kmctl wrote."""

    def is_listening(self) -> bool:
        """Whether a request would be answered, by a daemon that runs or by one that it starts."""

    def main_pid(self) -> int | None: ...

    def ready_pid(self) -> int | None:
        """Of a daemon that has become ready, or None where it starts, ends or is not there."""

    def start(self) -> int:
        """The pid of a daemon that is ready; its socket listens too."""

    def restart(self) -> int:
        """As `start`. The socket goes on listening, so that no client is refused meanwhile."""

    def stop(self) -> None:
        """The socket too: otherwise the next request would start the daemon again."""

    def facts(self) -> dict[str, Any]:
        """How the service is, for `kmctl service status`."""

    def summary(self) -> str:
        """The same in a few words."""

    def failure(self) -> str | None:
        """Why it has given up on the service, in one sentence; None: it has not."""

    def is_kept_after_logout(self) -> bool: ...

    def log_command(self, n_lines: int, *, is_following: bool, is_bare: bool) -> list[str]:
        """What prints the log's last lines; `is_bare`: nothing else."""


def ask(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a manager's own command, whatever its exit code. Raises DeadlineExceeded."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeadlineExceeded(
            f"{' '.join(command)} is still at work after {LIMIT_S:g} s. "
            "How it goes: kmctl service status"
        ) from error
