import os
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
_NOT_ALLOWED = 77


@pytest.fixture(scope="session")
def _private_systemd_runs() -> None:
    """Skips where a user manager of one's own cannot be had."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if sys.platform != "linux" or missing:
        pytest.skip(f"needs systemd and util-linux: {', '.join(missing) or sys.platform}")
    if os.geteuid() != 0:
        pytest.skip("only root can give a systemd of its own the namespaces that it needs")
    with tempfile.TemporaryDirectory() as home:
        tried = subprocess.run(PrivateSystemd.command(Path(home), "true"), check=False)
    if tried.returncode == _NOT_ALLOWED:
        pytest.skip("this kernel allows no cgroup tree of one's own")
    assert tried.returncode == 0


@pytest.fixture
def systemd(_private_systemd_runs: None, model_file: Path) -> Iterator[PrivateSystemd]:
    """A shell of a user with systemd, whose ~/.cco holds the model."""
    # Not below /tmp or /var/tmp: a hardened service has those of its own.
    home = Path(tempfile.mkdtemp(prefix=".kd-", dir=Path.home()))
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
