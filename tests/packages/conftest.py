"""The whole program as a folder, and small ones that stand for it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import environment
import installation

DISTRIBUTION_PYTHON = Path("/usr/bin/python3")


@pytest.fixture(scope="session")
def program(model_file: Path) -> Iterator[Path]:
    """An installation for the Python of the distribution, as the packages have it.

    It lacks what only kmctl migrate reads with: a quarter of what would be copied again and again.
    """
    python = DISTRIBUTION_PYTHON.resolve()
    if python.name != f"python{sys.version_info.major}.{sys.version_info.minor}":
        pytest.skip("what uv has in its cache is for another Python than that in /usr/bin")
    if environment.cached_wheel(environment.CACHE / "wheels" / environment.llama_key()) is None:
        pytest.skip("llama.cpp was not compiled by scripts/setup, and no test compiles it")
    with tempfile.TemporaryDirectory(prefix="kd-") as work, pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_OFFLINE", "1")  # scripts/setup has fetched it all
        patch.setenv("UV_LINK_MODE", "hardlink")
        folder = Path(work, "installation")
        installation.install(folder, str(python))
        (reader,) = folder.glob("lib/python*/site-packages/lance")
        shutil.rmtree(reader)
        yield folder


@pytest.fixture
def small_program(tmp_path: Path) -> Path:
    """In place of the program: commands that tell what they are and who runs them."""
    folder = tmp_path / "small"
    (folder / "bin").mkdir(parents=True)
    for name in installation.COMMANDS:
        tells = f"import sys\nprint('{name}', sys.prefix, *sys.argv[1:], sep='\\n')\n"
        (folder / "bin" / name).write_text(tells)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "library.so").write_bytes(os.urandom(1 << 20))
    (packages / "library.so").chmod(0o755)
    return folder


def run(
    command: list[str], environment: dict[str, str], folder: Path = Path("/")
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False
    )


def linked_copy(folder: Path, copy: Path) -> Path:
    """Takes no room, and may be moved and taken apart."""
    shutil.copytree(folder, copy, symlinks=True, copy_function=os.link)
    return copy
