from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeHome, StartDaemon, assert_healthy
from faulty import Faults
from process import Daemon


@pytest.fixture
def faults(home: Path) -> Iterator[Faults]:
    """Ended with the test, so that a daemon that hangs can stop."""
    made = Faults(home / "faults")
    yield made
    made.set()


@pytest.fixture
def faulty_daemon(start_daemon: StartDaemon, faults: Faults) -> Daemon:
    """A daemon whose faults begin and end with `faults.set`."""
    return start_daemon(environment=faults.environment)


@pytest.fixture(scope="module")
def _module_faulty(new_home: MakeHome) -> Iterator[tuple[Daemon, Faults]]:
    home = new_home()
    faults = Faults(home / "faults").set()
    daemon = Daemon(home, environment=faults.environment).start().wait_ready()
    yield daemon, faults
    log = daemon.stderr
    daemon.discard()
    assert_healthy(log)


@pytest.fixture
def shared_faulty(
    _module_faulty: tuple[Daemon, Faults],
) -> Iterator[tuple[Daemon, Faults]]:
    """One daemon for all tests of a module."""
    yield _module_faulty
    _module_faulty[1].set()
