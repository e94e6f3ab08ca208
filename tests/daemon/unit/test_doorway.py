"""The way in, before the first accept."""

import asyncio
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from cco_knowledge import listen
from cco_knowledge.doorway import Doorway

N_CLIENTS = 40


class HangingUp(asyncio.Protocol):
    def __init__(self, gone: asyncio.Semaphore) -> None:
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()

    def connection_lost(self, _error: Exception | None) -> None:
        self._gone.release()


async def test_nobody_is_turned_away_while_asyncio_begins_to_accept(home: Path) -> None:
    """Its `listen` lasts for a turn of the loop, and has room for as many as it accepts at once."""
    path = home / "knowledge.sock"
    gone = asyncio.Semaphore(0)

    async def connect_many(clients: ExitStack) -> None:
        for _ in range(N_CLIENTS):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect(str(path))

    listening = listen.bind(path)
    with ExitStack() as clients:
        opening = Doorway.open(path, home, lambda: HangingUp(gone), listening, is_managers=False)
        doorway, _ = await asyncio.gather(opening, connect_many(clients))
        async with asyncio.timeout(30):
            for _ in range(N_CLIENTS):
                await gone.acquire()
        await doorway.close()
