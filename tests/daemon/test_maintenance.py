"""Upkeep of the table through the socket: by itself, on request, and proved."""

import threading

import pytest

from bench.soak import soak
from conftest import StartDaemon
from entries import query_ids, store_all
from process import Daemon, wait_until
from prometheus_text import measured

SMALL_FILE_BYTES = 32 << 10
"""At most, for one commit with all its files, until it is folded."""


@pytest.mark.timeout(900)
def test_what_single_stores_leave_behind_is_bounded(daemon: Daemon) -> None:
    """`scripts/soak` in short."""
    seen = soak(daemon, 400, n_samples=40)
    early, late = seen.samples[5], seen.samples[-2]
    assert seen.most("fragments") < 256
    assert seen.most("versions") < 600
    assert seen.most("threads") < 100
    assert late.open_files < early.open_files + 80
    assert late.resident_bytes < early.resident_bytes + (100 << 20)
    compacted_bytes = seen.after_optimize.disk_bytes
    for sample in seen.samples:
        share = compacted_bytes * sample.entries / seen.after_optimize.entries
        assert sample.disk_bytes < 2 * share + sample.versions * SMALL_FILE_BYTES
    assert (seen.after_optimize.fragments, seen.after_optimize.unindexed_rows) == (1, 0)


def test_optimize_and_verify_are_jobs(daemon: Daemon) -> None:
    ids = store_all(daemon, "p", *[{}] * 300)
    daemon.call("knowledge.delete", {"ids": ids[:50]})
    begun = daemon.call("system.optimize")
    assert (begun["kind"], begun["state"]) == ("optimize", "running")
    job = daemon.call("job.wait", {"id": begun["id"]})
    assert (job["state"], job["done"], job["total"]) == ("done", 250, 250)
    after = job["result"]["after"]
    assert 0 < after.pop("live_bytes") <= after["bytes"]
    assert after == daemon.call("knowledge.stats")["storage"]
    assert after["fragments"] == 1
    begun = daemon.call("system.verify")
    job = daemon.call("job.wait", {"id": begun["id"]})
    assert (job["state"], job["done"], job["total"]) == ("done", 250, 250)
    assert (job["result"]["rows"], job["result"]["problems"]) == (250, [])


def test_calls_are_answered_while_the_table_is_verified_and_optimized(daemon: Daemon) -> None:
    store_all(daemon, "p", *[{}] * 500)
    ended = threading.Event()
    stored: list[str] = []

    def go_on() -> None:
        while not ended.is_set():
            stored.append(
                daemon.call("knowledge.store", {"text": f"new {len(stored)}", "project_id": "q"})[
                    "id"
                ]
            )
            assert daemon.call("knowledge.search", {"query": "text 7", "limit": 3})["count"] == 3
            daemon.call("knowledge.delete", {"ids": [stored[0]]})

    going_on = threading.Thread(target=go_on)
    going_on.start()
    try:
        for method in ("system.verify", "system.optimize", "system.verify"):
            job = daemon.call("job.wait", {"id": daemon.call(method)["id"]})
            assert job["state"] == "done"
            assert not job["result"].get("problems")
    finally:
        ended.set()
        going_on.join()
    assert sorted(query_ids(daemon, project_id="q")) == sorted(stored[1:])


def test_a_cancelled_job_leaves_the_table_whole(daemon: Daemon) -> None:
    store_all(daemon, "p", *[{}] * 500)
    for method in ("system.verify", "system.optimize"):
        begun = daemon.call(method)
        assert daemon.call("job.cancel", {"id": begun["id"]})["state"] in {"cancelled", "done"}
    job = daemon.call("job.wait", {"id": daemon.call("system.verify")["id"]})
    assert (job["state"], job["result"]["problems"]) == ("done", [])


def test_maintenance_is_told(daemon: Daemon) -> None:
    before = daemon.call("system.status")["maintenance"]
    assert (before["failures_in_a_row"], before["last_failure"]) == (0, None)
    daemon.call("job.wait", {"id": daemon.call("system.optimize")["id"]})
    after = daemon.call("system.status")["maintenance"]
    assert after["compactions"] > before["compactions"]
    now = measured(daemon.socket_path)
    assert now.value("cco_knowledge_compactions_total") == after["compactions"]
    assert now.value("cco_knowledge_compaction_failures_in_a_row") == 0
    size_bytes = daemon.call("knowledge.stats")["storage"]["bytes"]
    assert 0 < now.value("cco_knowledge_table_live_bytes") <= size_bytes


def test_what_a_killed_daemon_left_is_folded_by_the_next(start_daemon: StartDaemon) -> None:
    first = start_daemon()
    for n in range(30):
        first.call("knowledge.store", {"text": f"entry {n}"})
    first.kill()
    second = start_daemon()
    wait_until(lambda: second.call("knowledge.stats")["storage"]["fragments"] <= 2)
    job = second.call("job.wait", {"id": second.call("system.verify")["id"]})
    assert (job["result"]["rows"], job["result"]["problems"]) == (30, [])
