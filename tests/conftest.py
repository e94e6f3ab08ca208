"""Fixtures of all tests: the real model, homes, and daemons as real processes."""

import itertools
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path

# NOTE: before the daemon's modules, which load pyarrow without numpy; lance needs it with numpy.
import numpy as np  # noqa: F401
import pytest
from hypothesis import HealthCheck, settings

import model_cache
from process import Daemon

settings.register_profile(
    "project",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("project")

_DEFECTS_IN_A_LOG = ("Traceback", "internal error", "never retrieved", "Warning:")
_TAIL_LINES = 10

MakeHome = Callable[[], Path]
StartDaemon = Callable[..., Daemon]


@pytest.fixture(scope="session")
def model_archive() -> Path:
    """What the default model is made from."""
    if not model_cache.ARCHIVE.is_file():
        pytest.fail(f"{model_cache.ARCHIVE} is missing. Run the tests with scripts/test.")
    return model_cache.ARCHIVE


@pytest.fixture(scope="session")
def model_file(model_archive: Path) -> Path:
    """The default model."""
    return model_cache.make_model(model_archive)


@pytest.fixture(scope="session")
def new_home(model_file: Path) -> Iterator[MakeHome]:
    """Makes homes with the model in them, under paths short enough for a socket."""
    homes: list[Path] = []

    def make() -> Path:
        home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))  # short on purpose
        homes.append(home)
        (home / "models").mkdir(mode=0o700)
        place_model(model_file, home)
        return home

    yield make
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def home(new_home: MakeHome) -> Iterator[Path]:
    path = new_home()
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def start_daemon(home: Path) -> Iterator[StartDaemon]:
    """Starts daemons on `home` (or another one); what still runs at the end is killed."""
    started: list[Daemon] = []

    def start(
        *arguments: str,
        at: Path | None = None,
        ready: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> Daemon:
        daemon = Daemon(at or home, *arguments, environment=environment).start()
        started.append(daemon)
        return daemon.wait_ready() if ready else daemon

    yield start
    logs = [daemon.stderr for daemon in started]
    for daemon in started:
        daemon.discard()
    for log in logs:
        assert_healthy(log)


@pytest.fixture
def daemon(start_daemon: StartDaemon) -> Daemon:
    """A daemon of the test's own."""
    return start_daemon()


@pytest.fixture(scope="session")
def session_daemon(new_home: MakeHome) -> Iterator[Daemon]:
    daemon = Daemon(new_home()).start().wait_ready()
    yield daemon
    daemon.discard()


@pytest.fixture
def shared_daemon(session_daemon: Daemon) -> Iterator[Daemon]:
    """One daemon for many tests: use `project`, and restrict what you count to it."""
    begin = len(session_daemon.stderr)
    yield session_daemon
    assert_healthy(session_daemon.stderr[begin:])


_projects = (f"project-{number}" for number in itertools.count(1))


@pytest.fixture
def project() -> str:
    """A project id that no other test has."""
    return next(_projects)


def place_model(model_file: Path, home: Path) -> None:
    target = home / "models" / model_file.name
    try:
        target.hardlink_to(model_file)
    except OSError:  # another file system
        shutil.copyfile(model_file, target)


def assert_healthy(log: str) -> None:
    """No test makes the daemon fail in a way that nobody foresaw."""
    found = [line for line in log.splitlines() if any(word in line for word in _DEFECTS_IN_A_LOG)]
    assert not found, "the daemon's stderr holds: " + "\n".join(found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its daemons said."""
    report = yield
    if report.failed:
        fixtures = getattr(item, "funcargs", {}).values()
        for daemon in {value for value in fixtures if isinstance(value, Daemon)}:
            if daemon.stderr_path.exists():
                tail = daemon.stderr.splitlines()[-_TAIL_LINES:]
                report.sections.append(("daemon stderr", "\n".join(tail)))
    return report
