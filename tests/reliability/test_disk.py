"""A disk that hangs or refuses: reads go on, changes are refused clearly, and all recovers."""

import threading

import pytest

from cco_knowledge.search.probes import PROBES
from conftest import StartDaemon
from entries import query_ids, store_all
from faulty import Faults
from process import Daemon, wait_until
from wire import RpcError, answer, request


def http_status(daemon: Daemon, target: str) -> tuple[int, bytes]:
    with daemon.raw() as raw:
        raw.send(f"GET {target} HTTP/1.1\r\nHost: cco\r\nConnection: close\r\n\r\n".encode())
        reply = raw.http_reply()
        return reply.status, reply.body


def test_a_hung_disk_holds_up_no_read_and_ends_by_itself(
    faulty_daemon: Daemon, faults: Faults
) -> None:
    ids = store_all(faulty_daemon, "p", {}, {}, {})
    faults.set("store.append hang")
    answers: list[str] = []

    def store(number: int) -> None:
        answers.append(faulty_daemon.call("knowledge.store", {"text": f"waits {number}"})["id"])

    waiting = [threading.Thread(target=store, args=[number]) for number in range(3)]
    for thread in waiting:
        thread.start()
    wait_until(lambda: http_status(faulty_daemon, "/healthz")[0] == 503)
    for method, params in [
        ("knowledge.store", {"text": "late"}),
        ("knowledge.store_batch", {"items": [{"text": "late"}]}),
        ("knowledge.update", {"id": ids[0], "text": "late"}),
        ("knowledge.delete", {"ids": ids[:1]}),
        ("knowledge.cleanup", {"older_than_days": 0}),
    ]:
        refused = faulty_daemon.refusal(method, params)
        assert (refused.reason, refused.data["retryable"]) == ("unavailable", True), method
    assert faulty_daemon.call("system.ping") == "pong"
    assert faulty_daemon.call("knowledge.stats")["total_records"] == 3
    assert faulty_daemon.call("knowledge.search", {"query": "text"})["count"] == 3
    assert answers == []
    faults.set()
    for thread in waiting:
        thread.join()
    assert len(set(answers)) == 3
    wait_until(lambda: http_status(faulty_daemon, "/healthz")[0] == 200)
    assert faulty_daemon.call("knowledge.delete", {"ids": ids})["deleted"] == 3
    assert set(query_ids(faulty_daemon)) == set(answers)


@pytest.mark.parametrize(
    ("error", "reason", "retryable"),
    [
        ("EROFS", "unavailable", True),
        ("ENOSPC", "storage_full", True),
        ("EDQUOT", "storage_full", True),
        ("EMFILE", "overloaded", True),
        ("ENOMEM", "overloaded", True),
        ("EIO", "store_failed", False),
    ],
)
def test_what_the_disk_refuses_is_told_as_what_it_is(
    shared_faulty: tuple[Daemon, Faults], error: str, reason: str, retryable: bool
) -> None:
    daemon, faults = shared_faulty
    before = query_ids(daemon)
    faults.set(f"store.append {error}")
    refused = daemon.refusal("knowledge.store", {"text": "refused"})
    assert (refused.reason, refused.data["retryable"]) == (reason, retryable)
    assert daemon.call("knowledge.search", {"query": "refused"})["count"] == len(before)
    faults.set()
    stored = daemon.call("knowledge.store", {"text": f"stored after {error}"})
    assert set(query_ids(daemon)) == {*before, stored["id"]}


def test_a_text_on_which_the_model_fails_fails_alone(
    shared_faulty: tuple[Daemon, Faults],
) -> None:
    daemon, faults = shared_faulty
    texts = ["embedded before", "embedded on the day before", "never embedded"]
    daemon.call("embedding.embed", {"texts": texts[:2]})
    faults.set("embedding.call EIO")
    batch = daemon.call("knowledge.store_batch", {"items": [{"text": text} for text in texts]})
    assert [one.get("error", {}).get("data", {}).get("reason") for one in batch["results"]] == [
        None,
        None,
        "embedding_failed",
    ]
    faults.set()
    assert daemon.call("knowledge.store", {"text": texts[2]})["stored"]


def test_a_model_that_hangs_holds_up_the_others_until_it_moves(
    start_daemon: StartDaemon, faults: Faults
) -> None:
    """One of two cores: the other one works on. Both: calls end at their deadline."""
    daemon = start_daemon(
        *("--set", "embedding.threads=2"),
        *("--set", "limits.deadline_s=1", "--set", "limits.bulk_deadline_s=1"),
        environment=faults.environment,
    )
    (kept,) = store_all(daemon, "p", {})
    daemon.call("knowledge.search", {"query": "what begins to measure what chance finds"})
    wait_until(lambda: daemon.call("system.status")["embedding"]["cache_size"] == len(PROBES) + 2)
    faults.set("embedding.call hang 80")  # counted from the start
    reasons = [
        response["error"]["data"]["reason"] if "error" in response else "ok"
        for n in range(40)
        for response in [answer(daemon.socket_path, "ndjson", embedding(f"text {n}"))]
    ]
    assert reasons.count("deadline_exceeded") == 1
    assert reasons.count("ok") == 39
    faults.set("embedding.call hang")
    assert daemon.refusal("knowledge.search", {"query": "both hang"}).reason == "deadline_exceeded"
    assert daemon.refusal("knowledge.search", {"query": "they do"}).reason == "deadline_exceeded"
    assert daemon.call("knowledge.get", {"ids": [kept]})["missing"] == []
    faults.set()
    wait_until(lambda: daemon.call("system.status")["queue"] == 0)
    assert daemon.call("knowledge.search", {"query": "it moves"})["count"] == 1


def embedding(text: str) -> object:
    return request("embedding.embed", {"texts": [text]})


def test_without_memory_for_a_text_it_is_to_come_again(
    shared_faulty: tuple[Daemon, Faults],
) -> None:
    daemon, faults = shared_faulty
    faults.set("embedding.call memory")
    with pytest.raises(RpcError) as refused:
        daemon.call("knowledge.store", {"text": "no memory for this"})
    assert refused.value.reason == "overloaded"
    faults.set()
    assert daemon.call("knowledge.store", {"text": "no memory for this"})["stored"]


def test_a_daemon_that_may_fail_on_purpose_says_so(shared_faulty: tuple[Daemon, Faults]) -> None:
    assert "things go wrong on purpose" in shared_faulty[0].stderr
