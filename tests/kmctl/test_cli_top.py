"""kmctl top on a terminal and in a pipe, with a real daemon under real calls."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge import __version__
from cco_knowledge_client import ConnectionLost, Unreachable
from conftest import StartDaemon
from kmctl.options import Invocation
from kmctl.top.source import Source
from outcome import Kmctl
from process import Daemon
from terminal import COLOUR, Terminal

SOON = ("top", "--interval", "0.1")
ROOT = Path(__file__).parents[2]
NAME = re.compile(r"`(\w+)`")
Show = Callable[..., Terminal]


@pytest.fixture
def show() -> Iterator[Show]:
    """Runs `kmctl top` on a terminal."""
    shown: list[Terminal] = []

    def run(home: Path, **options: Any) -> Terminal:
        shown.append(Terminal(home, *SOON, **options))
        return shown[-1]

    yield run
    for terminal in shown:
        terminal.close()


@pytest.fixture
def source(shared_daemon: Daemon) -> Iterator[Source]:
    with closing(Source(Invocation(home=str(shared_daemon.home)))) as source:
        yield source


def test_the_figures_are_those_of_what_was_called(
    shared_daemon: Daemon, source: Source, project: str
) -> None:
    source.look()
    for number in range(4):
        text = f"Note {number} of {project}."
        shared_daemon.call("knowledge.store", {"text": text, "project_id": project})
        shared_daemon.refusal("knowledge.get", {"ids": 1})
    shared_daemon.call("knowledge.search", {"query": f"Note 1 of {project}."})
    seen = source.look()
    reading = seen.reading
    assert (seen.pid, reading.version, reading.ready) == (shared_daemon.pid, __version__, True)
    assert reading.interval_s is not None

    def times(per_s: float | None) -> int:
        assert per_s is not None
        assert reading.interval_s is not None
        assert per_s * reading.interval_s == pytest.approx(round(per_s * reading.interval_s))
        return round(per_s * reading.interval_s)

    assert (times(reading.calls_per_s), times(reading.errors_per_s)) == (9, 4)
    assert times(reading.errors_by_outcome["invalid_params"]) == 4
    stores = reading.methods["knowledge.store"]
    assert (times(stores.calls_per_s), times(stores.errors_per_s)) == (4, 0)
    assert stores.p50_s is not None
    assert stores.p95_s is not None
    assert 0 < stores.p50_s <= stores.p95_s
    assert reading.methods["knowledge.get"].p50_s is None
    assert reading.store is not None
    assert times(reading.store.commits_per_s) == times(reading.store.rows_per_s) == 4
    assert reading.embedding is not None
    assert times(reading.embedding.texts_per_s) >= 5  # a first search embeds probes too
    assert times(reading.embedding.passages_per_s) >= 4
    assert times(reading.embedding.tokens_per_s) >= 4 * 5
    assert reading.table is not None
    assert reading.table.fragments >= 1
    assert reading.process.rss_bytes > 10e6


def test_what_was_counted_before_a_restart_is_not_compared(start_daemon: StartDaemon) -> None:
    daemon = start_daemon()
    with closing(Source(Invocation(home=str(daemon.home)))) as source:
        for _ in range(3):
            daemon.call("system.ping")
        assert source.look().reading.interval_s is None
        assert source.look().reading.interval_s is not None
        daemon.stop()
        with pytest.raises(ConnectionLost):
            source.look()
        with pytest.raises(Unreachable):
            source.look()
        again = start_daemon()
        first = source.look()
        assert (first.pid, first.reading.calls_per_s) == (again.pid, None)
        assert source.look().reading.calls_per_s == 0


def test_looking_is_no_call(source: Source) -> None:
    source.look()
    for _ in range(3):
        assert source.look().reading.calls_per_s == 0


def test_json_is_one_snapshot_of_one_interval(shared_kmctl: Kmctl) -> None:
    shared_kmctl("call", "system.ping")
    shown = shared_kmctl.json("top", "--interval", "0.2")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown["at"])
    assert shown["pid"] == shared_kmctl.json("status")["pid"]
    assert shown["interval_s"] >= 0.2
    assert shown["calls_per_s"] == 0
    assert "system.ping" in shown["methods"]
    assert shared_kmctl.json("top", "--once", "--interval", "0.1")["ready"] is True


def test_the_page_names_every_key(shared_kmctl: Kmctl) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    rows = page.partition("| key | meaning |\n")[2].partition("\n\n")[0].splitlines()[1:]
    told = [[NAME.findall(cell) for cell in row.strip("|").split("|")] for row in rows]
    shown = shared_kmctl.json(*SOON)
    assert sorted(name for names, _ in told for name in names) == sorted(shown)
    for (key, *_), parts in told:
        value = shown[key]
        if key == "methods":
            value = next(iter(value.values()))
        if isinstance(value, dict) and key != "errors_by_outcome":
            assert sorted(parts) == sorted(value), key


def test_in_a_pipe_it_prints_lines(shared_kmctl: Kmctl) -> None:
    shared_kmctl("call", "system.ping")
    one = shared_kmctl(*SOON)
    assert (one.code, one.err) == (0, "")
    for words in (f"cco-knowledge {__version__}", "ready", "unanswered", "tokens/s", "system.ping"):
        assert one.out.count(words) == 1
    assert "\x1b" not in one.out
    assert all(len(line) <= 100 and line == line.rstrip() for line in one.out.splitlines())
    three = shared_kmctl(*SOON, "-n", "3")
    assert three.out.count("cco-knowledge") == 3


@pytest.mark.parametrize(
    "arguments", [("--once", "-n", "2"), ("--json", "-n", "2"), ("--interval", "0")], ids=" ".join
)
def test_what_makes_no_sense_is_2(arguments: tuple[str, ...], command: Any) -> None:
    assert command("top", *arguments).code == 2


def test_the_screen_shows_what_happens(shared_daemon: Daemon, show: Show, project: str) -> None:
    shared_daemon.refusal("knowledge.get", {"ids": 1})
    terminal = show(shared_daemon.home)
    for words in (f"pid {shared_daemon.pid}", "ready", "calls/s", "unindexed", "q ends"):
        terminal.wait_for(words)
    store = {"project_id": project, "text": f"A store of {project} while the screen is open."}
    terminal.wait_until(
        lambda: (
            shared_daemon.call("knowledge.store", store)
            and re.search(r"^knowledge\.store +[1-9]", terminal.text(), re.MULTILINE)
        )
    )
    assert "invalid_params" in terminal.text()


@pytest.mark.parametrize("key", [b"q", b"Q", b"\x03"], ids=["q", "Q", "Ctrl-C"])
def test_a_key_ends_it_and_the_terminal_is_as_before(
    shared_daemon: Daemon, show: Show, key: bytes
) -> None:
    terminal = show(shared_daemon.home)
    terminal.wait_for("q ends")
    assert not terminal.is_restored()
    terminal.press(b"x\x1a")  # neither another key nor Ctrl-Z does anything
    terminal.press(key)
    assert terminal.wait_end() == 0
    assert terminal.is_restored()


def test_one_that_is_terminated_leaves_the_terminal_as_before(
    shared_daemon: Daemon, show: Show
) -> None:
    terminal = show(shared_daemon.home)
    terminal.wait_for("q ends")
    terminal.process.terminate()
    assert terminal.wait_end() == 128 + signal.SIGTERM
    assert terminal.is_restored()


def test_it_waits_for_a_daemon_and_goes_on_with_the_next(
    home: Path, start_daemon: StartDaemon, show: Show
) -> None:
    terminal = show(home)
    terminal.wait_for("No daemon answers")
    for _ in range(2):
        daemon = start_daemon()
        terminal.wait_for(f"pid {daemon.pid}")
        daemon.stop()
        terminal.wait_for("No daemon answers")
    terminal.press(b"q")
    assert terminal.wait_end() == 0
    assert terminal.is_restored()


def test_it_says_that_a_daemon_hangs_and_still_hears_keys(daemon: Daemon, show: Show) -> None:
    terminal = show(daemon.home)
    terminal.wait_for("q ends")
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        terminal.wait_for("no answer for")
        terminal.press(b"q")
        assert terminal.wait_end() == 0
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    assert terminal.is_restored()


def test_it_keeps_to_the_size_of_the_terminal(shared_daemon: Daemon, show: Show) -> None:
    terminal = show(shared_daemon.home, size=(120, 40))
    terminal.wait_for("loop lag")
    for columns, rows in ((40, 60), (30, 5), (120, 40)):
        terminal.resize(columns, rows)
        terminal.wait_until(partial(is_filled, terminal, columns, rows))
    terminal.wait_for("loop lag")


def is_filled(terminal: Terminal, columns: int, rows: int) -> bool:
    lines = terminal.screen()
    return len(lines) == rows and max(map(len, lines)) <= columns


@pytest.mark.parametrize(("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_unless_they_are_not_wanted(
    shared_daemon: Daemon, show: Show, environment: dict[str, str], is_coloured: bool
) -> None:
    terminal = show(shared_daemon.home, environment=environment)
    terminal.wait_until(
        lambda: (
            shared_daemon.refusal("knowledge.get", {"ids": 1})
            and re.search(r"errors/s +[1-9]", terminal.text())
        )
    )
    assert bool(COLOUR.search(terminal.written)) is is_coloured


def test_a_terminal_that_cannot_be_drawn_on_gets_lines(shared_daemon: Daemon, show: Show) -> None:
    terminal = show(shared_daemon.home, environment={"TERM": "dumb"})
    assert terminal.wait_end() == 0
    assert b"calls/s" in terminal.written
    assert b"\x1b" not in terminal.written
