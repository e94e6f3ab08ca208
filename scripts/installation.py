"""The whole program as a folder that works wherever it is put: what packages and archive hold.

It is a virtual environment with the locked packages, the extra for MCP and the default model. Run
`bin/NAME` with its own `bin/python`, because shebangs cannot name a place that is not known yet.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import uv

import environment
from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS, pull_model

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = ("kmctl", "cco-knowledged", "knowledge-manager")
MODELS = environment.CACHE / "models"
_READABLE = 0o644
_TRACES = ("*.dist-info/direct_url.json", "*.dist-info/uv_cache.json")
"""Where uv notes from which path of this machine a wheel came."""
_UV_SETTINGS = {
    "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",  # a .pyc file is right whatever the clock said
    "UV_LINK_MODE": "copy",  # its cache stays its own
}


def install(folder: Path, python: str) -> None:
    """For `python` and nothing else: some packages are compiled for one version of it.

    llama.cpp is the one that scripts/setup compiled, or is compiled now.
    """
    llama = environment.llama_wheel(environment.CACHE / "wheels" / environment.llama_key())
    with tempfile.TemporaryDirectory() as work:
        wheel = _own_wheel(Path(work))
        _uv("venv", "--relocatable", "-p", python, str(folder))
        locked = ("-c", str(environment.REQUIREMENTS / "test.txt"))
        how = ("--no-build", "--compile-bytecode")
        what = (f"cco-knowledge[mcp] @ {wheel.as_uri()}", str(llama))
        _uv("pip", "install", "-p", str(folder / "bin" / "python"), *how, *locked, *what)
    (packages,) = folder.glob("lib/python*/site-packages")
    _remove_rest(folder, packages)
    _bring_model_along(packages)


def _own_wheel(folder: Path) -> Path:
    how = ("--wheel", "--no-build-isolation", "-p", sys.executable)
    _uv("build", *how, "-o", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def _remove_rest(folder: Path, packages: Path) -> None:
    """What is not needed to run it, and what tells of this machine."""
    kept = {"bin", "lib", "lib64", "pyvenv.cfg"}
    rest = [path for path in folder.iterdir() if path.name not in kept]
    programs = [path for path in (folder / "bin").iterdir() if not path.name.startswith("python")]
    rest += [path for path in programs if path.name not in COMMANDS]
    rest += [path for trace in _TRACES for path in packages.glob(trace)]
    for path in rest:
        path.unlink()
    shutil.rmtree(packages / "lib")  # what llama_cpp has too, and the folder of its compilation


def _bring_model_along(packages: Path) -> None:
    model = pull_model(KNOWN_MODELS[DEFAULT_MODEL], MODELS, lambda _done, _total: None)
    copy = packages / "cco_knowledge" / "models" / model.name
    copy.write_bytes(model.read_bytes())
    copy.chmod(_READABLE)


def _uv(*arguments: str) -> None:
    command = [uv.find_uv_bin(), *arguments, "-q"]
    subprocess.run(command, check=True, env=_UV_SETTINGS | os.environ)
