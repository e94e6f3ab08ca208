import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import assert_healthy
from service.private_systemd import PrivateSystemd, user_with_systemd, why_none_runs


@pytest.fixture(scope="session")
def _private_systemd_runs() -> None:
    """Skips where a user manager of one's own cannot be had."""
    why = why_none_runs()
    if why is not None:
        pytest.skip(why)


@pytest.fixture
def _sees_the_interpreter() -> None:
    if any(Path(sys.executable).is_relative_to(hidden) for hidden in ("/tmp", "/var/tmp")):  # noqa: S108
        pytest.skip("a hardened service would not see an interpreter below /tmp")


@pytest.fixture
def systemd(_private_systemd_runs: None, model_file: Path) -> Iterator[PrivateSystemd]:
    """A shell of a user with systemd, whose ~/.cco holds the model."""
    with user_with_systemd(model_file) as user:
        yield user
        assert_healthy(user.log)


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
