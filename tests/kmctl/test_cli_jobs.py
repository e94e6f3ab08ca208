"""kmctl jobs, and what becomes of a job whose command is interrupted."""

import json
import signal
from pathlib import Path

import pytest

from outcome import Kmctl, kmctl_process
from process import Daemon, wait_until


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps({"text": f"Fact {n}."}) + "\n" for n in range(600)))
    return path


def test_an_interrupted_command_leaves_its_job_running(daemon: Daemon, many: Path) -> None:
    kmctl = Kmctl(daemon.home)
    with kmctl_process("import", str(many), "--home", str(daemon.home)) as process:
        wait_until(lambda: any(job["done"] for job in daemon.call("job.list")["jobs"]))
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    (job,) = daemon.call("job.list")["jobs"]
    assert f"kmctl jobs cancel {job['id']}" in told.decode()
    ended = kmctl.json("jobs", "wait", job["id"])
    assert (ended["state"], ended["result"]["stored"]) == ("done", 600)
    assert kmctl.json("jobs") == {"jobs": [ended]}
    assert kmctl.json("jobs", "get", job["id"]) == ended
    shown = kmctl("jobs").out
    assert "done" in shown
    assert "600 of 600" in shown


def test_a_cancelled_import_says_so(daemon: Daemon, many: Path) -> None:
    kmctl = Kmctl(daemon.home)
    with kmctl_process("import", str(many), "--home", str(daemon.home)) as process:
        wait_until(lambda: any(job["done"] for job in daemon.call("job.list")["jobs"]))
        (job,) = daemon.call("job.list")["jobs"]
        assert kmctl("jobs", "cancel", job["id"]).out == f"{job['id']} is cancelled.\n"
        _, told = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "was cancelled" in told.decode()
    assert kmctl("jobs", "wait", job["id"]).code == 1
    assert kmctl("jobs", "get", "import-0-no").code == 5


def test_without_jobs(daemon: Daemon) -> None:
    assert Kmctl(daemon.home)("jobs").out == "No jobs.\n"
