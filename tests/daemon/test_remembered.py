"""A call that comes again is answered from memory, and never with what is not so any more."""

from typing import Any

from cco_knowledge.search.probes import PROBES
from process import Daemon, wait_until


def found(daemon: Daemon, project: str, query: str = "which queue carries the orders") -> list[str]:
    hits = daemon.call("knowledge.search", {"query": query, "project_id": project})
    return [hit["text"] for hit in hits["results"]]


def stored(daemon: Daemon, project: str, text: str, **fields: Any) -> str:
    params = {"text": text, "project_id": project, **fields}
    return str(daemon.call("knowledge.store", params)["id"])


def embedding_of(daemon: Daemon) -> dict[str, int]:
    return dict(daemon.call("system.status")["embedding"])


def n_asked(daemon: Daemon) -> int:
    """How often the model was asked for a text, or its cache."""
    facts = embedding_of(daemon)
    return facts["cache_hits"] + facts["cache_misses"]


def test_the_same_search_asks_the_model_once(daemon: Daemon) -> None:
    stored(daemon, "shop", "RabbitMQ carries the orders.")
    searched = {"query": "which queue carries the orders"}
    first = daemon.call("knowledge.search", searched)

    def asks_nothing() -> bool:
        """In the end not even for what chance finds, which is measured once the probes are in."""
        before = n_asked(daemon)
        again = daemon.call("knowledge.search", searched)
        assert again["results"] == first["results"]
        return n_asked(daemon) == before

    wait_until(lambda: embedding_of(daemon)["cache_size"] == len(PROBES) + 2)
    wait_until(asks_nothing)
    before = n_asked(daemon)
    daemon.call("knowledge.search", {**searched, "limit": 3})
    assert n_asked(daemon) == before + 1


def test_a_search_finds_what_has_come_since(shared_daemon: Daemon, project: str) -> None:
    stored(shared_daemon, project, "RabbitMQ carries the orders.")
    assert len(found(shared_daemon, project)) == 1
    stored(shared_daemon, project, "Kafka carries the orders of the new shop.")
    assert len(found(shared_daemon, project)) == 2


def test_a_search_does_not_find_what_is_gone(shared_daemon: Daemon, project: str) -> None:
    entry_id = stored(shared_daemon, project, "RabbitMQ carries the orders.")
    assert len(found(shared_daemon, project)) == 1
    shared_daemon.call("knowledge.delete", {"ids": [entry_id]})
    assert found(shared_daemon, project) == []


def test_a_search_does_not_find_what_was_replaced(shared_daemon: Daemon, project: str) -> None:
    entry_id = stored(shared_daemon, project, "RabbitMQ carries the orders.")
    assert len(found(shared_daemon, project)) == 1
    stored(shared_daemon, project, "Kafka carries the orders.", supersedes=[entry_id])
    assert found(shared_daemon, project) == ["Kafka carries the orders."]


def test_an_entry_is_as_it_was_changed(shared_daemon: Daemon, project: str) -> None:
    entry_id = stored(shared_daemon, project, "RabbitMQ carries the orders.")

    def entries() -> list[Any]:
        return list(shared_daemon.call("knowledge.get", {"ids": [entry_id]})["entries"])

    assert entries() == entries()
    shared_daemon.call("knowledge.update", {"id": entry_id, "metadata": {"by": "me"}})
    assert entries()[0]["metadata"] == {"by": "me"}
    shared_daemon.call("knowledge.delete", {"ids": [entry_id]})
    assert entries() == []


def test_an_entry_that_was_missing_is_there_once_it_is_stored(
    shared_daemon: Daemon, project: str
) -> None:
    asked = {"ids": [f"{project}-chosen"]}
    assert shared_daemon.call("knowledge.get", asked)["missing"] == asked["ids"]
    stored(shared_daemon, project, "RabbitMQ carries the orders.", id=f"{project}-chosen")
    assert shared_daemon.call("knowledge.get", asked)["missing"] == []


def test_what_compaction_moves_stays_found(shared_daemon: Daemon, project: str) -> None:
    entry_id = stored(shared_daemon, project, "RabbitMQ carries the orders.")
    before = shared_daemon.call("knowledge.get", {"ids": [entry_id]}), found(shared_daemon, project)
    job = shared_daemon.call("system.optimize")
    shared_daemon.call("job.wait", {"id": job["id"]})
    after = shared_daemon.call("knowledge.get", {"ids": [entry_id]}), found(shared_daemon, project)
    assert after == before
