import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import cco_knowledge
from conftest import assert_healthy, place_model
from service.private_systemd import PrivateSystemd

_NEEDED = ("systemctl", "unshare", "setpriv")


@pytest.fixture(scope="session")
def _private_systemd_runs() -> None:
    """Skips where a user manager of one's own cannot be had."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if sys.platform != "linux" or missing:
        pytest.skip(f"needs systemd and util-linux: {', '.join(missing) or sys.platform}")
    if os.geteuid() != 0:
        pytest.skip("only root can give a systemd of its own the namespaces that it needs")
    with tempfile.TemporaryDirectory() as home:
        tried = subprocess.run(
            PrivateSystemd.command(Path(home), "systemctl", "--user", "show-environment"),
            capture_output=True,
            text=True,
            check=False,
        )
    if tried.returncode != 0:
        why = (tried.stdout + tried.stderr).strip().splitlines()[-1:]
        pytest.skip(f"no user manager of one's own runs here (exit {tried.returncode}): {why}")


@pytest.fixture
def _sees_the_interpreter() -> None:
    if any(Path(sys.executable).is_relative_to(hidden) for hidden in ("/tmp", "/var/tmp")):  # noqa: S108
        pytest.skip("a hardened service would not see an interpreter below /tmp")


@pytest.fixture
def systemd(_private_systemd_runs: None, model_file: Path) -> Iterator[PrivateSystemd]:
    """A shell of a user with systemd, whose ~/.cco holds the model."""
    # Not below /tmp or /var/tmp: a hardened service has those of its own.
    home = Path(tempfile.mkdtemp(prefix=".kd-", dir=pwd.getpwuid(os.geteuid()).pw_dir))
    (home / ".cco").mkdir(mode=0o700)
    (home / ".cco" / "models").mkdir()
    place_model(model_file, home / ".cco")
    # The checkout may be in /tmp.
    shutil.copytree(
        Path(cco_knowledge.__file__).parents[1],
        home / "daemon",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    try:
        with PrivateSystemd(home) as user:
            yield user
            assert_healthy(user.log)
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def launchd_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A C library that plays launchd for a daemon on Linux."""
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("compiles a library that Linux loads first: needs gcc and Linux")
    source = Path(__file__).with_name("launchd_library.c")
    made = tmp_path_factory.mktemp("library") / "launchd.so"
    flags = ["-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", made, source, "-ldl"], check=True)
    return made
