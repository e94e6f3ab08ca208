"""The units as kmctl renders them, read by systemd's own tools."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kmctl import units
from kmctl.boundary import run

MOST_EXPOSED = 2.5
"""By `systemd-analyze security`, out of 10."""

analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze"
)


@pytest.fixture(params=["home", 'my "own" 50%$HOME\\x{home}'])
def rendered(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder of the units of a home with this name; it need not be there."""
    home = Path("/home") / request.param  # short, for the socket
    command = [sys.executable, "-P", "-m", "cco_knowledge", "--home", str(home)]
    made = units.Units(home, home / "knowledge.sock", command)
    for name, text in made.rendered(hardened=True).items():
        path = tmp_path / "units" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "units"


def systemd_analyze(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["systemd-analyze", "--user", *arguments],
        cwd=folder,
        env={"PATH": os.defpath, "XDG_RUNTIME_DIR": str(folder), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@analyze
def test_systemd_understands_every_line(rendered: Path) -> None:
    files = [str(rendered / units.SERVICE), str(rendered / units.SOCKET)]
    verified = systemd_analyze(rendered, "--man=no", "verify", *files)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


@analyze
def test_the_hardened_service_is_little_exposed(rendered: Path) -> None:
    asked = ("--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED * 10:.0f}", "security")
    rated = systemd_analyze(rendered, *asked, str(rendered / units.SERVICE))
    assert rated.returncode == 0, rated.stdout


def test_no_placeholder_is_left(rendered: Path) -> None:
    text = (rendered / units.SERVICE).read_text() + (rendered / units.HARDENING).read_text()
    assert "{command}" not in text
    assert "{origin}" not in text


def test_a_path_that_would_write_lines_of_its_own_is_refused(tmp_path: Path) -> None:
    from cco_knowledge.errors import StartRefused

    home = tmp_path / "a\nExecStartPre=true"
    with pytest.raises(StartRefused, match="cannot name this path"):
        units.Units(home, home / "knowledge.sock", ["true"]).rendered(hardened=False)


@pytest.mark.skipif(sys.platform == "darwin", reason="launchd runs there")
@pytest.mark.parametrize("command", ["install", "uninstall", "status", "logs"])
def test_where_no_manager_runs_that_is_said(
    command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert run(["service", command]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert "systemd" in err
    assert list(tmp_path.iterdir()) == []


def test_the_service_of_a_package_counts_once_it_is_enabled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setattr(units, "PACKAGED", tmp_path / "packaged")
    link = units.installed_folder() / "sockets.target.wants" / units.SOCKET
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "packaged" / units.SOCKET)
    assert units.installed_places() is None  # what is left where the package was removed
    (tmp_path / "packaged").mkdir()
    (tmp_path / "packaged" / units.SOCKET).write_text("[Socket]\n")
    home = tmp_path / ".cco"
    assert units.installed_places() == (home, home / "knowledge.sock")
    link.unlink()
    assert units.installed_places() is None
