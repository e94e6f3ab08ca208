import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeHome, assert_healthy
from kmctl.boundary import run
from outcome import Kmctl, Outcome


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CCO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CCO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CCO_PROJECT", "shop")


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> Outcome:
        code = run(arguments)
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call


@contextmanager
def stopped_at_the_end(kmctl: Kmctl) -> Iterator[Kmctl]:
    yield kmctl
    stopped = kmctl("stop")
    assert stopped.code == 0, stopped
    log = kmctl.home / "logs" / "knowledge.log"
    if log.exists():
        assert_healthy(log.read_text("utf-8"))


@pytest.fixture
def kmctl(home: Path) -> Iterator[Kmctl]:
    """On a home without a daemon."""
    with stopped_at_the_end(Kmctl(home)) as shell:
        yield shell


@pytest.fixture
def other_kmctl(new_home: MakeHome) -> Iterator[Kmctl]:
    """On a second home without a daemon."""
    with stopped_at_the_end(Kmctl(new_home())) as shell:
        yield shell


@pytest.fixture(scope="session")
def session_kmctl(new_home: MakeHome) -> Iterator[Kmctl]:
    with stopped_at_the_end(Kmctl(new_home())) as shell:
        started = shell("start", "--detach")
        assert started.code == 0, started
        yield shell


@pytest.fixture
def shared_kmctl(session_kmctl: Kmctl) -> Kmctl:
    """With one detached daemon for many tests: use `project`, and restrict what you count to it."""
    return session_kmctl
