"""A detached start, with a small program in the daemon's place."""

import json
import os
import shutil
import signal
import stat
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cco_knowledge
from cco_knowledge.daemonize import launch_detached
from cco_knowledge.errors import DeadlineExceeded, StartRefused
from cco_knowledge.paths import Home
from kmctl.process_end import watch

_BEGIN = """
import json, os, pathlib, select, signal, stat, sys
arguments = sys.argv[1:]
ready = open(int(arguments[arguments.index("--ready-fd") + 1]), "w")
home = pathlib.Path(arguments[arguments.index("--home") + 1])
null = os.stat(os.devnull)
facts = {
    "pid": os.getpid(),
    "leads_its_session": os.getsid(0) == os.getpid(),
    "cwd": os.getcwd(),
    "umask": os.umask(0o077),
    "stdin_is_null": os.path.samestat(os.fstat(0), null),
    "arguments": arguments,
    "modules": sorted(set(sys.modules) & {"daemon", "subprocess"}),
}
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="cco", dir="/tmp") as folder:  # short
        yield Home(Path(folder))


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a copy of the package first that has this program as its `__main__`."""
    package = tmp_path / "cco_knowledge"
    package.mkdir()
    for name in ("__init__", "errors", "paths", "daemonize"):
        shutil.copy(Path(cco_knowledge.__file__).with_name(f"{name}.py"), package)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def write(text: str) -> None:
        (package / "__main__.py").write_text(_BEGIN + textwrap.dedent(text))

    return write


def end(pid: int) -> None:
    with watch(pid) as ended_within:
        os.kill(pid, signal.SIGTERM)
        assert ended_within(30)


def test_it_returns_the_pid_of_a_daemon_of_its_own(home: Home, program: Any) -> None:
    program("""
        (home / "facts").write_text(json.dumps(facts))
        print("to the log", flush=True)
        print("to the log, too", file=sys.stderr, flush=True)
        ready.write(json.dumps({"ready": True, "pid": os.getpid()}) + "\\n")
        ready.close()
        signal.pause()
    """)
    pid = launch_detached(home, ["--home", str(home.path), "--model", "m"], 30)
    facts = json.loads((home.path / "facts").read_text())
    end(pid)
    assert facts.pop("arguments")[2:] == [
        *("--log-file", str(home.log)),
        *("--home", str(home.path)),
        *("--model", "m"),
    ]
    assert facts == {
        "pid": pid,
        "leads_its_session": False,
        "cwd": os.path.realpath(home.path),
        "umask": 0o077,
        "stdin_is_null": True,
        "modules": [],
    }
    assert home.log.read_text() == "to the log\nto the log, too\n"
    assert stat.S_IMODE(home.log.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.log.parent.stat().st_mode) == 0o700


def test_the_daemons_own_reason_comes_back(home: Home, program: Any) -> None:
    program("""
        error = {"reason": "start_refused", "message": "No model. Run: ..."}
        ready.write(json.dumps({"error": error}) + "\\n")
    """)
    with pytest.raises(StartRefused, match=r"^No model\. Run: \.\.\.$"):
        launch_detached(home, ["--home", str(home.path)], 30)


def test_a_crash_shows_the_end_of_this_starts_log(home: Home, program: Any) -> None:
    home.log.parent.mkdir()
    home.log.write_text("of an earlier start\n")
    program('sys.exit("no such luck")')
    with pytest.raises(StartRefused, match="no such luck") as caught:
        launch_detached(home, ["--home", str(home.path)], 30)
    assert "earlier" not in str(caught.value)
    assert str(home.log) in str(caught.value)


def test_a_crash_shows_a_log_that_was_begun_anew(home: Home, program: Any) -> None:
    home.log.parent.mkdir()
    home.log.write_text("of an earlier start\n" * 100)
    program("""
        log = home / "logs" / "knowledge.log"
        log.rename(log.with_suffix(".log.1"))
        log.write_text("no such luck")
    """)
    with pytest.raises(StartRefused, match="no such luck") as caught:
        launch_detached(home, ["--home", str(home.path)], 30)
    assert "earlier" not in str(caught.value)


def test_a_slow_start_goes_on(home: Home, program: Any) -> None:
    os.mkfifo(home.path / "begun")
    program("""
        (home / "begun").write_text(str(os.getpid()))
        signal.pause()
    """)
    with pytest.raises(DeadlineExceeded, match="goes on starting"):
        launch_detached(home, ["--home", str(home.path)], 0.01)
    end(int((home.path / "begun").read_text()))


def test_a_home_that_others_can_read_is_refused(home: Home) -> None:
    home.path.chmod(0o755)
    with pytest.raises(StartRefused, match="chmod 700"):
        launch_detached(home, [], 1)
