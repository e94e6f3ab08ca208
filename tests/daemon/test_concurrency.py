"""Many clients at once; what waits for what; what is said when there is too much."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cco_knowledge.search.probes import PROBES
from conftest import StartDaemon
from entries import listed, store_all
from process import Daemon, wait_until
from wire import FRAMINGS, RpcError, answer, encoded, request, result_of

LONG_TEXT = "words that keep the model busy for a good while " * 15
CLIENTS = 10
LASTING_S = 5.0


def store_and_search(daemon: Daemon, name: str, end: threading.Event) -> list[str]:
    """The ids of what this client stored; what it has stored it finds at once."""
    ids: list[str] = []
    with daemon.raw() as raw:
        while not end.is_set():
            text = f"{name} learned fact number {len(ids)}"
            raw.send_line(request("knowledge.store", {"text": text, "agent": name}))
            stored = result_of(raw.line())
            assert stored["stored"]
            ids.append(stored["id"])
            raw.send_line(request("knowledge.search", {"query": text, "agent": name, "limit": 1}))
            (hit,) = result_of(raw.line())["results"]
            assert hit["id"] == stored["id"]
    return ids


def test_ten_clients_store_and_search_at_once(daemon: Daemon) -> None:
    end = threading.Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [
            pool.submit(store_and_search, daemon, f"client {n}", end) for n in range(CLIENTS)
        ]
        threading.Timer(LASTING_S, end.set).start()
        ids = [entry_id for client in clients for entry_id in client.result()]
    stats = daemon.call("knowledge.stats")
    found = [entry["id"] for entry in listed(daemon, limit=1000)]
    assert len(ids) > CLIENTS
    assert len(ids) == len(set(ids)) == stats["total_records"]
    assert sorted(found) == sorted(ids)


def test_a_crowd_shares_its_commits(daemon: Daemon) -> None:
    """The text is known already, so the stores reach the writer as quickly as they are begun."""
    daemon.call("knowledge.store", {"text": "known"})
    before = daemon.call("knowledge.stats")["storage"]["versions"]
    store = request("knowledge.store", {"text": "known", "on_duplicate": "store"})
    with daemon.raw() as raw:
        raw.send((encoded(store) + b"\n") * 60)
        ids = {result_of(raw.line())["id"] for _ in range(60)}
    assert len(ids) == 60
    assert daemon.call("knowledge.stats")["storage"]["versions"] - before <= 20


def test_a_batch_is_one_commit(daemon: Daemon) -> None:
    before = daemon.call("knowledge.stats")["storage"]["versions"]
    store_all(daemon, "p", *[{}] * 50)
    assert daemon.call("knowledge.stats")["storage"]["versions"] == before + 1


def test_compaction_keeps_files_few_and_loses_nothing(daemon: Daemon) -> None:
    ids = [daemon.call("knowledge.store", {"text": f"entry {n}"})["id"] for n in range(120)]
    daemon.call("knowledge.delete", {"ids": ids[:20]})
    daemon.call("knowledge.update", {"id": ids[20], "text": "changed"})
    assert {entry["id"] for entry in listed(daemon, limit=50)} == set(ids[20:])
    wait_until(lambda: daemon.call("knowledge.stats")["storage"]["fragments"] < 60)
    (hit,) = daemon.call("knowledge.search", {"query": "changed", "limit": 1})["results"]
    assert hit["id"] == ids[20]


def test_a_query_overtakes_a_batch(daemon: Daemon) -> None:
    daemon.call("knowledge.store", {"text": "something to find"})
    items = [{"text": f"{n} {LONG_TEXT}"} for n in range(200)]
    with daemon.raw() as raw:
        raw.send_line(request("knowledge.store_batch", {"items": items}, "batch"))
        wait_until(lambda: daemon.call("system.status")["queue"] > 0)
        for number in range(5):
            raw.send_line(request("knowledge.search", {"query": f"query {number}"}, number))
            assert raw.line()["id"] == number
        last = raw.line()
        assert (last["id"], result_of(last)["stored"]) == ("batch", 200)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_other_connections_are_served_while_one_is_busy(daemon: Daemon, framing: str) -> None:
    items = [{"text": f"{n} {LONG_TEXT}"} for n in range(60)]
    with daemon.raw() as raw:
        raw.send_line(request("knowledge.store_batch", {"items": items}))
        wait_until(lambda: daemon.call("system.status")["queue"] > 0)
        assert daemon.call("knowledge.search", {"query": "q"}, framing)["results"] == []
        assert daemon.call("knowledge.query", {}, framing)["total"] == 0
        assert result_of(raw.line())["stored"] == 60


def test_a_full_queue_says_when_to_come_again(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "embedding.queue_size=1", "--set", "embedding.threads=1")
    with daemon.raw() as raw:
        for number in range(20):
            params = {"text": f"{number} {LONG_TEXT}", "project_id": "crowd"}
            raw.send_line(request("knowledge.store", params, number))
        responses = [raw.line() for _ in range(20)]
    assert sorted(response["id"] for response in responses) == list(range(20))
    errors = [RpcError(response["error"]) for response in responses if "error" in response]
    assert 0 < len(errors) < 20
    assert {(error.code, error.reason) for error in errors} == {(-32017, "overloaded")}
    assert all(error.data["retryable"] for error in errors)
    assert all(error.data["retry_after_ms"] > 0 for error in errors)
    assert daemon.call("knowledge.stats")["total_records"] == 20 - len(errors)


def test_a_long_text_passes_even_a_short_queue(start_daemon: StartDaemon) -> None:
    """A text of more passages than the queue holds could never be stored otherwise."""
    daemon = start_daemon("--set", "embedding.queue_size=1")
    assert daemon.call("knowledge.store", {"text": LONG_TEXT * 12})["stored"]


def test_a_deadline_is_told(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "limits.deadline_s=0.001")
    error = daemon.refusal("knowledge.search", {"query": LONG_TEXT})
    assert (error.code, error.reason) == (-32013, "deadline_exceeded")
    assert error.data["retryable"] is True
    assert daemon.call("system.ping") == "pong"
    assert daemon.call("knowledge.store_batch", {"items": [{"text": "bulk"}]})["stored"] == 1


def test_cache_hits_are_visible(daemon: Daemon) -> None:
    def facts() -> dict[str, int]:
        embedding = daemon.call("system.status")["embedding"]
        assert isinstance(embedding, dict)
        return embedding

    daemon.call("knowledge.search", {"query": "seen once"})
    # Its answer is remembered too, hence another limit below.
    # The daemon's own probes, which it embeds after the start, count as well.
    wait_until(lambda: facts()["cache_size"] > len(PROBES))
    before = facts()
    daemon.call("knowledge.search", {"query": "seen once", "limit": 5})
    after = facts()
    assert after["cache_hits"] == before["cache_hits"] + 1
    assert after["cache_misses"] == before["cache_misses"]


def test_the_cache_is_bounded(start_daemon: StartDaemon) -> None:
    daemon = start_daemon("--set", "embedding.cache_size=3")
    for number in range(6):
        daemon.call("knowledge.search", {"query": f"query {number}"})
    assert daemon.call("system.status")["embedding"]["cache_size"] == 3


def test_concurrent_updates_of_one_entry_both_hold(daemon: Daemon) -> None:
    (entry_id,) = store_all(daemon, "p", {})
    changes = [{"agent": "other"}, {"session_id": "other"}, {"text": "other"}, {"type": "issue"}]
    with ThreadPoolExecutor(4) as pool:
        updates = pool.map(
            lambda change: daemon.call("knowledge.update", {"id": entry_id} | change), changes
        )
        assert all(update["updated"] for update in updates)
    (entry,) = daemon.call("knowledge.get", {"ids": [entry_id]})["entries"]
    assert [entry[name] for name in ("agent", "session_id", "text", "type")] == [
        "other",
        "other",
        "other",
        "issue",
    ]


def test_an_expected_count_holds_against_concurrent_stores(daemon: Daemon) -> None:
    """A filtered delete removes exactly what was counted, whatever comes in meanwhile."""
    store_all(daemon, "p", *[{}] * 20)
    with ThreadPoolExecutor(4) as pool:
        stores = [
            pool.submit(daemon.call, "knowledge.store", {"text": f"new {n}", "project_id": "p"})
            for n in range(30)
        ]
        deletion = request("knowledge.delete", {"project_id": "p", "expect": 20})
        response = answer(daemon.socket_path, "ndjson", deletion)
        assert all(store.result()["stored"] for store in stores)
    if "error" in response:
        assert RpcError(response["error"]).reason == "conflict"
    deleted = response.get("result", {"deleted": 0})["deleted"]
    assert deleted in {0, 20}
    assert daemon.call("knowledge.stats")["total_records"] == 50 - deleted
