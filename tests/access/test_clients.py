"""The clients with a token: presented on each connection, before the first call."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from access.token_calls import token
from cco_knowledge import tokens
from cco_knowledge_client import (
    AsyncKnowledgeClient,
    KnowledgeClient,
    KnowledgeError,
    RateLimited,
    Unauthorized,
)
from conftest import StartDaemon
from ndjson_peer import Peer, serving
from process import Daemon


@pytest.fixture
def file(session_daemon: Daemon) -> Iterator[Path]:
    path = session_daemon.home / "api_token"
    yield path
    path.unlink(missing_ok=True)


def test_the_blocking_client_presents_its_token(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "reader", projects=["shop"])
    with KnowledgeClient(shared_daemon.socket_path, token=secret) as knowledge:
        assert knowledge.stats().storage is None
        assert knowledge.status().rss_bytes is None
        with pytest.raises(Unauthorized, match="role writer"):
            knowledge.store("x", project_id="shop")
        tokens.revoke(file, tokens.listed(file)[0].id)
        for _ in range(2):
            with pytest.raises(Unauthorized):
                knowledge.stats()


def test_the_asyncio_client_presents_its_token(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "reader", projects=["shop"])

    async def use() -> None:
        async with AsyncKnowledgeClient(shared_daemon.socket_path, token=secret) as knowledge:
            many = await asyncio.gather(*(knowledge.stats() for _ in range(5)))
            assert [stats.storage for stats in many] == [None] * 5
            tokens.revoke(file, tokens.listed(file)[0].id)
            for _ in range(2):
                with pytest.raises(Unauthorized):
                    await knowledge.stats()

    asyncio.run(use())


def test_the_environment_has_the_token(
    shared_daemon: Daemon, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = token(shared_daemon.home, "reader", projects=["shop"])
    monkeypatch.setenv("CCO_KNOWLEDGE_TOKEN", secret)
    with KnowledgeClient(shared_daemon.socket_path) as knowledge:
        assert knowledge.stats().storage is None
    with KnowledgeClient(shared_daemon.socket_path, token="") as knowledge:
        assert knowledge.stats().storage is not None


def test_a_connection_after_a_restart_presents_it_again(
    home: Path, start_daemon: StartDaemon
) -> None:
    secret = token(home, "reader", projects=["shop"])
    first = start_daemon()
    with KnowledgeClient(first.socket_path, token=secret) as knowledge:
        assert knowledge.stats().storage is None
        first.stop()
        start_daemon()
        assert knowledge.stats().storage is None


def several_pings(knowledge: KnowledgeClient) -> None:
    for _ in range(3):
        knowledge.ping()


def test_a_limit_arrives_as_what_it_is(shared_daemon: Daemon, file: Path) -> None:
    secret = token(shared_daemon.home, "reader", calls_per_s=1)
    with KnowledgeClient(shared_daemon.socket_path, token=secret) as knowledge:
        with pytest.raises(RateLimited) as refused:
            several_pings(knowledge)
        assert refused.value.retryable
        assert refused.value.retry_after_ms is not None


def test_a_daemon_that_knows_no_tokens_is_not_called() -> None:
    """What was meant to be done with few rights is not done with all."""

    def older(peer: Peer) -> None:
        request = peer.read()
        assert request["method"] == "system.authenticate"
        peer.refuse(request, -32601, "method_not_found")
        assert peer.read() is None

    with (
        serving(older) as served,
        KnowledgeClient(served.path, token="cco_x") as knowledge,  # noqa: S106  # none at all
        pytest.raises(KnowledgeError),
    ):
        knowledge.ping()
