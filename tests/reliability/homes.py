"""Homes and machines of the long runs."""

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  # before the daemon's modules, as in conftest
import psutil

import model_cache
from cco_knowledge import __version__
from conftest import place_model


@contextmanager
def home_with_model() -> Iterator[Path]:
    """Under a path short enough for a socket; removed at the end."""
    home = Path(tempfile.mkdtemp(prefix="kr-", dir="/tmp"))
    try:
        (home / "models").mkdir(mode=0o700)
        place_model(model_cache.make_model(model_cache.ARCHIVE), home)
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def machine() -> dict[str, Any]:
    """Where a report comes from."""
    return {
        "system": platform.platform(),
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "python": sys.version.split()[0],
        "cco_knowledge": __version__,
        "lancedb": version("lancedb"),
        "llama_cpp_python": version("llama-cpp-python"),
    }
