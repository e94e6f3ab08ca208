"""kmctl metrics, with a real daemon."""

import socket
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kmctl.options import Invocation
from kmctl.scrape import samples_of
from kmctl.since_start import facts_since_start
from outcome import Kmctl
from prometheus_text import parsed

CALLS = "cco_knowledge_calls_total"


@pytest.fixture
def home_socket() -> Iterator[Path]:
    """A path that is short enough."""
    with tempfile.TemporaryDirectory(prefix="cco", dir="/tmp") as folder:
        yield Path(folder) / "s"


@contextmanager
def answering_once(path: Path, answer: bytes) -> Iterator[None]:
    """Something that reads one request and sends these bytes."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()

        def play() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(answer)

        playing = threading.Thread(target=play)
        playing.start()
        try:
            yield
        finally:
            playing.join()


def test_it_prints_what_prometheus_reads(shared_kmctl: Kmctl) -> None:
    shared_kmctl("call", "system.ping")
    outcome = shared_kmctl("metrics")
    assert (outcome.code, outcome.err) == (0, "")
    assert parsed(outcome.out).value(CALLS, method="system.ping", outcome="ok") >= 1


def test_json_has_each_sample(shared_kmctl: Kmctl) -> None:
    samples = shared_kmctl.json("metrics")["samples"]
    theirs = parsed(shared_kmctl("metrics").out)
    assert {sample["name"] for sample in samples} == theirs.names()
    of_ready = [sample for sample in samples if sample["name"] == "cco_knowledge_ready"]
    assert of_ready == [{"name": "cco_knowledge_ready", "labels": {}, "value": 1.0}]


def test_our_reading_of_the_text_is_prometheus_own() -> None:
    text = (
        "# HELP a_b Some {help}.\n# TYPE a_b gauge\n"
        'a_b{x="1",y="a \\"quoted\\" \\\\ and\\nnew, {line}"} 1.5e-05\na_b +Inf\na_b 3\n'
    )
    (family,) = parsed(text).families.values()
    ours = [(sample.name, sample.labels, sample.value) for sample in samples_of(text)]
    assert ours == [(sample.name, sample.labels, sample.value) for sample in family.samples]
    assert len(ours) == 3


def test_a_file_for_the_textfile_collector_is_replaced_whole(
    shared_kmctl: Kmctl, tmp_path: Path
) -> None:
    file = tmp_path / "knowledge.prom"
    file.write_text("of before")
    written = shared_kmctl.json("metrics", "--textfile", str(file))
    text = file.read_text("utf-8")
    assert written == {"path": str(file), "samples": len([*samples_of(text)])}
    assert parsed(text).value("cco_knowledge_ready") == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["knowledge.prom"]


def test_a_file_stays_as_it_was_when_no_daemon_answers(command: Any, tmp_path: Path) -> None:
    file = tmp_path / "knowledge.prom"
    file.write_text("of before")
    assert command("metrics", "--textfile", str(file)).code == 3
    assert file.read_text("utf-8") == "of before"


def test_a_folder_that_is_not_there_is_named(shared_kmctl: Kmctl, tmp_path: Path) -> None:
    outcome = shared_kmctl("metrics", "--textfile", str(tmp_path / "no" / "knowledge.prom"))
    assert outcome.code == 1
    assert str(tmp_path / "no") in outcome.err


def test_what_is_no_daemon_of_ours(command: Any, home_socket: Path) -> None:
    answers = {
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n": (1, "kmctl restart"),
        b"": (3, "ended"),
        b"nonsense\r\n\r\n": (3, "ended"),
    }
    for answer, (code, words) in answers.items():
        with answering_once(home_socket, answer):
            outcome = command("metrics", "--socket", str(home_socket))
        assert outcome.code == code
        assert words in outcome.err


def test_status_says_that_there_are_no_metrics(command: Any, home_socket: Path) -> None:
    found = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with answering_once(home_socket, found):
        told = facts_since_start(Invocation(socket=str(home_socket)))
    assert "kmctl restart" in told["metrics"]


def test_one_that_never_answers(command: Any, home_socket: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(home_socket))
        listening.listen()
        outcome = command("metrics", "--socket", str(home_socket), "--timeout", "0.1")
    assert outcome.code == 75
