"""A disk that fills up, and one that is read-only: small file systems of the tests' own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reliability.small_disk import SCENES

IN_A_NAMESPACE = (
    *("unshare", "--user", "--map-root-user", "--mount"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""Whoever is root there may mount; it ends with the process."""


@pytest.fixture(scope="module", autouse=True)
def _can_mount() -> None:
    if sys.platform != "linux":
        pytest.skip("mounts file systems of its own: needs Linux")
    tried = subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no user namespaces here: {tried.stderr.strip()}")


@pytest.mark.parametrize("scene", [scene.__name__ for scene in SCENES])
def test_scene(model_file: Path, scene: str) -> None:
    played = subprocess.run(
        [*IN_A_NAMESPACE, sys.executable, "-m", "reliability.small_disk", scene, model_file],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
