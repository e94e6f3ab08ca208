import asyncio
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge_client import AsyncKnowledgeClient, DeadlineExceeded, KnowledgeClient
from ndjson_peer import Peer, echo


@contextmanager
def full_backlog(path: Path) -> Iterator[Callable[[], None]]:
    """Nobody accepts, until what is given is called; from then on each request is echoed."""
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(0)
        with suppress(BlockingIOError):
            while True:
                waiting.append(socket.socket(socket.AF_UNIX))
                waiting[-1].setblocking(False)
                waiting[-1].connect(str(path))

        def accept_all() -> None:
            for _ in waiting[1:]:
                listening.accept()[0].close()
            peer = Peer(listening.accept()[0])
            echo(peer)
            peer.close()

        accepting = threading.Thread(target=accept_all)
        yield accepting.start
        accepting.join()
        for one in waiting:
            one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full backlog is a refusal")
@pytest.mark.parametrize("is_async", [False, True])
def test_it_waits_for_a_place_where_many_want_to_connect(is_async: bool) -> None:
    async def call(path: Path) -> Any:
        async with AsyncKnowledgeClient(path) as knowledge:
            return await knowledge.call("x", {"n": 1})

    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,  # short
        full_backlog(Path(folder) / "s") as begin,
    ):
        with pytest.raises(DeadlineExceeded):
            KnowledgeClient(Path(folder) / "s", timeout_s=0.1).ping()
        begin()
        if is_async:
            assert asyncio.run(call(Path(folder) / "s")) == {"n": 1}
        else:
            with KnowledgeClient(Path(folder) / "s") as knowledge:
                assert knowledge.call("x", {"n": 1}) == {"n": 1}
