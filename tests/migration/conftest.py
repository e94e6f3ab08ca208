import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from migration import legacy_data

_WRITER = Path(__file__).parent / "node_writer"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cco-knowledge" / "node"
_N_NODE_ROWS = 40
_INSTALL_LIMIT_S = 240
_WRITE_LIMIT_S = 60

NodeFolder = tuple[Path, Sequence[dict[str, Any]]]
RunNode = Callable[..., str]


@pytest.fixture(scope="session")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the cases of the old tool's real databases; only to be read."""
    if not legacy_data.ARCHIVE.is_file():
        pytest.skip(f"no old databases at {legacy_data.ARCHIVE}")
    return legacy_data.unpack(tmp_path_factory.mktemp("legacy"))


@pytest.fixture(scope="session")
def medium(legacy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder with the largest case alone."""
    return _linked(legacy, ["medium"], tmp_path_factory.mktemp("medium"))


@pytest.fixture(scope="session")
def others(legacy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base folder with all other cases."""
    names = [name for name in legacy_data.CASES if name != "medium"]
    return _linked(legacy, names, tmp_path_factory.mktemp("others"))


def _linked(legacy: Path, names: Sequence[str], base: Path) -> Path:
    for name in names:
        (base / name).symlink_to(legacy / name, target_is_directory=True)
    return base


@pytest.fixture(scope="session")
def run_node() -> RunNode:
    """Runs one of our scripts with the old tool's npm packages; gives what it printed."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    packages = _installed_packages()

    def run(script: str, *arguments: str) -> str:
        finished = subprocess.run(
            ["node", _WRITER / script, *arguments],
            env={**os.environ, "NODE_PATH": str(packages)},
            capture_output=True,
            text=True,
            timeout=_WRITE_LIMIT_S,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run


@pytest.fixture(scope="session")
def node_folder(run_node: RunNode, tmp_path_factory: pytest.TempPathFactory) -> NodeFolder:
    """A base folder that the old tool's npm package wrote just now, and the rows in it.

    The repository is `my-app`; the first row is the initialisation record.
    """
    base = tmp_path_factory.mktemp("node") / "data" / "knowledge"
    base.mkdir(parents=True)
    return base, json.loads(run_node("write.cjs", str(base / "my-app"), str(_N_NODE_ROWS)))


def _installed_packages() -> Path:
    """Fetched once into the user's cache; other versions get another folder."""
    wanted = (_WRITER / "package.json").read_bytes()
    folder = _CACHE / hashlib.sha256(wanted).hexdigest()[:16]
    if not folder.is_dir():
        _CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE) as scratch:
            _install(Path(scratch) / "new")
            (Path(scratch) / "new").rename(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    folder.mkdir()
    shutil.copy(_WRITER / "package.json", folder)
    installed = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_INSTALL_LIMIT_S,
        check=False,
    )
    assert installed.returncode == 0, installed.stderr
