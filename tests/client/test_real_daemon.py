"""Both faces of the client against a real daemon."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from cco_knowledge_client import (
    AsyncKnowledgeClient,
    Cleaned,
    Conflict,
    Entry,
    InvalidParams,
    KnowledgeClient,
    KnowledgeError,
    MethodNotFound,
    NotFound,
    Stats,
    Stored,
    TooLarge,
    Unreachable,
    Updated,
)
from process import Daemon


class Face(Protocol):
    """One way to call; `knowledge` has the methods of `KnowledgeClient`, and they block."""

    knowledge: Any

    def meanwhile(self, work: Callable[[], object]) -> None: ...
    def close(self) -> None: ...


class Blocking:
    def __init__(self, socket_path: Path) -> None:
        self.knowledge: Any = KnowledgeClient(socket_path)

    def meanwhile(self, work: Callable[[], object]) -> None:
        work()

    def close(self) -> None:
        self.knowledge.close()


class Asynchronous:
    """One event loop and one client in it; every call runs the loop until it is done."""

    def __init__(self, socket_path: Path) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncKnowledgeClient(socket_path)
        self.knowledge: Any = self

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *given, **named: self._runner.run(
            getattr(self._client, method)(*given, **named)
        )

    def meanwhile(self, work: Callable[[], object]) -> None:
        self._runner.run(asyncio.to_thread(work))

    def close(self) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


MakeFace = Callable[[Path], Face]


@pytest.fixture(params=[Blocking, Asynchronous])
def make_face(request: pytest.FixtureRequest) -> Iterator[MakeFace]:
    made: list[Face] = []

    def make(socket_path: Path) -> Face:
        made.append(request.param(socket_path))
        return made[-1]

    yield make
    for face in made:
        face.close()


@pytest.fixture
def knowledge(make_face: MakeFace, shared_daemon: Daemon) -> Any:
    return make_face(shared_daemon.socket_path).knowledge


def test_what_is_stored_is_found_changed_and_deleted(knowledge: Any, project: str) -> None:
    stored = knowledge.store(
        "Bills are sent in euros", type="decision", project_id=project, metadata={"n": 2**70}
    )
    assert stored == Stored(id=stored.id, stored=True, timestamp=stored.timestamp)
    assert knowledge.store("Bills are sent in euros", type="decision", project_id=project) == (
        Stored(id=stored.id, stored=False, duplicate_of=stored.id, timestamp=stored.timestamp)
    )
    (hit,) = knowledge.search("currency of invoices", project_id=project, limit=5)
    assert (hit.id, hit.metadata) == (stored.id, {"n": 2**70})
    assert 0 < hit.score <= 1
    assert 0 < hit.similarity <= 1
    assert knowledge.update(stored.id, agent="bob") == Updated(id=stored.id, updated=True)
    assert knowledge.update(stored.id, agent="bob") == Updated(id=stored.id, updated=False)
    found = knowledge.get([stored.id, "no-such-id"])
    assert found.missing == ("no-such-id",)
    assert found.entries == (
        Entry(
            id=stored.id,
            text="Bills are sent in euros",
            type="decision",
            project_id=project,
            session_id="unknown",
            agent="bob",
            timestamp=stored.timestamp,
            metadata={"n": 2**70},
        ),
    )
    assert knowledge.delete([stored.id]) == 1
    assert knowledge.search("currency of invoices", project_id=project) == []


def test_what_replaces_another_is_found_in_its_place(knowledge: Any, project: str) -> None:
    text = "We use PostgreSQL {} for the orders database"
    old = knowledge.store(text.format(14), project_id=project)
    new = knowledge.store(text.format(15), project_id=project)
    (similar,) = new.similar
    assert (old.similar, similar.id, similar.timestamp) == ((), old.id, old.timestamp)
    assert knowledge.update(old.id, superseded_by=new.id).updated
    newest = knowledge.store(text.format(16), project_id=project, supersedes=[new.id])
    assert newest.similar == ()
    hits = knowledge.search("orders database", project_id=project, explain=True)
    assert [hit.id for hit in hits] == [newest.id]
    assert hits.covered
    assert hits.query_time_ms > 0
    assert hits[0].explain["supersedes"] == [new.id]
    all_hits = knowledge.search("orders database", project_id=project, include_superseded=True)
    assert {hit.superseded_by for hit in all_hits} == {newest.id, None}
    for mode in ("hybrid", "vector", "text"):
        found = knowledge.search("PostgreSQL", project_id=project, mode=mode)
        assert [hit.id for hit in found] == [newest.id]


def test_what_helps_with_a_task_and_what_is_like_an_entry(knowledge: Any, project: str) -> None:
    items = [
        {"text": text, "project_id": project}
        for text in ("Bills are sent in euros.", "The bills go out monthly.", "Owls hunt at night.")
    ]
    bill, monthly, owls = (stored.id for stored in knowledge.store_batch(items).results)
    context = knowledge.context("change the currency of the bills", project_id=project)
    assert bill in [hit.id for hit in context.entries]
    assert "Bills are sent in euros." in context.text
    assert 0 < context.tokens <= 1500
    nothing = knowledge.context("Which sewing pattern fits the winter coat?", project_id=project)
    assert (nothing.text, nothing.entries, nothing.tokens) == ("", (), 0)
    related = knowledge.related(bill, project_id=project)
    assert [hit.id for hit in related] == [monthly, owls]
    assert [hit.id for hit in knowledge.related(bill, project_id=project, limit=1)] == [monthly]
    with pytest.raises(NotFound):
        knowledge.related("no-such-id")


def _counts_of(stats: Stats) -> Stats:
    """Without what files are in use, which upkeep changes between two looks."""
    assert stats.storage is not None
    assert set(stats.storage) == {"bytes", "fragments", "versions", "unindexed_rows"}
    return replace(stats, storage={})


def test_many_are_stored_listed_counted_and_cleaned_up(knowledge: Any, project: str) -> None:
    items = [
        {"text": f"text {n}", "project_id": project, "timestamp": f"202{n}-01-01T00:00:00Z"}
        for n in range(4)
    ]
    batch = knowledge.store_batch([*items, {"text": "x", "project_id": project, "type": "nothing"}])
    assert (batch.stored, batch.failed) == (4, 1)
    assert isinstance(batch.results[4], InvalidParams)
    assert batch.results[4].field == "type"
    ids = [stored.id for stored in batch.results[:4]]
    first = knowledge.query(project_id=project, limit=3)
    assert ([entry.id for entry in first.results], first.total) == (ids[:0:-1], 4)
    second = knowledge.query(project_id=project, limit=3, cursor=first.next_cursor)
    assert ([entry.id for entry in second.results], second.next_cursor) == (ids[:1], None)
    stats = knowledge.stats(project_id=project)
    assert (stats.total_records, stats.by_type) == (4, {"general": 4})
    assert _counts_of(stats) == _counts_of(
        Stats(**knowledge.call("knowledge.stats", {"project_id": project}))
    )
    would_be = knowledge.cleanup(project_id=project, dry_run=True)
    assert would_be == Cleaned(count=4, ids=tuple(would_be.ids))
    assert sorted(would_be.ids) == sorted(ids)
    assert knowledge.cleanup(project_id=project).count == 4
    assert knowledge.query(project_id=project).total == 0


def test_it_embeds_and_says_how_it_is(knowledge: Any, shared_daemon: Daemon) -> None:
    embedded = knowledge.embed(["one", "two"], kind="query")
    assert [len(vector) for vector in embedded.vectors] == [embedded.dim] * 2
    assert math.isclose(math.hypot(*embedded.vectors[0]), 1, abs_tol=1e-5)
    assert knowledge.ping() == "pong"
    status = knowledge.status()
    assert (status.pid, status.ready) == (shared_daemon.pid, True)
    assert status.model["name"] == embedded.model


REFUSED: dict[type[KnowledgeError], tuple[int, str, Callable[[Any], object]]] = {
    InvalidParams: (-32602, "invalid_params", lambda knowledge: knowledge.search("")),
    NotFound: (-32010, "not_found", lambda knowledge: knowledge.update("no", text="x")),
    Conflict: (-32011, "conflict", lambda knowledge: knowledge.delete(project_id="x", expect=9)),
    MethodNotFound: (-32601, "method_not_found", lambda knowledge: knowledge.call("no.such")),
    TooLarge: (-32019, "too_large", lambda knowledge: knowledge.search("x" * (16 << 20))),
}


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_a_refusal_is_an_exception_and_the_client_goes_on(
    knowledge: Any, kind: type[KnowledgeError]
) -> None:
    code, reason, refused = REFUSED[kind]
    with pytest.raises(kind) as caught:
        refused(knowledge)
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.reason, caught.value.retryable) == (code, reason, False)
    assert knowledge.ping() == "pong"


@pytest.mark.parametrize("method", ["store", "cleanup"])
def test_a_client_finds_the_daemon_again_that_was_restarted(
    make_face: MakeFace, daemon: Daemon, method: str
) -> None:
    face = make_face(daemon.socket_path)
    stored = face.knowledge.store("kept")
    assert daemon.stop() == 0
    face.meanwhile(lambda: daemon.start().wait_ready())
    if method == "cleanup":  # not safe to repeat: it is sent once
        assert face.knowledge.cleanup().count == 0
    else:
        assert face.knowledge.store("kept").duplicate_of == stored.id


def test_a_stopped_daemon_is_unreachable(make_face: MakeFace, daemon: Daemon) -> None:
    face = make_face(daemon.socket_path)
    face.knowledge.ping()
    face.meanwhile(daemon.stop)
    with pytest.raises(Unreachable) as caught:
        face.knowledge.ping()
    assert (caught.value.code, caught.value.retryable) == (None, True)
