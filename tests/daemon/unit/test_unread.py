"""How long a peer may leave its answers unread."""

import asyncio
import socket

import pytest

from cco_knowledge.rpc import stall
from cco_knowledge.rpc.stall import Unread


class Answering(asyncio.Protocol):
    """Has sent more than the socket takes."""

    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.unread = Unread(transport)
        transport.write(b"x" * (4 << 20))

    def pause_writing(self) -> None:
        asyncio.get_running_loop().call_soon(self.unread.start)

    def resume_writing(self) -> None:
        self.unread.stop()

    def connection_lost(self, _: Exception | None) -> None:
        self.unread.stop()
        self.lost.set_result(None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stall, "UNREAD_S", 0.3)


async def test_a_peer_that_reads_nothing_is_dropped(quick: None) -> None:
    ours, theirs = socket.socketpair()
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(Answering, ours)
    await protocol.lost
    theirs.close()


async def test_a_peer_that_reads_slowly_is_not(quick: None) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(Answering, ours)
    n_read = 0
    while n_read < 4 << 20:
        data = await loop.sock_recv(theirs, 256 << 10)
        assert data
        n_read += len(data)
        await asyncio.sleep(0.05)  # its pace is what is tested
    assert not protocol.lost.done()
    theirs.close()
    await protocol.lost
