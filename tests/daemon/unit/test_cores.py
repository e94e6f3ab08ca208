"""What the system tells of the cores that others want."""

import os
import platform
import subprocess
import sys

import pytest

from cco_knowledge import cores
from process import wait_until

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="only Linux tells")


def test_no_core_is_left_where_others_want_them_all() -> None:
    burn = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(burn) for _ in range(os.cpu_count() or 1)]
    try:
        wait_until(lambda: cores.n_unwanted() == 1)
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_there_are_no_more_than_the_machine_has() -> None:
    assert 1 <= cores.n_unwanted() <= (os.cpu_count() or 1)
