import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import assert_healthy, place_model
from pages.shell import ROOT, Shell

STORED_BY_THE_START = re.findall(
    r"^show (store .+)$", (ROOT / "scripts" / "start").read_text("utf-8"), re.MULTILINE
)


@pytest.fixture
def reader_home(model_file: Path) -> Iterator[Path]:
    """A user's home whose ~/.cco holds the model and nothing else."""
    home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))  # short, for the socket
    (home / ".cco").mkdir(mode=0o700)
    (home / ".cco" / "models").mkdir()
    place_model(model_file, home / ".cco")
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def shell(reader_home: Path) -> Iterator[Shell]:
    """As scripts/start leaves it: in the checkout, with a daemon that has a few entries."""
    with Shell(reader_home) as shell:
        shell.run("kmctl start --detach")
        try:
            for stored in STORED_BY_THE_START:
                shell.run(f"kmctl {stored}")
            yield shell
        finally:
            shell.run("kmctl stop")
            assert_healthy((reader_home / ".cco/logs/knowledge.log").read_text("utf-8"))
