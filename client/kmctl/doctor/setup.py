"""What all checks look at: a home, its settings, and the daemon that answers or does not."""

import os
import shlex
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cco_knowledge.paths import Home
from cco_knowledge_client import InvalidParams, KnowledgeError, Unreachable
from kmctl.installed_service import manager_of
from kmctl.options import Invocation
from kmctl.reach import ask, connect, home_of, load_settings, socket_path
from kmctl.service_manager import ServiceManagerFailed

if TYPE_CHECKING:
    from cco_knowledge.config import LoadedConfig

_ANSWER_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Setup:
    invocation: Invocation
    home: Home
    config: "LoadedConfig | None"
    refusal: str
    """Why the settings are refused; empty where they are not."""
    socket: Path
    status: dict[str, Any] | None
    """`system.status`; None: no daemon answered."""
    ping_ms: float
    silence: KnowledgeError | None
    """Why a daemon that listens gave no answer."""
    sleeps_at: str | None
    """The service manager that listens where no daemon runs: to connect would start one."""

    def kmctl(self, command: str) -> str:
        """A command line for the same daemon."""
        options = {"--home": self.invocation.home, "--socket": self.invocation.socket}
        words = [word for name, value in options.items() if value for word in (name, value)]
        return " ".join(["kmctl", command, *map(shlex.quote, words)])

    def ask(self, method: str) -> Any:
        return ask(replace(self.invocation, socket=str(self.socket)), method)


def observe(invocation: Invocation) -> Setup:
    patient = replace(invocation, timeout_s=invocation.timeout_s or _ANSWER_LIMIT_S)
    config, refusal = _settings(patient)
    socket = config.socket_path if config else _unconfigured_socket(patient)
    # The socket is given as a flag: the settings, which may be refused, are not asked again.
    found = replace(patient, socket=str(socket))
    sleeps_at = _sleeps_at(found)
    status, ping_ms, silence = (None, 0.0, None) if sleeps_at else _daemon(found)
    home = home_of(patient)
    return Setup(invocation, home, config, refusal, socket, status, ping_ms, silence, sleeps_at)


def files(home: Home) -> Iterator[tuple[Path, os.stat_result]]:
    """Everything in the home but links. What a daemon removes meanwhile is left out."""
    for folder, names, file_names in os.walk(home.path):
        for name in (*names, *file_names):
            path = Path(folder, name)
            try:
                facts = path.lstat()
            except FileNotFoundError:
                continue
            if not stat.S_ISLNK(facts.st_mode):
                yield path, facts


def _settings(invocation: Invocation) -> tuple["LoadedConfig | None", str]:
    try:
        return load_settings(invocation), ""
    except InvalidParams as error:
        return None, error.message


def _unconfigured_socket(invocation: Invocation) -> Path:
    """Where a daemon that was started with other settings most likely listens."""
    try:
        return socket_path(invocation)
    except InvalidParams:
        return home_of(invocation).socket


def _sleeps_at(invocation: Invocation) -> str | None:
    try:
        manager = manager_of(invocation)
        sleeps = manager and manager.main_pid() is None and manager.is_listening()
    except ServiceManagerFailed:
        return None
    return manager.name if manager and sleeps else None


def _daemon(invocation: Invocation) -> tuple[dict[str, Any] | None, float, KnowledgeError | None]:
    try:
        with connect(invocation) as knowledge:
            knowledge.ping()
            begun = time.perf_counter()
            knowledge.ping()
            ping_ms = (time.perf_counter() - begun) * 1000
            return knowledge.call("system.status"), ping_ms, None
    except Unreachable:
        return None, 0.0, None
    except KnowledgeError as error:
        return None, 0.0, error
