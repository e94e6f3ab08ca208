import asyncio
import inspect
import threading
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge_client import (
    AsyncKnowledgeClient,
    ConnectionLost,
    DeadlineExceeded,
    InvalidParams,
    KnowledgeClient,
    NotFound,
    ProtocolError,
    TooLarge,
    Unauthorized,
    Unreachable,
)
from ndjson_peer import Peer, echo, serving


async def test_calls_wait_side_by_side() -> None:
    """The answers come in the other order than the requests."""

    def backwards(peer: Peer) -> None:
        requests = [peer.read() for _ in range(3)]
        for request in reversed(requests):
            peer.answer(request, request["params"])
        peer.read()

    with serving(backwards) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            calls = (knowledge.call("x", {"n": n}) for n in range(3))
            assert await asyncio.gather(*calls) == [{"n": 0}, {"n": 1}, {"n": 2}]
        assert daemon.n_connections == 1


async def test_cancelling_one_call_leaves_the_others() -> None:
    both_are_in, is_cancelled = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        requests = [peer.read(), peer.read()]
        both_are_in.set()
        assert is_cancelled.wait(30)
        for request in requests:
            peer.answer(request, request["params"])
        echo(peer)

    with serving(script) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            first = asyncio.create_task(knowledge.call("x", {"n": 1}))
            second = asyncio.create_task(knowledge.call("x", {"n": 2}))
            assert await asyncio.to_thread(both_are_in.wait, 30)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            is_cancelled.set()
            assert await second == {"n": 2}
            assert await knowledge.call("x", {"n": 3}) == {"n": 3}
        assert daemon.n_connections == 1


async def test_a_deadline_leaves_the_others_and_its_late_answer_is_dropped() -> None:
    is_over = threading.Event()

    def script(peer: Peer) -> None:
        assert is_over.wait(30)
        echo(peer)  # the late call first

    with serving(script) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            with pytest.raises(DeadlineExceeded):
                await knowledge.call("x", timeout_s=0.05)
            is_over.set()
            assert await knowledge.call("x", {"second": 2}) == {"second": 2}
        assert daemon.n_connections == 1


async def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="kmctl start --detach"):
        await AsyncKnowledgeClient(tmp_path / "none").ping()


async def test_a_lost_call_is_repeated_once_if_that_is_safe() -> None:
    def hang_up(peer: Peer) -> None:
        peer.read()

    with serving(hang_up, echo) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            assert await knowledge.call("knowledge.get", {"ids": []}) == {"ids": []}
        assert daemon.n_connections == 2
    with serving(hang_up, echo) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            with pytest.raises(ConnectionLost):
                await knowledge.cleanup()
            assert daemon.n_connections == 1
            assert await knowledge.call("x", {"usable": "again"}) == {"usable": "again"}


async def test_what_a_stopping_daemon_refuses_goes_to_the_next_one() -> None:
    """Calls that it had accepted before are answered over the connection that they came by."""

    def stopping(peer: Peer) -> None:
        accepted, late = peer.read(), peer.read()
        peer.refuse(late, -32012, "unavailable")
        is_served_elsewhere.wait(30)
        peer.answer(accepted, "by the first one")
        assert peer.read() is None

    is_served_elsewhere = threading.Event()
    with serving(stopping, echo) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            accepted = asyncio.create_task(knowledge.call("system.ping"))
            await asyncio.sleep(0)
            assert await knowledge.call("knowledge.cleanup", {"n": 1}) == {"n": 1}
            is_served_elsewhere.set()
            assert await accepted == "by the first one"
        assert daemon.n_connections == 2


async def test_what_was_never_delivered_is_repeated_whatever_it_is() -> None:
    """A daemon that was restarted between two calls; the client has not noticed yet."""
    is_closed = threading.Event()

    def answer_once(peer: Peer) -> None:
        peer.answer(peer.read(), "first")
        peer.close()
        is_closed.set()

    with serving(answer_once, echo) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            assert await knowledge.call("x") == "first"
            assert is_closed.wait(30)  # the event loop rests meanwhile
            assert await knowledge.call("knowledge.cleanup", {"n": 2}) == {"n": 2}
        assert daemon.n_connections == 2


async def test_closing_ends_the_calls_that_wait() -> None:
    has_read = threading.Event()

    def silent(peer: Peer) -> None:
        peer.read()
        has_read.set()
        peer.read()

    with serving(silent, echo) as daemon:
        knowledge = AsyncKnowledgeClient(daemon.path)
        waiting = asyncio.create_task(knowledge.call("system.ping"))
        assert await asyncio.to_thread(has_read.wait, 30)
        await knowledge.close()
        with pytest.raises(ConnectionLost, match="closed"):
            await waiting
        assert daemon.n_connections == 1


async def test_errors_become_exceptions() -> None:
    def script(peer: Peer) -> None:
        peer.refuse(peer.read(), -32010, "not_found")
        echo(peer)

    with serving(script) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            with pytest.raises(NotFound):
                await knowledge.update("x", text="y")
            assert await knowledge.call("x", {"n": 1}) == {"n": 1}


async def test_too_large_is_the_largest_ones_fault() -> None:
    def script(peer: Peer) -> None:
        requests = [peer.read(), peer.read()]
        peer.refuse(None, -32019, "too_large")
        small = min(requests, key=lambda request: len(str(request)))
        peer.answer(small, "small")
        peer.read()

    with serving(script) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            large = asyncio.create_task(knowledge.call("x", {"text": "x" * 100_000}))
            assert await knowledge.call("x") == "small"
            with pytest.raises(TooLarge):
                await large
        assert daemon.n_connections == 1


async def test_a_refused_connection() -> None:
    def refuse(peer: Peer) -> None:
        peer.read()
        peer.refuse(None, -32016, "unauthorized")

    with serving(refuse) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            with pytest.raises(Unauthorized):
                await knowledge.ping()


async def test_what_is_no_answer() -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"not json\n")
        peer.read()

    with serving(script) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            with pytest.raises(ProtocolError):
                await knowledge.call("x")


async def test_notifications_are_skipped_and_long_answers_come_whole() -> None:
    def script(peer: Peer) -> None:
        peer.send(b'{"jsonrpc":"2.0","method":"job.progress","params":{}}\n')
        echo(peer)

    with serving(script) as daemon:
        async with AsyncKnowledgeClient(daemon.path) as knowledge:
            text = "x" * 3_000_000
            assert await knowledge.call("x", {"text": text}) == {"text": text}


async def test_what_cannot_be_sent_is_not_sent() -> None:
    with pytest.raises(InvalidParams):
        await AsyncKnowledgeClient("/nowhere").store("\ud800")
    with pytest.raises(InvalidParams):
        await AsyncKnowledgeClient("/nowhere").ping(timeout_s=0)


def test_one_client_in_two_event_loops() -> None:
    with serving(echo, echo) as daemon:
        knowledge = AsyncKnowledgeClient(daemon.path)

        async def once(number: int) -> Any:
            async with knowledge:
                return await knowledge.call("x", {"n": number})

        assert [asyncio.run(once(1)), asyncio.run(once(2))] == [{"n": 1}, {"n": 2}]


def _public(kind: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(member).replace(return_annotation=None)
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_both_faces_have_the_same_methods() -> None:
    assert _public(AsyncKnowledgeClient) == _public(KnowledgeClient)
