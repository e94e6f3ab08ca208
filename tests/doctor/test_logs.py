"""kmctl logs shows what a detached daemon wrote."""

import io
import signal
from pathlib import Path

from doctor.conftest import Command
from outcome import Kmctl

READY = '{"ts":"2026-11-25T10:00:00.000+00:00","level":"info","logger":"l","event":"ready"}'
CALL = (
    '{"ts":"2026-11-25T10:00:01.000+00:00","level":"info","logger":"l","event":"call",'
    '"method":"system.ping","outcome":"ok","ms":0.2,"bytes_out":40}'
)
REFUSAL = "cco-knowledged: The store cannot be read."


def write_log(home: Path, *lines: str) -> Path:
    log = home / "logs" / "knowledge.log"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    log.write_text("".join(f"{line}\n" for line in lines))
    return log


def test_the_end_of_the_log_in_words(command: Command, home: Path) -> None:
    write_log(home, READY, CALL, REFUSAL)
    told = command("logs", "-n", "2")
    assert told.code == 0
    assert told.out.splitlines() == [
        "2026-11-25T10:00:01.000+00:00  info     call  system.ping  ok  0.2 ms",
        REFUSAL,
    ]
    write_log(home, *[READY] * 5000, CALL)
    assert len(command("logs", "-n", "3000").out.splitlines()) == 3000
    assert len(command("logs").out.splitlines()) == 20
    assert command("logs", "-n", "0").out == ""


def test_programs_get_a_list(command: Command, home: Path) -> None:
    write_log(home, CALL, REFUSAL)
    call, refusal = command("logs", "--json").json
    assert (call["method"], call["ms"]) == ("system.ping", 0.2)
    assert refusal == {"event": REFUSAL}
    assert command("logs", "--json", "-f").code == 2


def test_without_a_log_it_is_said_where_one_is(command: Command) -> None:
    told = command("logs")
    assert (told.code, told.out) == (5, "")
    assert "kmctl start --detach" in told.err
    assert "service manager" in told.err


def test_what_comes_is_followed_also_when_the_log_was_emptied(home: Path) -> None:
    log = write_log(home, READY)
    following = Kmctl(home).begin("logs", "-f")
    try:
        assert following.stdout is not None
        lines = io.TextIOWrapper(following.stdout)
        assert lines.readline().endswith("ready\n")
        append(log, CALL)
        assert lines.readline().endswith("0.2 ms\n")
        log.write_text(f"{REFUSAL}\n")
        assert lines.readline() == f"{REFUSAL}\n"
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 130
    finally:
        following.kill()
        following.communicate()


def append(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(f"{line}\n")
