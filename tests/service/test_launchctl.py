"""What kmctl asks of launchctl, against a stand-in that notes it and runs the real daemon.

No proof that launchd does what it is asked: nothing here has been run on macOS.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from cco_knowledge.models import DEFAULT_MODEL
from conftest import assert_healthy
from kmctl import installed_service, launchctl
from kmctl.boundary import run
from outcome import Outcome

LABEL = "com.cco.knowledge"
DOMAIN = f"gui/{os.getuid()}"
TARGET = f"{DOMAIN}/{LABEL}"


class StandIn:
    def __init__(self, folder: Path, user_home: Path) -> None:
        self.folder = folder
        self.agent = user_home / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def requests(self) -> list[list[str]]:
        """All but `print`, since it was last asked."""
        path = self.folder / "calls"
        calls = [json.loads(line) for line in path.read_text().splitlines()]
        path.write_text("")
        return [call for call in calls if call[0] != "print"]

    def log_everybody_out(self) -> None:
        (self.folder / "nobody-is-logged-in").touch()

    def end(self) -> None:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.folder / "pid").read_text()), signal.SIGKILL)


@pytest.fixture
def stand_in(
    launchd_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandIn]:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "launchd.so").symlink_to(launchd_library)
    source = Path(__file__).with_name("stand_in_launchctl.py")
    command = folder / "launchctl"
    command.write_text(f"#!{sys.executable}\n{source.read_text()}")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    # Only for the choice of the manager: all else is Linux.
    monkeypatch.setattr(installed_service, "sys", SimpleNamespace(platform="darwin"))
    made = StandIn(folder, tmp_path)
    yield made
    made.end()


Command = Callable[..., Outcome]


@pytest.fixture
def command(home: Path, stand_in: StandIn, capfd: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str) -> Outcome:
        code = run([*arguments, "--home", str(home)])
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


def test_install_start_restart_stop_uninstall(
    home: Path, stand_in: StandIn, command: Command
) -> None:
    installed = command("service", "install", "--json").json
    assert installed["written"] == [str(stand_in.agent)]
    assert (installed["listening"], installed["linger"]) == (True, False)
    bootstrap = ["bootstrap", DOMAIN, str(stand_in.agent)]
    assert stand_in.requests() == [["enable", TARGET], bootstrap]
    assert "Nothing to do" in command("service", "install").out
    assert stand_in.requests() == [["enable", TARGET]]

    started = command("start")
    assert f"launchd has started {LABEL}: the daemon is ready (pid " in started.out
    assert stand_in.requests() == [["kickstart", TARGET]]
    again = command("start", "--json").json
    assert (again["started"], again["service"]) == (False, LABEL)
    assert f"{LABEL}, running, 1 starts" in command("status").out

    restarted = command("restart", "--json").json
    assert restarted["old_pid"] == again["pid"] != restarted["pid"]
    assert stand_in.requests() == [["kill", "SIGTERM", TARGET], ["kickstart", TARGET]]
    facts = command("service", "status", "--json").json
    assert (facts["service"], facts["starts"]) == ("running", 2)
    assert facts["pid"] == restarted["pid"]
    assert '"ready"' in "".join(command("service", "logs", "--json").json["lines"])

    stopped = command("stop")
    assert f"launchd has stopped {LABEL} and its socket" in stopped.out
    assert stand_in.requests() == [["bootout", TARGET]]
    assert command("health").code == 3
    assert not (home / "knowledge.sock").exists()
    state = command("service", "status", "--json")
    assert (state.code, state.json["service"]) == (3, "not loaded")

    assert command("start").code == 0
    assert stand_in.requests() == [bootstrap, ["kickstart", TARGET]]
    gone = command("service", "uninstall", "--json").json
    assert gone["removed"] == [str(stand_in.agent)]
    assert stand_in.requests() == [["bootout", TARGET]]
    assert not stand_in.agent.exists()
    assert (home / "knowledge").is_dir()
    assert_healthy((home / "logs" / "knowledge.log").read_text())


def test_to_ask_for_a_service_that_sleeps_does_not_start_it(
    stand_in: StandIn, command: Command
) -> None:
    command("service", "install")
    stand_in.requests()
    asleep = command("status")
    assert (asleep.code, "launchd listens" in asleep.err) == (3, True)
    examined = command("doctor", "--json").json
    found = {check["name"]: (check["state"], check["what"]) for check in examined["checks"]}
    assert found["daemon"] == ("ok", "No daemon runs; launchd starts it at the next request.")
    assert found["open-files"] == ("ok", "The service has a limit of its own.")
    assert stand_in.requests() == []


def test_an_agent_that_has_changed_is_loaded_anew(
    home: Path, stand_in: StandIn, command: Command
) -> None:
    assert command("service", "install", "--no-start", "--json").json["listening"] is False
    assert stand_in.requests() == [["enable", TARGET]]
    assert command("service", "install", "--json").json["listening"] is True
    (home / "knowledge.toml").write_text("[limits]\ndrain_s = 100\n")
    stand_in.requests()
    assert command("service", "install", "--json").json["written"] == [str(stand_in.agent)]
    bootstrap = ["bootstrap", DOMAIN, str(stand_in.agent)]
    assert stand_in.requests() == [["enable", TARGET], ["bootout", TARGET], bootstrap]


def test_a_socket_that_was_removed_is_made_again(
    home: Path, stand_in: StandIn, command: Command
) -> None:
    command("service", "install")
    (home / "knowledge.sock").unlink()
    stand_in.requests()
    assert command("start").code == 0
    bootstrap = ["bootstrap", DOMAIN, str(stand_in.agent)]
    assert stand_in.requests() == [["bootout", TARGET], bootstrap, ["kickstart", TARGET]]


def test_a_start_that_fails_says_why(home: Path, command: Command) -> None:
    shutil.rmtree(home / "models")
    command("service", "install")
    failed = command("start")
    assert (failed.code, f"kmctl model pull {DEFAULT_MODEL}" in failed.err) == (1, True)
    assert command("service", "status").code == 0


def test_without_a_session_at_the_screen_nothing_is_done(
    stand_in: StandIn, command: Command
) -> None:
    stand_in.log_everybody_out()
    refused = command("service", "install")
    assert (refused.code, "logged in at the screen" in refused.err) == (1, True)
    assert "Domain does not support specified action" in refused.err
    assert not stand_in.agent.exists()


@pytest.mark.parametrize("subcommand", ["install", "uninstall", "status", "logs"])
def test_where_there_is_no_launchctl_that_is_said(
    subcommand: str, stand_in: StandIn, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(stand_in.agent.parent))
    refused = command("service", subcommand)
    assert (refused.code, "There is no launchd here" in refused.err) == (1, True)
    assert not stand_in.agent.exists()


def test_what_launchd_does_not_have_is_refused(stand_in: StandIn, command: Command) -> None:
    refused = command("service", "install", "--hardened")
    assert (refused.code, "nothing like --hardened" in refused.err) == (2, True)
    assert not stand_in.agent.exists()
    assert stand_in.requests() == []


# As others have printed them, on macOS 10.10 and 13.0.1.
YOSEMITE = """dev.mysql = {
    active count = 1
    path = /Library/LaunchDaemons/dev.mysql.plist
    state = running

    program = /opt/boxen/homebrew/bin/mysqld_safe
    arguments = {
        /opt/boxen/homebrew/bin/mysqld_safe
        --defaults-file=/opt/boxen/config/mysql/my.cnf
    }

    environment = {
        XPC_SERVICE_NAME => dev.mysql
    }

    exit timeout = 1
    runs = 2
    pid = 24784
    last exit code = 1

    endpoints = {
    }
}
"""
VENTURA = """user/501/com.apple.iCloudHelper = {
\tactive count = 0
\ttype = XPCService
\tstate = not running
\tbundle id = com.apple.iCloudHelper

\tenvironment = {
\t\tXPC_SERVICE_NAME => com.apple.iCloudHelper
\t}

\tdomain = user/501
\texit timeout = 5
\truns = 882
\tlast exit code = 0

\tendpoints = {
\t\t"com.apple.iCloudHelper" = {
\t\t\tport = 0x2ed07
\t\t\tpid = 77
\t\t\tstate = active
\t\t}
\t}
}
"""


def test_of_what_is_printed_only_the_lines_of_the_service_count() -> None:
    running = launchctl.own_properties(YOSEMITE)
    assert (running["state"], running["pid"], running["runs"]) == ("running", "24784", "2")
    assert running["last exit code"] == "1"
    asleep = launchctl.own_properties(VENTURA)
    assert (asleep["state"], asleep["last exit code"], "pid" in asleep) == (
        "not running",
        "0",
        False,
    )
    assert "endpoints" not in asleep
    assert launchctl.own_properties("some other words") == {}
