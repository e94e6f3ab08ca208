from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import assert_healthy
from manager_command import Manager, git_folder
from outcome import Kmctl
from process import Daemon


@pytest.fixture
def manager(shared_daemon: Daemon, project: str, tmp_path: Path) -> Manager:
    """In a project of the test's own, on a daemon that many tests share."""
    return Manager(shared_daemon.home, git_folder(tmp_path / project))


@pytest.fixture
def starting(home: Path, tmp_path: Path) -> Iterator[Manager]:
    """On a home without a daemon; the one that a call starts is stopped."""
    yield Manager(home, git_folder(tmp_path / "my-app"))
    stopped = Kmctl(home)("stop")
    assert stopped.code == 0, stopped
    assert_healthy((home / "logs" / "knowledge.log").read_text("utf-8"))
