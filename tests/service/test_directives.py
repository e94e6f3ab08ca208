"""Each line of the units takes effect: what it is for happens with it, and not without it."""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kmctl import units
from service import acts, test_systemd
from service.private_systemd import PrivateSystemd

_DIES = test_systemd.test_the_first_request_starts_it_and_none_is_refused_when_it_dies
_HANGS = test_systemd.test_a_daemon_that_hangs_is_replaced_and_the_request_is_answered
_LOOPS = test_systemd.test_a_crash_loop_ends_and_says_what_to_do
_STOPS = test_systemd.test_start_stop_and_restart_act_through_systemd_and_say_so
_NO_MEMORY_CONTROLLER = "a manager has it only where the system delegates it to its users"
_SLOW = "it would take a minute or more to see"


@dataclass(frozen=True, slots=True)
class Seen:
    """By a program in a unit of that line alone, in one of all lines, and of the daemon itself."""

    what: str
    """An act or a sight."""
    differs: Callable[[Any, Any], bool]
    """Between what was seen without the line and with it."""
    beside: tuple[str, ...] = ()
    """Lines without which it does nothing."""


@dataclass(frozen=True, slots=True)
class Held:
    """By the manager as this value, of the service that runs."""

    property: str
    value: str
    effect: Callable[..., None] | str
    """The test that shows its effect, or why none does."""


def _becomes(outcome: object) -> Callable[[Any, Any], bool]:
    return lambda before, after: (before, after) == ("ok", outcome)


def _changes_to(value: object) -> Callable[[Any, Any], bool]:
    return lambda before, after: before != after == value


def _is_limited_to(count: int) -> Callable[[Any, Any], bool]:
    """Or to what the manager itself may have."""

    def differs(before: list[str], after: list[str]) -> bool:
        bounds = [count, *(int(bound) for bound in before[1:] if bound != "unlimited")]
        return before != after == [str(min(bounds))] * 2

    return differs


def _is_another(before: object, after: object) -> bool:
    return before != after


def _loses_capability(number: int, before: int, after: int) -> bool:
    return not after >> number & 1 and (before >> number & 1 == 1 or after == 0)


def _is_read_only(point: str, before: dict[str, str], after: dict[str, str]) -> bool:
    return "ro" in after[point].split(",") and "ro" not in before.get(point, "").split(",")


def _is_mounted(point: str, before: dict[str, str], after: dict[str, str]) -> bool:
    return point in after and point not in before


_USERS = "PrivateUsers=yes"
SERVICE: dict[str, Seen | Held] = {
    "Description": Held("Description", "CCO Knowledge", "a name for people"),
    "Requires": Held("Requires", units.SOCKET, _STOPS),
    "After": Held("After", units.SOCKET, _DIES),
    "StartLimitIntervalSec": Held("StartLimitIntervalUSec", "10min", _LOOPS),
    "StartLimitBurst": Held("StartLimitBurst", "5", _LOOPS),
    "Type": Held("Type", "notify", _DIES),
    "NotifyAccess": Held("NotifyAccess", "main", _DIES),
    "ExecStart": Held("ExecStart", "cco_knowledge", _DIES),
    "TimeoutStartSec": Held("TimeoutStartUSec", "2min", _SLOW),
    "TimeoutStopSec": Held("TimeoutStopUSec", "1min", _SLOW),
    "WatchdogSec": Held("WatchdogUSec", "1min", _HANGS),
    "Restart": Held("Restart", "on-failure", _DIES),
    "RestartSec": Held("RestartUSec", "200ms", _DIES),
    "KillMode": Held("KillMode", "mixed", test_systemd.test_a_stop_asks_the_daemon_alone),
    "OOMPolicy": Held("OOMPolicy", "stop", _NO_MEMORY_CONTROLLER),
    "MemoryHigh": Held("MemoryHigh", str(2 << 30), _NO_MEMORY_CONTROLLER),
    "MemoryMax": Held("MemoryMax", str(4 << 30), _NO_MEMORY_CONTROLLER),
    "LimitNOFILE": Seen("open files", _is_limited_to(65536)),
    "LimitCORE": Seen("core size", _is_limited_to(0)),
    "UMask": Seen("umask", _changes_to("0077")),
    "RestrictAddressFamilies": Seen("open an internet socket", _becomes("EAFNOSUPPORT")),
    "NoNewPrivileges": Seen("no new privileges", _changes_to("1")),
    "LockPersonality": Seen("change the personality", _becomes("EPERM")),
    "MemoryDenyWriteExecute": Seen("map writable code", _becomes("EPERM")),
    "RestrictNamespaces": Seen("make a namespace", _becomes("EPERM")),
    "RestrictRealtime": Seen("ask for real time", _changes_to("EPERM")),
    "RestrictSUIDSGID": Seen("set the setuid bit", _becomes("EPERM")),
    "SystemCallArchitectures": Seen("make a call of another architecture", _changes_to("SIGSYS")),
    "SystemCallFilter": Seen(
        "be traced", _becomes("EPERM"), beside=("SystemCallErrorNumber=EPERM",)
    ),
    "SystemCallErrorNumber": Seen(
        "be traced", _changes_to("EPERM"), beside=("SystemCallFilter=@system-service",)
    ),
}
HARDENING: dict[str, Seen | Held] = {
    "PrivateUsers": Seen("user namespace", _is_another),
    "ProtectSystem": Seen("write to the system", _becomes("EROFS"), beside=(_USERS,)),
    "ProtectHome": Seen("write to the home folder", _becomes("EROFS"), beside=(_USERS,)),
    "ReadWritePaths": Seen(
        "write to the daemon's home",
        lambda before, after: after == "ok" and before in ("EROFS", "ok"),
        beside=(_USERS, "ProtectHome=read-only"),
    ),
    "PrivateTmp": Seen("mounts", partial(_is_mounted, "/tmp"), beside=(_USERS,)),  # noqa: S108
    "PrivateDevices": Seen(
        "devices", lambda before, after: "tty0" in before and "tty0" not in after, beside=(_USERS,)
    ),
    "PrivateNetwork": Seen("network namespace", _is_another, beside=(_USERS,)),
    "ProtectControlGroups": Seen(
        "mounts", partial(_is_read_only, "/sys/fs/cgroup"), beside=(_USERS,)
    ),
    "ProtectKernelTunables": Seen("mounts", partial(_is_read_only, "/proc/sys"), beside=(_USERS,)),
    "CapabilityBoundingSet": Seen("bounding set", _changes_to(0), beside=(_USERS,)),
    "ProtectClock": Seen("read the adjustment of the clock", _becomes("EPERM"), beside=(_USERS,)),
    "ProtectHostname": Seen("host name namespace", _is_another, beside=(_USERS,)),
    "ProtectKernelLogs": Seen(
        "bounding set", partial(_loses_capability, 34), beside=(_USERS, "PrivateDevices=yes")
    ),
    "ProtectKernelModules": Seen("bounding set", partial(_loses_capability, 16), beside=(_USERS,)),
    "SystemCallFilter": Seen(
        "set a priority", _becomes("EPERM"), beside=(_USERS, "SystemCallErrorNumber=EPERM")
    ),
}


def lines_of(text: str) -> dict[str, str]:
    """The lines of a unit file by their directives; the sections are not told apart."""
    lines = [line for line in text.splitlines() if "=" in line and not line.startswith("#")]
    found = {line.partition("=")[0]: line for line in lines}
    assert len(found) == len(lines)
    return found


def rendered(home: Path) -> tuple[dict[str, str], dict[str, str]]:
    made = units.Units(home, home / "knowledge.sock", ["true"]).rendered(hardened=True)
    return lines_of(made[units.SERVICE]), lines_of(made[units.HARDENING])


def test_no_line_is_without_a_proof(tmp_path: Path) -> None:
    service, hardening = rendered(tmp_path)
    assert list(service) == list(SERVICE)
    assert list(hardening) == list(HARDENING)


class Probe:
    """Runs the acts in units of given lines."""

    def __init__(self, systemd: PrivateSystemd) -> None:
        self._systemd = systemd
        self._folder = systemd.home / ".config" / "systemd" / "user"
        self._program = systemd.home / "acts.py"
        self._said = systemd.home / ".cco" / "said.json"
        self._folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(acts.__file__, self._program)

    def run(self, *lines: str) -> dict[str, Any]:
        unit = [
            *("[Service]", "Type=oneshot", *lines, f"StandardOutput=truncate:{self._said}"),
            f"ExecStart={self._python}",
        ]
        (self._folder / "probe.service").write_text("\n".join(unit) + "\n")
        started = self._systemd.sh(
            "systemctl --user daemon-reload && systemctl --user start probe.service"
        )
        assert started.code == 0, (lines, started, self._systemd.sh("tail ~/manager.log").out)
        said: dict[str, Any] = json.loads(self._said.read_text())
        return said

    def of_process(self, pid: int) -> dict[str, Any]:
        seen: dict[str, Any] = json.loads(self._systemd.sh(f"{self._python} {pid}").out)
        return seen

    @property
    def _python(self) -> str:
        return f"{sys.executable} -I -S {self._program}"


@pytest.mark.usefixtures("_sees_the_interpreter")
@pytest.mark.timeout(300)
def test_each_line_does_what_it_is_for(systemd: PrivateSystemd) -> None:
    probe = Probe(systemd)
    service, hardening = rendered(systemd.home / ".cco")
    free = probe.run()
    strict = probe.run(
        *(line for name, line in service.items() if isinstance(SERVICE[name], Seen)),
        *hardening.values(),
    )
    assert systemd.json("kmctl service install --hardened")["listening"] is True
    systemd.json("kmctl start")
    daemon = probe.of_process(systemd.main_pid())
    faults = []
    for proofs, lines in ((SERVICE, service), (HARDENING, hardening)):
        for name, proof in proofs.items():
            if isinstance(proof, Held):
                faults += _faults_of_held(systemd, name, proof)
                continue
            without, alone = probe.run(*proof.beside), probe.run(*proof.beside, lines[name])
            where = {"alone": (without, alone), "with all": (free, strict)}
            if proof.what in acts.SIGHTS:
                where["the daemon"] = (free, daemon)
            faults += [
                f"{name} ({place}): {before[proof.what]} → {after[proof.what]}"
                for place, (before, after) in where.items()
                if not proof.differs(before[proof.what], after[proof.what])
            ]
    assert not faults, "\n".join(faults)


def _faults_of_held(systemd: PrivateSystemd, name: str, proof: Held) -> list[str]:
    held = systemd.sh(f"systemctl --user show -P {proof.property} {units.SERVICE}").out
    return [] if proof.value in held else [f"{name}: the manager holds {held!r}"]


def test_memory_is_bounded_where_the_manager_may_do_so(systemd: PrivateSystemd) -> None:
    if "memory" not in systemd.sh("cat /sys/fs/cgroup/cgroup.controllers").out.split():
        pytest.skip("the kernel gives this manager no memory controller")
    systemd.sh("kmctl service install; kmctl start")
    group = systemd.sh(f"systemctl --user show -P ControlGroup {units.SERVICE}").out.strip()
    limits = systemd.sh(f"cat /sys/fs/cgroup{group}/memory.high /sys/fs/cgroup{group}/memory.max")
    assert limits.out.split() == [str(2 << 30), str(4 << 30)]
