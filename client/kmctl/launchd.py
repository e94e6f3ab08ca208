"""The daemon as an agent of the user's launchd. Not run on macOS yet: docs/service.md."""

import time
from pathlib import Path
from typing import Any

from cco_knowledge.errors import DeadlineExceeded
from cco_knowledge.paths import Home
from cco_knowledge_client import InvalidParams, KnowledgeClient, KnowledgeError
from kmctl import launch_agent, launchctl
from kmctl.daemon_log import last_refusal
from kmctl.launch_agent import LABEL
from kmctl.service_manager import Changes, Places, Service, ServiceManagerFailed

_START_LIMIT_S = 120.0
_STOP_LIMIT_S = 150.0
_ANSWER_LIMIT_S = 5.0
_SPAWN_LIMIT_S = 10.0
"""Beyond the ThrottleInterval of the property list."""
_POLL_S = 0.1


class Launchd:
    """A `ServiceManager`."""

    name = "launchd"
    service = LABEL
    keeps_after_logout: str | None = None

    def require(self) -> None:
        launchctl.require()

    def places(self) -> Places | None:
        return launch_agent.installed_places()

    def write(self, service: Service, *, is_hardened: bool) -> Changes:
        if is_hardened:
            raise InvalidParams("launchd has nothing like --hardened. Leave it out.")
        # launchd makes no folders.
        service.home.log.parent.mkdir(mode=0o700, exist_ok=True)
        service.home.log.touch(mode=0o600)
        return Changes(launch_agent.write(service), [])

    def enable(self, *, listens_now: bool, is_changed: bool) -> None:
        launchctl.enable(LABEL)
        is_outdated = is_changed and self.is_listening()
        if is_outdated:
            self.stop()
        if is_outdated or (listens_now and not self.is_listening()):
            launchctl.bootstrap(launch_agent.installed_path())

    def remove(self) -> list[Path]:
        self.stop()
        return launch_agent.remove()

    def is_listening(self) -> bool:
        return launchctl.is_loaded(LABEL)

    def main_pid(self) -> int | None:
        return _number(launchctl.properties(LABEL).get("pid")) or None

    def ready_pid(self) -> int | None:
        pid = self.main_pid()
        return pid if pid is not None and self._is_ready() else None

    def start(self) -> int:
        if self.is_listening() and not self._installed().socket.exists():
            self.stop()  # launchd goes on listening where nobody gets to
        if not self.is_listening():
            launchctl.bootstrap(launch_agent.installed_path())
        if self.main_pid() is None:
            launchctl.kickstart(LABEL)
        return self._until_ready()

    def restart(self) -> int:
        pid = self.main_pid()
        if pid is not None:
            launchctl.terminate(LABEL)
            end_s = time.monotonic() + _STOP_LIMIT_S
            # launchd takes the process for running until it has noticed the end itself.
            while self.main_pid() == pid:
                _wait(end_s, f"The daemon (pid {pid}) is still stopping.")
        return self.start()

    def stop(self) -> None:
        launchctl.bootout(LABEL)
        # launchd leaves it behind, and has been seen to fail to replace it.
        self._installed().socket.unlink(missing_ok=True)

    def facts(self) -> dict[str, Any]:
        found = launchctl.properties(LABEL)
        return {
            "listening": self.places() is not None and self.is_listening(),
            "service": found.get("state", "not loaded"),
            "starts": _number(found.get("runs")),
            "last_exit": found.get("last exit code"),
            "pid": _number(found.get("pid")) or None,
        }

    def summary(self) -> str:
        facts = self.facts()
        return f"{facts['service']}, {facts['starts']} starts"

    def failure(self) -> str | None:
        """It never gives up."""
        return None

    def is_kept_after_logout(self) -> bool:
        return False

    def log_command(self, n_lines: int, *, is_following: bool, is_bare: bool) -> list[str]:
        del is_bare  # tail adds nothing
        log = Home(self._installed().home).log
        return ["tail", "-n", str(n_lines), *(["-F"] if is_following else []), str(log)]

    def _installed(self) -> Places:
        places = self.places()
        if places is None:
            raise ServiceManagerFailed(
                f"kmctl installed no service of {self.name}. Install it with: kmctl service install"
            )
        return places

    def _is_ready(self) -> bool:
        """Asks only where a daemon runs: to ask would start it."""
        try:
            with KnowledgeClient(self._installed().socket, timeout_s=_ANSWER_LIMIT_S) as knowledge:
                return bool(knowledge.call("system.status")["ready"])
        except KnowledgeError:
            return False

    def _until_ready(self) -> int:
        end_s = time.monotonic() + _START_LIMIT_S
        pid = self._spawned_pid()
        while self.main_pid() == pid:
            if self._is_ready():
                return pid
            _wait(end_s, "The daemon goes on starting. kmctl health shows when it is ready.")
        raise self._has_ended()

    def _spawned_pid(self) -> int:
        end_s = time.monotonic() + _SPAWN_LIMIT_S
        while time.monotonic() < end_s:
            pid = self.main_pid()
            if pid is not None:
                return pid
            time.sleep(_POLL_S)
        raise self._has_ended()

    def _has_ended(self) -> ServiceManagerFailed:
        said = last_refusal(Home(self._installed().home).log)
        return ServiceManagerFailed(
            f"The daemon ended before it was ready. It said: {said or 'nothing'} "
            "Its log: kmctl service logs"
        )


def _number(text: str | None) -> int:
    """0 where launchd tells none."""
    return int(text) if text is not None and text.isdecimal() else 0


def _wait(end_s: float, what_goes_on: str) -> None:
    """For what launchd tells nobody about. Raises DeadlineExceeded when the time is over."""
    if time.monotonic() > end_s:
        raise DeadlineExceeded(what_goes_on)
    time.sleep(_POLL_S)
