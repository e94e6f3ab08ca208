"""The Debian package: what is in it, and how it does on a system that has it installed."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import cco_knowledge
import debian
import service.private_systemd
from kmctl import units
from packages.conftest import DISTRIBUTION_PYTHON, linked_copy

pytestmark = pytest.mark.timeout(600)

_NOBODY = 65534
_PRIVATE_SYSTEMD = Path(service.private_systemd.__file__).with_name("private_systemd.sh")
_THROWAWAY_SYSTEM = Path(__file__).with_name("throwaway_system.sh")
_NOT_POSSIBLE = 77
_NEEDED = ("dpkg", "dpkg-deb", "dpkg-shlibdeps", "unshare", "setpriv")
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class System:
    """With the package installed. What a run changes lasts as long as the run."""

    base: Path

    def run(self, *command: str, home: Path) -> "subprocess.CompletedProcess[str]":
        with tempfile.TemporaryDirectory(prefix="kd-") as folder:
            return _run_on_copy(Path(folder), str(self.base), *command, home=home)


def _run_on_copy(
    folder: Path, base: str, *command: str, home: Path
) -> "subprocess.CompletedProcess[str]":
    """All output is in `stdout`."""
    return subprocess.run(
        [str(_THROWAWAY_SYSTEM), str(folder), base, *command],
        cwd="/",
        env={**_ENVIRONMENT, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def package(program: Path) -> Iterator[Path]:
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(dir=program.parent) as work:
        copy = linked_copy(program, Path(work, "installation"))
        yield debian.pack(copy, Path(work), compression=["-Znone"])


@pytest.fixture(scope="module")
def system(package: Path) -> Iterator[System]:
    if os.geteuid() != 0:
        pytest.skip("only root can install a package")
    with tempfile.TemporaryDirectory(prefix="kd-") as folder:
        base, nowhere = Path(folder), Path("/nonexistent")
        if _run_on_copy(base, "-", "true", home=nowhere).returncode == _NOT_POSSIBLE:
            pytest.skip("this kernel mounts no overlay here")
        # It is thrown away: without syncs, and without the index of all manual pages.
        install = ("dpkg", "--force-unsafe-io", "--no-triggers", "-i", str(package))
        installed = _run_on_copy(base, "-", *install, home=nowhere)
        assert installed.returncode == 0, installed.stdout
        yield System(base)


@pytest.fixture
def home() -> Iterator[Path]:
    """Of a user without rights, and empty."""
    with tempfile.TemporaryDirectory(prefix="kd-", dir="/tmp") as folder:
        os.chown(folder, _NOBODY, _NOBODY)
        yield Path(folder)


def test_it_is_used_and_removed_and_what_is_stored_stays(system: System, home: Path) -> None:
    user = f"setpriv --reuid={_NOBODY} --regid={_NOBODY} --clear-groups"
    ran = system.run(
        *("sh", "-ec"),
        f"""
        as_user() {{ {user} "$@"; }}
        as_user kmctl start --detach
        as_user kmctl store 'The night shift starts at ten'
        as_user kmctl search 'when do they begin at night?'
        as_user knowledge-manager search 'night shift'
        as_user kmctl doctor
        as_user kmctl mcp
        as_user kmctl stop
        man kmctl | head -n 4
        test -z "$(dpkg --verify cco-knowledge)"
        bash -c '. /usr/share/bash-completion/completions/kmctl; complete -p kmctl'
        dpkg --no-triggers -r cco-knowledge
        ! command -v kmctl
        ! ls -d /usr/lib/cco-knowledge /usr/share/*/cco-knowledge
        """,
        home=home,
    )
    assert ran.returncode == 0, ran.stdout
    assert ran.stdout.count("The night shift starts at ten") >= 2, ran.stdout
    assert "0 errors" in ran.stdout
    assert "Run the knowledge daemon" in ran.stdout
    assert any((home / ".cco" / "knowledge").rglob("*.lance"))
    assert not Path("/usr/lib/cco-knowledge").exists()


def test_its_units_run_the_daemon_once_a_user_enables_them(system: System, home: Path) -> None:
    if shutil.which("systemctl") is None:
        pytest.skip("needs systemd")
    commands = """
        set -eu
        kmctl service status --json || true
        systemctl --user enable --now cco-knowledge.socket
        kmctl store 'The night shift starts at ten'
        systemctl --user is-active cco-knowledge.service
        kmctl restart
        kmctl service status --json
        kmctl stop
        ! systemctl --user is-active cco-knowledge.socket
        systemctl --user disable cco-knowledge.socket
        ! kmctl service status
    """
    manager = ("env", "PYTHONPATH=", str(_PRIVATE_SYSTEMD), str(_NOBODY), str(_NOBODY), str(home))
    ran = system.run(*manager, "sh", "-c", commands, home=home)
    if ran.returncode == _NOT_POSSIBLE:
        pytest.skip("no user manager of one's own runs here")
    assert ran.returncode == 0, ran.stdout
    assert "systemd has restarted cco-knowledge.service" in ran.stdout
    before, after = (json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{"))
    assert (before["installed"], before["enabled"]) == (False, False)
    assert (after["installed"], after["home"]) == (True, str(home / ".cco"))
    assert after["service"] == "active (running)"


def test_systemd_understands_its_units(system: System, home: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    files = [f"/usr/lib/systemd/user/{name}" for name in (units.SERVICE, units.SOCKET)]
    command = ("env", f"XDG_RUNTIME_DIR={home}", "systemd-analyze", "--user", "--man=no", "verify")
    verified = system.run(*command, *files, home=home)
    assert (verified.returncode, verified.stdout) == (0, "")


def test_all_can_read_it_and_only_root_can_write_it(package: Path) -> None:
    lines = _output("dpkg-deb", "-c", str(package)).splitlines()
    rights = {line.split()[0] for line in lines}
    owners = {line.split()[1] for line in lines}
    assert rights <= {"-rw-r--r--", "-rwxr-xr-x", "drwxr-xr-x", "lrwxrwxrwx"}
    assert owners == {"root/root"}
    assert any(line.endswith("/all-MiniLM-L6-v2.gguf") for line in lines)


def test_it_depends_on_what_it_does_not_bring_along(package: Path) -> None:
    def field(name: str) -> str:
        return _output("dpkg-deb", "-f", str(package), name).strip()

    assert field("Version").startswith(cco_knowledge.__version__)
    needed = {each.split()[0] for each in field("Depends").split(", ")}
    assert {"libc6", "libgomp1", "libstdc++6", DISTRIBUTION_PYTHON.resolve().name} <= needed


def test_dpkg_runs_nothing_of_it(package: Path, tmp_path: Path) -> None:
    _output("dpkg-deb", "--control", str(package), str(tmp_path / "control"))
    assert {path.name for path in (tmp_path / "control").iterdir()} == {"control", "md5sums"}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
