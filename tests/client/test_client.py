import ast
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import cco_knowledge_client
from cco_knowledge_client import (
    ConnectionLost,
    Context,
    DeadlineExceeded,
    Hit,
    InvalidParams,
    KnowledgeClient,
    NotFound,
    ProtocolError,
    Similar,
    Stored,
    TooLarge,
    Unavailable,
    Unreachable,
)
from ndjson_peer import ENTRY, Peer, echo, serving


def hang_up_after_one_request(peer: Peer) -> None:
    peer.read()


def test_one_connection_serves_all_calls() -> None:
    with serving(echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        assert [knowledge.call("x", {"n": n}) for n in range(3)] == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert daemon.n_connections == 1


def test_it_connects_on_the_first_call_only() -> None:
    with serving() as daemon:
        KnowledgeClient(daemon.path).close()
        assert daemon.n_connections == 0


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="kmctl start --detach") as caught:
        KnowledgeClient(tmp_path / "none.sock").ping()
    assert (caught.value.reason, caught.value.retryable) == ("unreachable", True)


def test_a_socket_path_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        KnowledgeClient(tmp_path / ("x" * 200)).ping()


def test_the_server_answers_in_any_order_and_notifies_in_between() -> None:
    def script(peer: Peer) -> None:
        request = peer.read()
        peer.send(b'{"jsonrpc":"2.0","method":"job.progress","params":{"id":"j"}}\n')
        peer.send(b'{"jsonrpc":"2.0","id":999,"result":"of another"}\n')
        peer.answer(request, "mine")
        peer.read()

    with serving(script) as daemon, KnowledgeClient(daemon.path) as knowledge:
        assert knowledge.call("x") == "mine"


def test_answers_longer_than_one_read() -> None:
    with serving(echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        text = "ä" * 1_000_000
        assert knowledge.call("x", {"text": text}) == {"text": text}


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    deadline_is_over = threading.Event()

    def late(peer: Peer) -> None:
        request = peer.read()
        assert deadline_is_over.wait(30)
        with suppress(BrokenPipeError):  # the client has gone, as it should
            peer.answer(request, "late")

    with serving(late, echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        with pytest.raises(DeadlineExceeded) as caught:
            knowledge.call("x", timeout_s=0.05)
        deadline_is_over.set()
        assert (caught.value.code, caught.value.retryable) == (-32013, True)
        assert knowledge.call("x", {"second": True}) == {"second": True}


def test_an_answer_in_small_pieces_has_one_deadline_in_all() -> None:
    def trickle(peer: Peer) -> None:
        peer.read()
        try:
            while True:
                peer.send(b" ")
        except (BrokenPipeError, ConnectionResetError):
            pass

    with (
        serving(trickle) as daemon,
        KnowledgeClient(daemon.path) as knowledge,
        pytest.raises(DeadlineExceeded),
    ):
        knowledge.call("x", timeout_s=0.1)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf")])
def test_every_call_has_a_deadline(timeout_s: float) -> None:
    with pytest.raises(InvalidParams):
        KnowledgeClient("x", timeout_s=timeout_s)
    with pytest.raises(InvalidParams):
        KnowledgeClient("x").ping(timeout_s=timeout_s)


SAFE_TO_REPEAT: list[Callable[[KnowledgeClient], object]] = [
    lambda knowledge: knowledge.call("knowledge.search", {"query": "x"}),
    lambda knowledge: knowledge.call("knowledge.context", {"task": "x"}),
    lambda knowledge: knowledge.call("knowledge.related", {"id": "1"}),
    lambda knowledge: knowledge.call("knowledge.store", {"text": "x"}),
    lambda knowledge: knowledge.call("knowledge.store", {"text": "x", "supersedes": ["1"]}),
    lambda knowledge: knowledge.call("knowledge.store", {"text": "x", "on_duplicate": "return"}),
    lambda knowledge: knowledge.call(
        "knowledge.store_batch", {"items": [{"text": "x", "id": "1", "on_duplicate": "store"}]}
    ),
    lambda knowledge: knowledge.call("knowledge.update", {"id": "1", "text": "x"}),
    lambda knowledge: knowledge.call("system.ping"),
]


@pytest.mark.parametrize("call", SAFE_TO_REPEAT)
def test_a_lost_call_is_repeated_once(call: Callable[[KnowledgeClient], object]) -> None:
    with serving(hang_up_after_one_request, echo) as daemon:
        with KnowledgeClient(daemon.path) as knowledge:
            call(knowledge)
        assert daemon.n_connections == 2


def test_it_is_not_repeated_twice() -> None:
    scripts = (hang_up_after_one_request, hang_up_after_one_request, echo)
    with serving(*scripts) as daemon, KnowledgeClient(daemon.path) as knowledge:
        with pytest.raises(ConnectionLost):
            knowledge.call("system.ping")
        assert daemon.n_connections == 2


UNSAFE_TO_REPEAT: list[Callable[[KnowledgeClient], object]] = [
    lambda knowledge: knowledge.cleanup(),
    lambda knowledge: knowledge.delete(["1"]),
    lambda knowledge: knowledge.store("x", on_duplicate="store"),
    lambda knowledge: knowledge.store("x", on_duplicate="reject"),
    lambda knowledge: knowledge.store_batch(
        [{"text": "x"}, {"text": "y", "on_duplicate": "store"}]
    ),
    lambda knowledge: knowledge.call("something.new", {}),
    lambda knowledge: knowledge.call("knowledge.store", ["x"]),
]


@pytest.mark.parametrize("call", UNSAFE_TO_REPEAT)
def test_a_lost_call_that_may_have_taken_effect(
    call: Callable[[KnowledgeClient], object],
) -> None:
    with serving(hang_up_after_one_request, echo) as daemon:
        with KnowledgeClient(daemon.path) as knowledge, pytest.raises(ConnectionLost) as caught:
            call(knowledge)
        assert (daemon.n_connections, caught.value.retryable) == (1, False)


def test_what_was_never_delivered_is_repeated_whatever_it_is() -> None:
    """A daemon that was restarted between two calls."""
    is_closed = threading.Event()

    def answer_once(peer: Peer) -> None:
        peer.answer(peer.read(), "first")
        peer.close()
        is_closed.set()

    with serving(answer_once, echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        assert knowledge.call("x") == "first"
        assert is_closed.wait(30)
        assert knowledge.call("knowledge.cleanup", {"n": 2}) == {"n": 2}
        assert daemon.n_connections == 2


def test_what_a_stopping_daemon_refuses_goes_to_the_next_one() -> None:
    def stopping(peer: Peer) -> None:
        peer.refuse(peer.read(), -32012, "unavailable")
        peer.read()

    with serving(stopping, echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        assert knowledge.call("knowledge.cleanup", {"n": 1}) == {"n": 1}
        assert daemon.n_connections == 2
    with serving(stopping, stopping) as daemon, KnowledgeClient(daemon.path) as knowledge:
        with pytest.raises(Unavailable):
            knowledge.call("system.ping")
        assert daemon.n_connections == 2


def test_a_refusal_before_the_end_of_the_request_is_heard() -> None:
    def refuse(peer: Peer) -> None:
        peer.refuse(None, -32019, "too_large")

    with (
        serving(refuse) as daemon,
        KnowledgeClient(daemon.path) as knowledge,
        pytest.raises(TooLarge),
    ):
        knowledge.call("x", {"text": "x" * (4 << 20)})


def test_errors_become_exceptions_and_leave_the_connection_usable() -> None:
    def script(peer: Peer) -> None:
        peer.refuse(peer.read(), -32010, "not_found", retryable=False)
        echo(peer)

    with serving(script) as daemon, KnowledgeClient(daemon.path) as knowledge:
        with pytest.raises(NotFound) as caught:
            knowledge.update("no-such-id", text="x")
        assert caught.value.code == -32010
        assert knowledge.call("x", {"still": "here"}) == {"still": "here"}
        assert daemon.n_connections == 1


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b'{"id":1}\n', b'{"id":[],"result":1}\n'])
def test_what_is_no_answer(line: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(line)
        peer.read()

    with (
        serving(script) as daemon,
        KnowledgeClient(daemon.path) as knowledge,
        pytest.raises(ProtocolError),
    ):
        knowledge.call("x")


class _NoJson:
    pass


def _deep() -> list[Any]:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize("value", ["\ud800", float("nan"), float("inf"), _NoJson(), _deep()])
def test_what_cannot_be_sent_is_not_sent(value: object) -> None:
    with pytest.raises(InvalidParams):
        KnowledgeClient("/nowhere").call("x", {"value": value})


def test_threads_share_the_connection() -> None:
    with serving(echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        got: dict[int, Any] = {}

        def work(number: int) -> None:
            for _ in range(20):
                got[number] = knowledge.call("x", {"number": number})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == {number: {"number": number} for number in range(8)}
        assert daemon.n_connections == 1


def test_waiting_for_another_thread_counts() -> None:
    first_is_in, may_answer = threading.Event(), threading.Event()

    def slow(peer: Peer) -> None:
        request = peer.read()
        first_is_in.set()
        assert may_answer.wait(30)
        peer.answer(request, "slow")
        peer.read()

    with serving(slow) as daemon, KnowledgeClient(daemon.path) as knowledge:
        thread = threading.Thread(target=knowledge.call, args=("x",))
        thread.start()
        assert first_is_in.wait(30)
        with pytest.raises(DeadlineExceeded):
            knowledge.call("y", timeout_s=0.05)
        may_answer.set()
        thread.join()


@pytest.mark.filterwarnings("ignore:lance is not fork-safe")  # which the fork does not use
def test_a_forked_process_makes_its_own_connection() -> None:
    with serving(echo, echo) as daemon, KnowledgeClient(daemon.path) as knowledge:
        knowledge.call("x")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of fork with threads
            child = os.fork()
        if child == 0:
            answer = knowledge.call("x", {"from": "child"})
            os._exit(0 if answer == {"from": "child"} else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert knowledge.call("x", {"from": "parent"}) == {"from": "parent"}
        assert daemon.n_connections == 2


def test_params_that_are_none_are_left_out() -> None:
    seen: list[Any] = []

    def script(peer: Peer) -> None:
        request = peer.read()
        seen.append(request)
        peer.answer(request, {"id": "1", "stored": True, "timestamp": "t", "new": 1})
        request = peer.read()
        seen.append(request)
        peer.answer(request, {"results": [], "total": 0, "next_cursor": None})

    with serving(script) as daemon, KnowledgeClient(daemon.path) as knowledge:
        stored = knowledge.store("x", type="decision", agent=None)
        assert stored == Stored(id="1", stored=True, timestamp="t")
        page = knowledge.query(project_id=["a", "b"], since=None, limit=5)
        assert (page.results, page.total, page.next_cursor) == ((), 0, None)
    assert seen[0]["params"] == {"text": "x", "type": "decision"}
    assert seen[1]["params"] == {"project_id": ["a", "b"], "limit": 5}


def test_results_are_values_and_newer_keys_are_left_out() -> None:
    hit = {**ENTRY, "score": 0.9, "similarity": 0.8, "of_the_future": 1}

    def script(peer: Peer) -> None:
        peer.answer(peer.read(), {"results": [hit], "count": 1})
        peer.answer(peer.read(), {"entries": [ENTRY], "missing": ["no"]})
        error = {"code": -32602, "message": "bad", "data": {"reason": "invalid_params"}}
        items = [{"id": "1", "stored": True}, {"error": error}]
        peer.answer(peer.read(), {"stored": 1, "failed": 1, "results": items})
        peer.answer(peer.read(), {"deleted": 3})
        peer.answer(peer.read(), {"results": [{"id": "only"}]})

    with serving(script) as daemon, KnowledgeClient(daemon.path) as knowledge:
        (found,) = knowledge.search("x")
        assert found == Hit(**ENTRY, score=0.9, similarity=0.8)  # type: ignore[arg-type]
        known = knowledge.get(["decision-1-a", "no"])
        assert known.entries[0].text == ENTRY["text"]
        assert known.missing == ("no",)
        batch = knowledge.store_batch([{"text": "x"}, {"text": ""}])
        assert isinstance(batch.results[0], Stored)
        assert isinstance(batch.results[1], InvalidParams)
        assert knowledge.delete(project_id="shop", expect=3) == 3
        with pytest.raises(ProtocolError):
            knowledge.search("x")


def test_hits_are_a_list_that_also_tells_whether_they_answer() -> None:
    hit = {**ENTRY, "score": 0.9}

    def script(peer: Peer) -> None:
        found = {"count": 1, "covered": False, "query_time_ms": 1.5}
        peer.answer(peer.read(), {"results": [{**hit, "passage": "for", "explain": {}}], **found})
        peer.answer(peer.read(), {"results": [hit], "count": 1})
        peer.answer(peer.read(), {"results": [], "count": 0})
        peer.answer(peer.read(), {"results": [hit], **found, "covered": True})

    with serving(script) as daemon, KnowledgeClient(daemon.path) as knowledge:
        hits = knowledge.search("x", explain=True)
        assert (hits.covered, hits.query_time_ms) == (False, 1.5)
        assert (hits[0].passage, hits[0].explain) == ("for", {})
        plain = [Hit(**ENTRY, score=0.9)]  # type: ignore[arg-type]
        of_an_older_daemon = knowledge.search("x")
        assert of_an_older_daemon == plain
        assert of_an_older_daemon.covered
        nothing = knowledge.search("x")
        assert (nothing, nothing.covered) == ([], False)
        related = knowledge.related("1")
        assert (related, related.covered) == (plain, True)


def test_what_a_context_and_a_store_give() -> None:
    seen: list[Any] = []
    hit = {**ENTRY, "score": 0.9}
    similar = {"id": "2", "timestamp": "t", "similarity": 0.8}

    def script(peer: Peer) -> None:
        for result in (
            {"text": "> x", "entries": [hit], "tokens": 3, "of_the_future": 1},
            {"results": [], "count": 0, "covered": False, "query_time_ms": 1.5},
            {"id": "1", "stored": True, "timestamp": "t", "similar": [similar | {"new": 1}]},
            {"id": "1", "updated": True},
        ):
            request = peer.read()
            seen.append(request["params"])
            peer.answer(request, result)

    with serving(script) as daemon, KnowledgeClient(daemon.path) as knowledge:
        entries = (Hit(**ENTRY, score=0.9),)  # type: ignore[arg-type]
        context = knowledge.context("a task", token_budget=100, project_id="p")
        assert context == Context(text="> x", entries=entries, tokens=3)
        knowledge.related("1", limit=2, include_superseded=True)
        assert knowledge.store("x", supersedes=["3", "4"]) == Stored(
            id="1",
            stored=True,
            timestamp="t",
            similar=(Similar(id="2", timestamp="t", similarity=0.8),),
        )
        knowledge.update("3", superseded_by="1")
    assert seen == [
        {"task": "a task", "token_budget": 100, "project_id": "p"},
        {"id": "1", "limit": 2, "include_superseded": True},
        {"text": "x", "supersedes": ["3", "4"]},
        {"id": "3", "superseded_by": "1"},
    ]


def test_default_socket_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CCO_KNOWLEDGE_SOCKET", raising=False)
    monkeypatch.delenv("CCO_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert KnowledgeClient().socket_path == tmp_path / ".cco" / "knowledge.sock"
    monkeypatch.setenv("CCO_HOME", str(tmp_path / "home"))
    assert KnowledgeClient().socket_path == tmp_path / "home" / "knowledge.sock"
    monkeypatch.setenv("CCO_KNOWLEDGE_SOCKET", "/run/k.sock")
    assert KnowledgeClient().socket_path == Path("/run/k.sock")
    assert KnowledgeClient("given.sock").socket_path == Path("given.sock")


SOURCES = sorted(Path(cco_knowledge_client.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_it_needs_the_standard_library_only(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [str(node.module)]
        assert all(name.partition(".")[0] in sys.stdlib_module_names for name in names)


def test_a_copy_works_alone_and_leaves_asyncio_for_later(tmp_path: Path) -> None:
    copy = tmp_path / "copied"
    copy.mkdir()
    for source in SOURCES:
        (copy / source.name).write_text(source.read_text())
    program = (
        "import sys, copied; copied.KnowledgeClient; assert 'asyncio' not in sys.modules; "
        "copied.AsyncKnowledgeClient; assert 'asyncio' in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {program}"],
        cwd=tmp_path,
        check=True,
    )


def test_all_is_complete() -> None:
    for name in cco_knowledge_client.__all__:
        assert hasattr(cco_knowledge_client, name)
