"""The daemon as a service of the user's systemd."""

import getpass
import sys
from pathlib import Path
from typing import Any

from cco_knowledge_client import InvalidParams
from kmctl import systemctl, units
from kmctl.service_manager import Changes, Places, Service, ServiceManagerFailed

_ACTIVE = ("active", "activating", "reloading", "deactivating")
_HIDDEN = ("/tmp", "/var/tmp")  # noqa: S108  # looked for


class Systemd:
    """A `ServiceManager`."""

    name = "systemd"
    service = units.SERVICE
    keeps_after_logout: str | None = "loginctl enable-linger"

    def require(self) -> None:
        systemctl.require()

    def places(self) -> Places | None:
        return units.installed_places()

    def write(self, service: Service, *, is_hardened: bool) -> Changes:
        if is_hardened:
            _refuse_hidden(service.home.path)
        made = units.Units(service.home.path, service.socket, service.command)
        written = units.write(made.rendered(hardened=is_hardened))
        removed = [] if is_hardened else units.remove([units.HARDENING])
        systemctl.do("daemon-reload")
        return Changes(written, removed)

    def enable(self, *, listens_now: bool, is_changed: bool) -> None:
        systemctl.do("enable", *(["--now"] if listens_now else []), units.SOCKET)
        if is_changed:
            systemctl.do("try-restart", units.SERVICE)

    def remove(self) -> list[Path]:
        systemctl.do("disable", "--now", units.SOCKET, units.SERVICE)
        removed = units.remove([units.SOCKET, units.SERVICE, units.HARDENING])
        systemctl.do("daemon-reload")
        systemctl.forget_failures(units.SOCKET, units.SERVICE)
        return removed

    def is_listening(self) -> bool:
        state = systemctl.properties(units.SOCKET, ["ActiveState"])["ActiveState"]
        return state in _ACTIVE

    def main_pid(self) -> int | None:
        return int(systemctl.properties(units.SERVICE, ["MainPID"])["MainPID"] or "0") or None

    def ready_pid(self) -> int | None:
        state = systemctl.properties(units.SERVICE, ["ActiveState"])["ActiveState"]
        return self.main_pid() if state == "active" and not self._has_lost_socket() else None

    def start(self) -> int:
        if self.is_listening() and self._has_lost_socket():
            self.stop()  # systemd goes on listening where nobody gets to
        return self._until_ready("start", units.SOCKET, units.SERVICE)

    def restart(self) -> int:
        return self._until_ready("restart", units.SERVICE)

    def stop(self) -> None:
        # The path goes first: nobody comes any more, the daemon answers all who came, and none is
        # left in the socket that systemd closes last.
        if (places := self.places()) is not None:
            places.socket.unlink(missing_ok=True)
        systemctl.do("stop", units.SOCKET, units.SERVICE)

    def facts(self) -> dict[str, Any]:
        enabled = systemctl.properties(units.SOCKET, ["UnitFileState"])["UnitFileState"]
        names = ("ActiveState", "SubState", "StatusText", "NRestarts", "Result")
        found = systemctl.properties(units.SERVICE, names)
        return {
            "hardened": (units.installed_folder() / units.HARDENING).exists(),
            "enabled": enabled == "enabled",
            "listening": self.places() is not None and self.is_listening(),
            "service": f"{found['ActiveState']} ({found['SubState']})",
            "status": found["StatusText"] or None,
            "restarts": int(found["NRestarts"] or "0"),
            "result": found["Result"],
            "pid": self.main_pid(),
        }

    def summary(self) -> str:
        facts = self.facts()
        return f"{facts['service']}, {facts['restarts']} restarts"

    def failure(self) -> str | None:
        facts = self.facts()
        if not facts["service"].startswith("failed"):
            return None
        return (
            f"systemd has given up on {units.SERVICE} after {facts['restarts']} restarts "
            f"({facts['result']}); nobody listens any more. The daemon said last: "
            f"{facts['status'] or 'nothing'}"
        )

    def is_kept_after_logout(self) -> bool:
        return Path("/var/lib/systemd/linger", getpass.getuser()).exists()

    def log_command(self, n_lines: int, *, is_following: bool, is_bare: bool) -> list[str]:
        command = ["journalctl", f"--user-unit={units.SERVICE}", f"--lines={n_lines}", "--no-pager"]
        flags = {"--follow": is_following, "--quiet": is_bare}
        return [*command, *(flag for flag, is_set in flags.items() if is_set)]

    def _has_lost_socket(self) -> bool:
        places = self.places()
        return places is not None and not places.socket.exists()

    def _until_ready(self, *arguments: str) -> int:
        systemctl.forget_failures(units.SOCKET, units.SERVICE)
        try:
            systemctl.do(*arguments)
        except ServiceManagerFailed as error:
            status = self.facts()["status"]
            raise ServiceManagerFailed(
                f"{error.message} The daemon said: {status or 'nothing'}. "
                "Its log: kmctl service logs"
            ) from error
        pid = self.main_pid()
        if pid is None:
            raise ServiceManagerFailed(
                "The daemon ended right after its start. Its log: kmctl service logs"
            )
        return pid


def _refuse_hidden(home: Path) -> None:
    for needed in (home, Path(sys.executable)):
        if any(needed.is_relative_to(folder) for folder in _HIDDEN):
            raise InvalidParams(
                "A hardened service has a /tmp and a /var/tmp of its own and would not see "
                f"{needed}. Choose another place, or leave out --hardened."
            )
