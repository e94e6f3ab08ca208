"""A clock that jumps, between calls and during them."""

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import StartDaemon
from entries import listed
from process import Daemon

DAY_S = 86_400
JUMPS_S = {
    "a day back": -DAY_S,
    "a day ahead": DAY_S,
    "1970": 3600 - int(time.time()),
    "2200": 174 * 365 * DAY_S,
}

Shift = Callable[[int], None]


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux" or shutil.which("gcc") is None:
        pytest.skip("compiles a library that Linux loads first: needs gcc and Linux")
    source = Path(__file__).with_name("shifted_clock.c")
    made = tmp_path_factory.mktemp("library") / "clock.so"
    flags = ["-shared", "-fPIC", "-Wall", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", made, source, "-ldl"], check=True)
    return made


@pytest.fixture
def shift(home: Path) -> Shift:
    """Moves the daemon's clock, by seconds from the true time."""
    file = home / "clock"

    def move(seconds: int) -> None:
        file.with_suffix(".new").write_text(str(seconds), "ascii")
        file.with_suffix(".new").replace(file)

    move(0)
    return move


@pytest.fixture
def clocked(start_daemon: StartDaemon, clock_library: Path, home: Path, shift: Shift) -> Daemon:
    environment = {"LD_PRELOAD": str(clock_library), "CCO_CLOCK": str(home / "clock")}
    return start_daemon("--set", "backup.every_hours=0.001", environment=environment)


def job_of(daemon: Daemon, method: str) -> dict[str, object]:
    job: dict[str, object] = daemon.call("job.wait", {"id": daemon.call(method)["id"]})
    return job


def test_jumps_between_and_during_calls(clocked: Daemon, shift: Shift) -> None:
    ids: list[str] = []
    ended = threading.Event()

    def store_on() -> None:
        while not ended.is_set():
            ids.append(clocked.call("knowledge.store", {"text": f"text {len(ids)}"})["id"])

    storing = threading.Thread(target=store_on)
    storing.start()
    for name, seconds in JUMPS_S.items():
        shift(seconds)
        entry = clocked.call("knowledge.store", {"text": name})
        if name in {"1970", "2200"}:
            assert entry["timestamp"].startswith(name)
        assert job_of(clocked, "system.optimize")["state"] == "done"
        assert job_of(clocked, "system.backup")["state"] == "done"
        n_known = min(10, len(ids))
        assert clocked.call("knowledge.search", {"query": name})["count"] >= n_known
        shift(0)
    ended.set()
    storing.join()
    found = listed(clocked, limit=1000, descending=False)
    moments = [entry["timestamp"] for entry in found]
    assert moments == sorted(moments)
    assert len(found) == len({entry["id"] for entry in found}) == len(ids) + len(JUMPS_S)
    assert job_of(clocked, "system.optimize")["state"] == "done"
    verified = job_of(clocked, "system.verify")["result"]
    assert isinstance(verified, dict)
    assert verified["problems"] == []


def test_a_cleanup_after_a_jump_ahead_deletes_nothing(clocked: Daemon, shift: Shift) -> None:
    stored = clocked.call("knowledge.store", {"text": "of today"})["id"]
    shift(JUMPS_S["2200"])
    assert clocked.call("knowledge.cleanup", {"dry_run": True})["ids"] == [stored]
    refused = clocked.refusal("knowledge.cleanup")
    assert (refused.reason, "clock" in refused.message) == ("conflict", True)
    shift(JUMPS_S["a day back"])
    assert clocked.call("knowledge.cleanup")["count"] == 0
    shift(0)
    assert clocked.call("knowledge.cleanup", {"older_than_days": 0})["ids"] == [stored]
