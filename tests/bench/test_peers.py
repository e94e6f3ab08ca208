"""The driver, the daemon and its engine in one process as contenders, and the table."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.baselines import made
from bench.baselines.contenders import ENTRANTS
from bench.baselines.program import Failed, Program
from bench.baselines.table import ratios, table

_QUESTIONS = 10
_OWN = {entrant.name: entrant for entrant in ENTRANTS if entrant.name in ("daemon", "bare")}

Run = Callable[[str], Program]


@pytest.fixture
def run(model_file: Path, new_home: Callable[[], Path]) -> Iterator[Run]:
    """Starts contenders in folders of their own; all are ended in the end."""
    running = []

    def start(name: str) -> Program:
        entrant = _OWN[name]
        folder = new_home()
        program = Program(
            entrant.environment.command(entrant.program),
            folder,
            {**entrant.options, "model": str(model_file)},
            entrant.environment.variables(),
            folder / "stderr",
        )
        running.append(program)
        return program

    yield start
    for program in running:
        program.close()


def test_the_daemon_and_its_engine_in_one_process_find_the_same(run: Run) -> None:
    notes = made.first_notes(100, seed=1)
    questions = made.questions(_QUESTIONS, seed=2)
    found = {}
    for name in _OWN:
        program = run(name)
        program.call("batch", notes=notes[:-1])
        program.call("store", notes=notes[-1:])
        in_all = [program.call("search", query=query, project=None) for query in questions]
        in_one = program.call("search", query=questions[0], project=made.project(7))
        found[name] = ([sorted(ids) for ids in in_all], sorted(in_one))
    assert found["daemon"] == found["bare"]
    assert found["bare"][1] == ["note-57", "note-7"]


def test_many_callers_are_answered_and_an_error_is_told(run: Run) -> None:
    program = run("daemon")
    notes = iter(made.more_notes(1_000, seed=3))
    load = program.load((("store", {"notes": [note]}) for note in notes), callers=10, seconds=0.5)
    assert len(load.ms) >= 10
    assert load.errors == []
    memory = program.memory()
    if memory is not None:  # the server's own, without its clients
        assert memory.peak >= memory.resident >= memory.proportional > memory.client > 0
    with pytest.raises(Failed, match="InvalidParams"):
        program.call("search", query="", project=None)
    assert program.call("search", query="anything", project=None)


def test_one_that_does_not_start_tells_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('nothing works here')"]
    with pytest.raises(Failed, match="nothing works here"):
        Program(command, tmp_path / "folder", {}, {}, tmp_path / "log")


def _facts(**figures: Any) -> Mapping[str, Any]:
    return {"what": "…", "packages": [], "failed": None, "is_peer": False, **figures}


_REPORT = {
    "contenders": {
        "daemon": _facts(disk_mb=20.0, clients={"operations_per_s": 80.0, "failed": 0}),
        "floor": _facts(disk_mb=40.0, clients={"operations_per_s": 60.0, "failed": 0}),
        "steady": _facts(
            is_peer=True, disk_mb=10.0, clients={"operations_per_s": 4.0, "failed": 0}
        ),
        "fast": _facts(
            is_peer=True,
            clients={"operations_per_s": 400.0, "failed": 3, "first_failure": "IndexError"},
        ),
        "absent": _facts(is_peer=True, failed="fill: npm is not installed"),
    }
}


def test_ratios_are_below_one_where_the_daemon_is_ahead() -> None:
    assert ratios(_REPORT) == {
        "disk, MB": {"peer": 2.0, "floor": 0.5},
        "10 clients, operations a second": {"peer": 0.05, "floor": 0.75},
    }


def test_the_table_names_what_failed() -> None:
    shown = table(_REPORT)
    assert "| disk, MB | 20 | 40 | 10 |  |  | 2.00 | 0.50 |" in shown
    assert "with 10 clients: IndexError" in shown
    assert "failed: fill: npm is not installed" in shown
