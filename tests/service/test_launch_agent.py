"""The property list for launchd, held to the table of keys and types in launchd.plist(5).

Nothing here has been read by launchd itself.
"""

import plistlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge import launchd
from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import Home
from cco_knowledge_client import Conflict
from kmctl import launch_agent
from kmctl.service_manager import Places, Service

KEYS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("Label", "Program", "UserName", "GroupName", "ProcessType"), str),
    **dict.fromkeys(("RootDirectory", "WorkingDirectory", "StandardInPath"), str),
    **dict.fromkeys(("StandardOutPath", "StandardErrorPath"), str),
    **dict.fromkeys(("Disabled", "EnableGlobbing", "EnableTransactions", "RunAtLoad"), bool),
    **dict.fromkeys(("EnablePressuredExit", "InitGroups", "StartOnMount", "SessionCreate"), bool),
    **dict.fromkeys(("Debug", "WaitForDebugger", "AbandonProcessGroup", "LegacyTimers"), bool),
    **dict.fromkeys(("LowPriorityIO", "LowPriorityBackgroundIO", "LaunchOnlyOnce"), bool),
    **dict.fromkeys(("Umask", "TimeOut", "ExitTimeOut", "ThrottleInterval", "Nice"), int),
    **dict.fromkeys(("StartInterval",), int),
    **dict.fromkeys(("ProgramArguments", "WatchPaths", "QueueDirectories"), list),
    **dict.fromkeys(("LimitLoadToHosts", "LimitLoadFromHosts"), list),
    **dict.fromkeys(("inetdCompatibility", "EnvironmentVariables", "MachServices"), dict),
    **dict.fromkeys(("Sockets", "LaunchEvents", "LimitLoadToHardware"), dict),
    **dict.fromkeys(("SoftResourceLimits", "HardResourceLimits"), dict),
    "KeepAlive": (bool, dict),
    "LimitLoadToSessionType": (str, list),
    "StartCalendarInterval": (dict, list),
    "AssociatedBundleIdentifiers": (str, list),
}
OF_A_SOCKET: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("SockType", "SockNodeName", "SockServiceName", "SockFamily"), str),
    **dict.fromkeys(("SockProtocol", "SockPathName", "SecureSocketWithKey"), str),
    **dict.fromkeys(("MulticastGroup",), str),
    **dict.fromkeys(("SockPathOwner", "SockPathGroup", "SockPathMode"), int),
    **dict.fromkeys(("SockPassive", "ReceivePacketInfo"), bool),
    "Bonjour": (bool, str, list),
}
OF_LIMITS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("Core", "CPU", "Data", "FileSize", "MemoryLock", "Stack"), int),
    **dict.fromkeys(("NumberOfFiles", "NumberOfProcesses", "ResidentSetSize"), int),
}
PROCESS_TYPES = ("Background", "Standard", "Adaptive", "Interactive")


def service_of(home: Path, *, drain_s: float = 30.0) -> Service:
    command = [sys.executable, "-P", "-m", "cco_knowledge", "--home", str(home)]
    return Service(Home(home), home / "knowledge.sock", command, drain_s)


@pytest.fixture(params=["home", "my \"own\" & <50%> '$HOME' ~ {socket} é"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Service:
    return service_of(tmp_path / request.param)


def agent_of(service: Service) -> Any:
    return plistlib.loads(launch_agent.rendered(service).encode())


def assert_known(found: dict[str, Any], table: dict[str, type | tuple[type, ...]]) -> None:
    assert set(found) <= set(table)
    for key, value in found.items():
        assert isinstance(value, table[key]), key
        # A bool is an int to Python, and not to launchd.
        assert table[key] is not int or not isinstance(value, bool), key


def test_each_key_is_known_and_of_its_type(service: Service) -> None:
    agent = agent_of(service)
    assert_known(agent, KEYS)
    assert_known(agent["Sockets"]["rpc"], OF_A_SOCKET)
    assert_known(agent["SoftResourceLimits"], OF_LIMITS)
    assert agent["ProcessType"] in PROCESS_TYPES
    assert all(isinstance(word, str) for word in agent["ProgramArguments"])


def test_it_says_what_the_daemon_needs(service: Service) -> None:
    agent, home = agent_of(service), service.home.path
    assert agent["Label"] == launch_agent.LABEL
    log = str(home / "logs" / "knowledge.log")
    assert agent["ProgramArguments"] == [*service.command, "--log-file", log]
    assert agent["Sockets"] == {
        launchd.SOCKET: {"SockPathName": str(home / "knowledge.sock"), "SockPathMode": 0o600}
    }
    assert (agent["StandardOutPath"], agent["StandardErrorPath"]) == (log, log)
    assert agent["Umask"] == 0o077
    # Either would start it at each login: launchd.plist(5).
    assert not {"RunAtLoad", "KeepAlive"} & set(agent)


@pytest.mark.parametrize(("drain_s", "stop_limit_s"), [(30.0, 60), (0.5, 31), (600.0, 630)])
def test_launchd_waits_longer_than_a_daemon_drains(
    drain_s: float, stop_limit_s: int, tmp_path: Path
) -> None:
    assert agent_of(service_of(tmp_path, drain_s=drain_s))["ExitTimeOut"] == stop_limit_s


@pytest.mark.skipif(shutil.which("plistutil") is None, reason="there is no plistutil (libplist)")
def test_another_reader_finds_the_same(service: Service, tmp_path: Path) -> None:
    written, converted = tmp_path / "agent.plist", tmp_path / "agent.binary"
    written.write_text(launch_agent.rendered(service))
    subprocess.run(["plistutil", "-i", written, "-o", converted, "-f", "bin"], check=True)
    assert converted.read_bytes().startswith(b"bplist")
    assert plistlib.loads(converted.read_bytes()) == agent_of(service)


def test_a_path_that_a_property_list_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="cannot name this path"):
        launch_agent.rendered(service_of(tmp_path / "a\x01b"))


def test_it_is_written_once_found_again_and_removed(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "Library" / "LaunchAgents" / "com.cco.knowledge.plist"
    assert launch_agent.installed_places() is None
    assert launch_agent.write(service) == [path]
    assert path.stat().st_mode & 0o777 == 0o644
    assert launch_agent.write(service) == []
    assert launch_agent.installed_places() == Places(service.home.path, service.socket)
    assert launch_agent.remove() == [path]
    assert launch_agent.remove() == []


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"<plist><dict>",
        plistlib.dumps([]),
        plistlib.dumps({"Label": "com.cco.knowledge", "ProgramArguments": ["/bin/true"]}),
    ],
    ids=["empty", "torn", "list", "another program"],
)
def test_what_kmctl_did_not_write_stays(
    foreign: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = launch_agent.installed_path()
    path.parent.mkdir(parents=True)
    path.write_bytes(foreign)
    with pytest.raises(Conflict, match="was not written by kmctl"):
        launch_agent.write(service_of(tmp_path / "home"))
    assert launch_agent.remove() == []
    assert path.read_bytes() == foreign
