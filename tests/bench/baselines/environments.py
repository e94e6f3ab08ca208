"""Where each contender's libraries are: in the user's cache, installed once.

The packages named are pinned; what those need comes as it is on the day of the installation.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cco-knowledge" / "bench"
_HERE = Path(__file__).parent
_TESTS = _HERE.parents[1]
_INSTALL_LIMIT_S = 1200
_LOADS_EXTENSIONS = "import sqlite3; sqlite3.Connection.enable_load_extension"


class Unavailable(Exception):
    """The message says why a contender cannot be had here."""


class Environment(Protocol):
    def command(self, program: str) -> list[str]:
        """Installs what is missing. Raises Unavailable."""
        ...

    def variables(self) -> Mapping[str, str]: ...

    def packages(self) -> Sequence[str]:
        """What was asked for, with versions."""
        ...


class ThisPython:
    """The interpreter that measures, with the daemon's own libraries."""

    def command(self, program: str) -> list[str]:
        return [sys.executable, "-m", f"bench.baselines.{program}"]

    def variables(self) -> Mapping[str, str]:
        return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def packages(self) -> Sequence[str]:
        return ()


class OtherPython:
    """A virtual environment."""

    def __init__(self, name: str, *packages: str) -> None:
        self._name = name
        self._packages = packages

    def command(self, program: str) -> list[str]:
        return [str(self._python()), "-m", f"bench.baselines.{program}"]

    def variables(self) -> Mapping[str, str]:
        return {"PYTHONPATH": str(_TESTS), "HF_HUB_OFFLINE": "1"}

    def packages(self) -> Sequence[str]:
        return self._packages

    def run(self, module: str, *arguments: str) -> None:
        """A program that ends by itself."""
        _run([*self.command(module), *arguments], {**os.environ, **self.variables()})

    def _python(self) -> Path:
        folder = _installed(self._name, "\n".join(self._packages), self._install)
        return folder / "bin" / "python"

    def _install(self, folder: Path) -> None:
        _run([_interpreter(), "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *self._packages])


class Node:
    """A folder with `node_modules`, by the package.json beside the program."""

    def command(self, program: str) -> list[str]:
        return ["node", str(_HERE / "node" / program)]

    def variables(self) -> Mapping[str, str]:
        wanted = (_HERE / "node" / "package.json").read_text("utf-8")
        return {"NODE_PATH": str(_installed("node", wanted, self._install) / "node_modules")}

    def packages(self) -> Sequence[str]:
        named = json.loads((_HERE / "node" / "package.json").read_text("utf-8"))["dependencies"]
        return [f"{name}=={version}" for name, version in named.items()]

    def _install(self, folder: Path) -> None:
        folder.mkdir()
        shutil.copy(_HERE / "node" / "package.json", folder)
        _run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)])


def _installed(name: str, wanted: str, install: Callable[[Path], None]) -> Path:
    """The folder of exactly these packages; one that was not finished is made anew."""
    folder = CACHE / f"{name}-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    finished = folder / "finished"
    if not finished.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        install(folder)
        finished.touch()
    return folder


def _interpreter() -> str:
    """The first whose SQLite takes extensions, as sqlite-vec is one; else this one."""
    candidates = [sys.executable, shutil.which("python3"), "/usr/bin/python3"]
    for candidate in filter(None, candidates):
        if Path(candidate).exists() and _succeeds([candidate, "-c", _LOADS_EXTENSIONS]):
            return candidate
    return sys.executable


def _succeeds(command: Sequence[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> None:
    try:
        subprocess.run(
            command,
            env=variables,
            check=True,
            capture_output=True,
            text=True,
            timeout=_INSTALL_LIMIT_S,
        )
    except FileNotFoundError as error:
        raise Unavailable(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"{command[0]} took more than {_INSTALL_LIMIT_S} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word of why"])[-1]
        raise Unavailable(f"{' '.join(command[:6])}: {last}") from error
