"""kmctl bench against a daemon that holds something: it measures, and leaves no trace."""

import os
import re
import signal
import subprocess

from outcome import Kmctl
from process import wait_until

ONCE = {"ping", "store", "search", "search in the project", "get", "query"}
SHORT = ("--entries", "3", "--clients", "2", "--seconds", "0.5")


def n_there(kmctl: Kmctl) -> int:
    return int(kmctl.json("stats")["total_records"])


def test_it_measures_each_kind_of_call_and_deletes_what_it_stored(
    shared_kmctl: Kmctl, project: str
) -> None:
    assert shared_kmctl("store", "Something of ours.", "--project", project).code == 0
    before = n_there(shared_kmctl)
    done = shared_kmctl.json("bench", *SHORT)
    operations = done["operations"]
    assert operations.keys() == ONCE | {"the same search again", "batch of 3", "mixed"}
    assert {operations[name]["calls"] for name in ONCE} == {3}
    for figures in operations.values():
        assert 0 < figures["p50_ms"] <= figures["p95_ms"] <= figures["p99_ms"]
        assert figures["per_s"] > 0
    assert done["failed"] == 0
    assert done["deleted"] >= 3 + 3 + 1
    assert n_there(shared_kmctl) == before


def test_people_are_told_before_and_get_a_table(shared_kmctl: Kmctl) -> None:
    outcome = shared_kmctl("bench", *SHORT)
    assert outcome.code == 0
    assert "stores at least 6 entries in the project kmctl-bench" in outcome.err
    title, *lines = outcome.out.splitlines()
    assert re.split("  +", title) == ["Call", "Calls", "p50 ms", "p95 ms", "p99 ms", "per second"]
    assert lines[0].startswith("ping")
    assert lines[-1].endswith("entries stored and deleted again")


def test_what_it_stored_is_deleted_after_ctrl_c_too(shared_kmctl: Kmctl) -> None:
    before = n_there(shared_kmctl)
    process = shared_kmctl.begin("bench", "--seconds", "600")
    try:
        wait_until(lambda: n_there(shared_kmctl) > before)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
    finally:
        _end(process)
    assert n_there(shared_kmctl) == before


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()
