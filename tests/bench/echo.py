"""The least that a server of this protocol takes: reads a line, parses it, answers it.

`python -m bench.echo SOCKET` serves until its standard input ends.
"""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson


class _Echo(asyncio.Protocol):
    def __init__(self) -> None:
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        for line in lines:
            answer = {"jsonrpc": "2.0", "result": "pong", "id": orjson.loads(line)["id"]}
            self._transport.write(orjson.dumps(answer) + b"\n")


async def _serve(path: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(_Echo, path)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


@contextmanager
def echoing(socket: Path) -> Iterator[None]:
    """A process of its own, as the daemon is one."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.echo", socket],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
