"""Long work that outlives its connection: seen, waited for, cancelled, remembered."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import StartDaemon
from entries import query_ids
from process import Daemon, wait_until
from wire import FRAMINGS, Raw, request


def import_items(daemon: Daemon, items: list[Any], framing: str = "ndjson") -> Any:
    """The job that has just begun."""
    return daemon.call("knowledge.import", {"items": items}, framing)


def wait(daemon: Daemon, job: Any, framing: str = "ndjson") -> Any:
    return daemon.call("job.wait", {"id": job["id"]}, framing)


def numbered(project: str, n: int, words: int = 5) -> list[dict[str, Any]]:
    filler = " ".join(f"word{at}" for at in range(words))
    return [{"text": f"Fact {at}: {filler}.", "project_id": project} for at in range(n)]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_import_stores_what_is_good_and_names_what_is_not(
    shared_daemon: Daemon, project: str, framing: str
) -> None:
    items = [
        {"text": "A good entry.", "project_id": project, "id": f"{project}-{framing}"},
        {"text": "A bad one.", "type": "isue"},
        "no object",
        {"text": "Replaced.", "superseded_by": "x"},
    ]
    begun = import_items(shared_daemon, items, framing)
    assert (begun["kind"], begun["state"]) == ("import", "running")
    job = wait(shared_daemon, begun, framing)
    assert (job["state"], job["done"], job["total"]) == ("done", 4, 4)
    assert {name: job["result"][name] for name in ("read", "stored", "unchanged", "failed")} == {
        "read": 4,
        "stored": 1,
        "unchanged": 0,
        "failed": 3,
    }
    assert [error["item"] for error in job["result"]["errors"]] == [2, 3, 4]
    assert {error["reason"] for error in job["result"]["errors"]} == {"invalid_params"}
    assert shared_daemon.call("job.get", {"id": job["id"]}, framing) == job
    assert job in shared_daemon.call("job.list", framing=framing)["jobs"]
    assert query_ids(shared_daemon, project_id=project) == [f"{project}-{framing}"]


def test_items_come_in_parts_and_a_successor_may_come_later(
    shared_daemon: Daemon, project: str
) -> None:
    old = {"id": f"{project}-old", "text": "Old.", "project_id": project}
    first = shared_daemon.call(
        "knowledge.import",
        {"items": [{**old, "superseded_by": f"{project}-new"}], "more": True},
    )
    assert first["state"] == "receiving"
    assert query_ids(shared_daemon, project_id=project) == []
    new = {"id": f"{project}-new", "text": "New.", "project_id": project}
    job = shared_daemon.call("knowledge.import", {"items": [new], "job": first["id"]})
    assert job["id"] == first["id"]
    assert wait(shared_daemon, job)["result"]["stored"] == 2
    (entry,) = shared_daemon.call("knowledge.get", {"ids": [old["id"]]})["entries"]
    assert entry["superseded_by"] == new["id"]
    again = wait(
        shared_daemon,
        import_items(shared_daemon, [{**old, "superseded_by": f"{project}-new"}, new]),
    )
    assert (again["result"]["stored"], again["result"]["unchanged"]) == (0, 2)


def test_a_job_goes_on_when_who_asked_has_gone(daemon: Daemon) -> None:
    with daemon.raw() as connection:
        connection.send_line(request("knowledge.import", {"items": numbered("p", 300)}))
        job = connection.line()["result"]
    assert wait(daemon, job)["result"]["stored"] == 300


def test_progress_comes_to_who_started_and_to_who_waits(daemon: Daemon) -> None:
    with daemon.raw() as starter, daemon.raw() as waiter:
        starter.send_line(request("knowledge.import", {"items": numbered("p", 300)}))
        job = starter.line()["result"]
        waiter.send_line(request("job.wait", {"id": job["id"]}))
        for connection in (starter, waiter):
            heard = list(progress_until_end(connection, job["id"]))
            assert [part["done"] for part in heard] == sorted(part["done"] for part in heard)
            assert len(heard) > 1
            assert heard[-1]["state"] == "done"
        assert waiter.line()["result"]["state"] == "done"


def progress_until_end(connection: Raw, job_id: str) -> Iterator[dict[str, Any]]:
    while True:
        message = connection.line()
        assert message["method"] == "job.progress"
        assert "id" not in message
        assert message["params"]["id"] == job_id
        yield message["params"]
        if message["params"]["state"] != "running":
            return


def test_a_cancelled_job_keeps_what_it_did(daemon: Daemon) -> None:
    job = import_items(daemon, numbered("p", 500))
    wait_until(lambda: daemon.call("job.get", {"id": job["id"]})["done"] > 0)
    cancelled = daemon.call("job.cancel", {"id": job["id"]})
    assert cancelled["state"] == "cancelled"
    assert cancelled["finished_at"]
    assert 0 < cancelled["done"] < 500
    assert cancelled["done"] <= daemon.call("knowledge.stats")["total_records"] < 500
    assert daemon.call("job.cancel", {"id": job["id"]}) == cancelled, "nothing more to do"
    again = wait(daemon, import_items(daemon, numbered("p", 500)))["result"]
    assert again["stored"] + again["unchanged"] == 500
    assert again["unchanged"] >= cancelled["done"]


def test_a_job_that_is_received_can_be_cancelled(daemon: Daemon) -> None:
    job = daemon.call("knowledge.import", {"items": numbered("p", 1), "more": True})
    assert daemon.call("job.cancel", {"id": job["id"]})["state"] == "cancelled"
    late = daemon.refusal("knowledge.import", {"items": numbered("p", 1), "job": job["id"]})
    assert late.reason == "conflict"
    assert list(daemon.home.joinpath("jobs").glob("*.items")) == []


@pytest.mark.parametrize("method", ["job.get", "job.wait", "job.cancel"])
def test_an_unknown_job(shared_daemon: Daemon, method: str) -> None:
    assert shared_daemon.refusal(method, {"id": "import-1-x"}).reason == "not_found"
    assert shared_daemon.refusal(method).field == "id"


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_after_a_restart_a_job_is_what_it_became(
    start_daemon: StartDaemon, by: signal.Signals
) -> None:
    daemon = start_daemon()
    finished = wait(daemon, import_items(daemon, numbered("q", 1)))
    job = import_items(daemon, numbered("p", 500))
    with daemon.raw() as waiter:
        waiter.send_line(request("job.wait", {"id": job["id"]}))
        wait_until(lambda: daemon.call("job.get", {"id": job["id"]})["done"] > 0)
        assert daemon.process
        daemon.process.send_signal(by)
        if by == signal.SIGTERM:
            *_, last = progress_until_end(waiter, job["id"])
            assert last["state"] == "interrupted"
            assert waiter.line()["result"]["state"] == "interrupted"
    daemon.wait()
    daemon = start_daemon()
    interrupted = daemon.call("job.get", {"id": job["id"]})
    assert interrupted["state"] == "interrupted"
    assert interrupted["error"]["retryable"]
    assert daemon.call("job.list")["jobs"] == [interrupted, finished]
    assert list(daemon.home.joinpath("jobs").glob("*.items")) == []
    again = wait(daemon, import_items(daemon, numbered("p", 500)))
    assert again["result"]["stored"] + again["result"]["unchanged"] == 500
    assert daemon.call("knowledge.stats", {"project_id": "p"})["total_records"] == 500


def test_a_record_that_cannot_be_read_hides_no_other(start_daemon: StartDaemon, home: Path) -> None:
    daemon = start_daemon()
    job = wait(daemon, import_items(daemon, numbered("p", 1)))
    daemon.stop()
    (home / "jobs" / "import-1-broken.json").write_text("{")
    assert start_daemon().call("job.list")["jobs"] == [job]


def test_too_many_jobs_are_refused_for_a_while(daemon: Daemon) -> None:
    receive = {"items": numbered("p", 1), "more": True}
    for _ in range(16):
        daemon.call("knowledge.import", receive)
    refused = daemon.refusal("knowledge.import", receive)
    assert refused.reason == "overloaded"
    assert refused.data["retry_after_ms"] > 0


def test_jobs_are_listed_while_the_model_loads(start_daemon: StartDaemon) -> None:
    daemon = start_daemon(ready=False)
    daemon.wait_listening()
    assert daemon.call("job.list") == {"jobs": []}
    job = import_items(daemon, numbered("p", 3))
    assert wait(daemon, job)["result"]["stored"] == 3
    daemon.wait_ready()
