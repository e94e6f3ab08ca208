"""The suite's own arithmetic, and one part of it in earnest."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import calls, check, goals, page, plots
from bench.figures import disk_mb, ratio, spread
from bench.run import PARTS
from bench.stand import Options


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="kb-", dir="/tmp"))  # short, for a socket
    yield path
    shutil.rmtree(path)


def test_a_spread_tells_ranks_and_the_rate_of_one_caller() -> None:
    told = spread([float(number) for number in range(1, 101)])
    assert told == {"n": 100, "p50": 51, "p95": 96, "p99": 100, "max": 100, "rate": 19.8}


def test_one_pause_of_the_machine_does_not_move_a_ratio() -> None:
    assert ratio([2, 2, 900], [1, 1, 1]) == 2


def test_files_that_are_linked_count_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1 << 20))
    once = disk_mb(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert disk_mb(tmp_path) == once > 0.9


def test_every_goal_belongs_to_a_part() -> None:
    assert {goal.path.partition(".")[0] for goal in goals.GOALS} <= PARTS.keys()


def test_a_goal_is_held_missed_or_not_measured() -> None:
    held, missed, *others = goals.GOALS
    parts = _at(held.path, held.limit / 2)
    for key, value in _at(missed.path, missed.limit * 2).items():
        parts.setdefault(key, value)
    judged = goals.judged(parts)
    assert [one["held"] for one in judged] == [True, False, *(None for _ in others)]


def _at(path: str, value: float) -> dict[str, Any]:
    key, _, rest = path.partition(".")
    return {key: _at(rest, value) if rest else value}


class _Measured:
    """Reports with these ratios, one after the other."""

    def __init__(self, *ratios: dict[str, float]) -> None:
        self.asked: list[Sequence[str]] = []
        self._ratios = iter(ratios)

    def __call__(self, parts: Sequence[str]) -> dict[str, Any]:
        self.asked.append(parts)
        facts = dict.fromkeys(("machine", "versions", "revision", "options"))
        return {**facts, "parts": {"one": {"ratios": next(self._ratios)}, "other": {}}}


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    file = tmp_path / "recorded.json"
    for at in range(-3, 5):
        check.record(_Measured({"a": 1.0 + at / 10, "b": 2.0}), ["one"], file)
    return file


def test_a_record_is_the_median_of_the_last_five_runs_with_their_spread(recorded: Path) -> None:
    ratios = json.loads(recorded.read_text())["ratios"]
    assert ratios["one.a"] == {"median": 1.2, "least": 1.0, "most": 1.4}


def test_what_is_as_recorded_is_measured_once(recorded: Path) -> None:
    measure = _Measured({"a": 1.4, "b": 1.0, "new": 9.0})
    report, is_well = check.check(measure, ["one", "other"], recorded)
    assert is_well
    assert measure.asked == [["one", "other"]]
    assert report["check"]["worse"] == {}


def test_what_is_worse_once_is_measured_again(recorded: Path) -> None:
    measure = _Measured({"a": 9.0, "b": 2.0}, {"a": 9.0, "b": 2.0}, {"a": 1.2, "b": 9.0})
    _, is_well = check.check(measure, ["one", "other"], recorded)
    assert is_well
    assert measure.asked == [["one", "other"], ["one"], ["one"]]


def test_what_is_worse_three_times_fails(recorded: Path) -> None:
    measure = _Measured({"a": 9.0}, {"a": 3.6}, {"a": 2.4})
    report, is_well = check.check(measure, ["one"], recorded)
    assert not is_well
    assert report["check"]["worse_each_time"] == {"one.a": 2.0}


def test_a_part_measures_a_daemon_beside_the_baseline(folder: Path) -> None:
    told = calls.run(Options(folder, entries=20, short=True))
    assert told["ms"]["get"]["n"] == told["ms"]["bare_get"]["n"] > 0
    assert told["ratios"]["get_to_bare"] > 0


def test_the_page_shows_the_report_that_is_kept() -> None:
    text = page.PAGE.read_text("utf-8")
    report = json.loads(page.KEPT.read_text("utf-8"))
    assert page.with_figures(text, report) == text


def test_every_place_of_the_page_is_known_and_every_picture_there() -> None:
    text = page.PAGE.read_text("utf-8")
    assert set(re.findall(r"<!-- figures: ([\w ]+) -->", text)) == page.PLACES.keys()
    assert text.count("<!-- end -->") == len(page.PLACES)
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert {Path(picture).stem for picture in pictures} <= plots.PICTURES.keys()
    assert all((page.PAGE.parent / picture).is_file() for picture in pictures)


def test_parts_that_were_measured_apart_are_one_report() -> None:
    one = {"machine": "a", "parts": {"rest": {"percent_of_a_core": 0.1}}, "goals": []}
    other = {"machine": "b", "parts": {"start": {"ready_s": {"p50": 9.0}}}, "goals": []}
    both = page.merged([one, other])
    assert both["machine"] == "a"
    held = {judged["what"]: judged["held"] for judged in both["goals"]}
    assert (held["CPU at rest"], held["ready after process start"]) == (True, False)
