"""Clients that do their worst: each kind is a coroutine that goes on until it is cancelled.

Every one may lose its connection at any time: that is the daemon's right, and it comes again.
"""

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from wire import encoded, http_post, request

MIB = 1 << 20
_PING = encoded(request("system.ping"))
_AGAIN_S = 0.01

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Kind = Callable[[Streams, random.Random], Awaitable[None]]


async def _drain_answers(reader: asyncio.StreamReader) -> None:
    while await reader.read(MIB):
        pass


async def _flood(streams: Streams, data: bytes) -> None:
    """The same again and again; what comes back is read and thrown away."""
    reader, writer = streams
    reading = asyncio.create_task(_drain_answers(reader))
    try:
        while not reading.done():
            writer.write(data)
            await writer.drain()
    finally:
        reading.cancel()
        await asyncio.wait({reading})  # without taking a cancellation of our own for its one
        if not reading.cancelled():
            reading.exception()


async def _flood_unread(streams: Streams, data: bytes) -> None:
    while True:
        streams[1].write(data)
        await streams[1].drain()


async def _until_dropped(streams: Streams, data: bytes) -> None:
    streams[1].write(data)
    await streams[1].drain()
    await _drain_answers(streams[0])


async def _drip(streams: Streams, data: bytes) -> None:
    for byte in data:
        streams[1].write(bytes([byte]))
        await streams[1].drain()
        await asyncio.sleep(1.0)


def _lines(*messages: object, times: int = 1) -> bytes:
    return b"".join(encoded(message) + b"\n" for message in messages) * times


async def half_line(streams: Streams, dice: random.Random) -> None:
    await _until_dropped(streams, b'{"jsonrpc":"2.0","x":"' + b"x" * dice.randrange(15 * MIB))


async def half_head(streams: Streams, dice: random.Random) -> None:
    whole = http_post(_PING)
    await _until_dropped(streams, whole[: dice.randrange(4, whole.index(b"\r\n\r\n"))])


async def half_body(streams: Streams, dice: random.Random) -> None:
    await _until_dropped(streams, http_post(_PING + b" " * dice.randrange(15 * MIB))[:-1])


async def endless_chunks(streams: Streams, _: random.Random) -> None:
    head = b"POST /rpc HTTP/1.1\r\nHost: cco\r\nContent-Type: application/json\r\n"
    streams[1].write(head + b"Transfer-Encoding: chunked\r\n\r\n")
    await _flood(streams, b"10000\r\n" + b" " * 65536 + b"\r\n")


async def endless_headers(streams: Streams, _: random.Random) -> None:
    streams[1].write(b"GET /healthz HTTP/1.1\r\n")
    await _flood(streams, b"X-Filler: " + b"x" * 4000 + b"\r\n")


async def endless_line(streams: Streams, _: random.Random) -> None:
    await _flood(streams, b"{" + b"x" * MIB)


async def drip_line(streams: Streams, _: random.Random) -> None:
    await _drip(streams, _PING + b"\n")


async def drip_http(streams: Streams, _: random.Random) -> None:
    await _drip(streams, http_post(_PING))


async def drip_between(streams: Streams, _: random.Random) -> None:
    streams[1].write(http_post(_PING))
    await _drip(streams, http_post(_PING))


async def never_reads(streams: Streams, _: random.Random) -> None:
    await _flood_unread(streams, _lines(request("knowledge.query", {"limit": 1000}), times=100))


async def never_reads_http(streams: Streams, _: random.Random) -> None:
    query = http_post(encoded(request("knowledge.query", {"limit": 1000})))
    await _flood_unread(streams, query * 100)


async def flood_of_pings(streams: Streams, _: random.Random) -> None:
    await _flood(streams, _lines(request("system.ping"), times=500))


async def flood_of_http(streams: Streams, _: random.Random) -> None:
    await _flood(streams, http_post(_PING) * 100)


async def flood_of_notifications(streams: Streams, _: random.Random) -> None:
    await _flood(streams, _lines({"jsonrpc": "2.0", "method": "system.ping"}, times=500))


async def flood_of_errors(streams: Streams, _: random.Random) -> None:
    await _flood(streams, b'{"broken\n{}\n[]\n1\n' * 500)


async def flood_of_line_ends(streams: Streams, _: random.Random) -> None:
    await _flood(streams, b"\n" * MIB)


async def huge(streams: Streams, dice: random.Random) -> None:
    n = dice.randrange(MIB, 16 * MIB)
    body = dice.choice([b"[]," * (n // 3), b'{"a":1},' * (n // 8), b"0.1," * (n // 4)])
    await _flood(
        streams, b'{"jsonrpc":"2.0","id":1,"method":"system.ping","params":[%s1]}\n' % body
    )


async def huge_batch(streams: Streams, _: random.Random) -> None:
    await _flood(streams, b"[" + b"1," * (4 * MIB) + b"1]\n")


async def deep(streams: Streams, dice: random.Random) -> None:
    n = dice.randrange(1000, MIB)
    await _flood(streams, b'{"a":' + b"[" * n + b"]" * n + b"}\n")


async def many_keys(streams: Streams, _: random.Random) -> None:
    keys = b",".join(b'"k%d":1' % number for number in range(300_000))
    await _flood(streams, b'{"jsonrpc":"2.0","id":1,"method":"system.ping","params":{%s}}\n' % keys)


async def batches(streams: Streams, _: random.Random) -> None:
    calls = [request("knowledge.search", {"query": f"what of {n}"}, n) for n in range(100)]
    await _flood(streams, _lines(calls))


async def long_queries(streams: Streams, dice: random.Random) -> None:
    query = f"{dice.random()} " + "words to look for and never to find " * 6000
    await _flood(streams, _lines(request("knowledge.search", {"query": query}), times=16))


async def stores(streams: Streams, dice: random.Random) -> None:
    """What was sent is stored even if the client leaves, so it is little each time."""
    text = f"{dice.random()} " + "a text that keeps the model busy " * 20
    params = {"items": [{"text": f"{n} {text}", "project_id": "bad"} for n in range(5)]}
    while True:
        streams[1].write(_lines(request("knowledge.store_batch", params)))
        if not await streams[0].readline():
            return


async def embeds(streams: Streams, dice: random.Random) -> None:
    texts = [f"{dice.random()} some words of no meaning" for _ in range(256)]
    await _flood(streams, _lines(request("embedding.embed", {"texts": texts})))


async def large_answers(streams: Streams, _: random.Random) -> None:
    await _flood(streams, _lines(request("knowledge.query", {"limit": 1000}), times=16))


async def comes_and_goes(streams: Streams, dice: random.Random) -> None:
    streams[1].write(dice.choice([b"", b"{", _PING + b"\n", b"GET"]))


async def half_closed(streams: Streams, _: random.Random) -> None:
    streams[1].write(_lines(request("system.ping"), times=100) + b"{")
    streams[1].write_eof()
    await _drain_answers(streams[0])


async def idles(_: Streams, dice: random.Random) -> None:
    await asyncio.sleep(dice.uniform(5, 60))


async def holds_many(streams: Streams, dice: random.Random) -> None:
    """As many connections as it gets."""
    path = streams[1].get_extra_info("peername")
    held = []
    try:
        for _ in range(200):
            held.append(await asyncio.open_unix_connection(path))  # noqa: PERF401  # kept on error
        await asyncio.sleep(dice.uniform(1, 20))
    finally:
        for _, writer in held:
            writer.transport.abort()


KINDS: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        *(half_line, half_head, half_body, endless_chunks, endless_headers, endless_line),
        *(drip_line, drip_http, drip_between, never_reads, never_reads_http),
        *(flood_of_pings, flood_of_http, flood_of_notifications, flood_of_errors),
        *(flood_of_line_ends, huge, huge_batch, deep, many_keys, batches, long_queries),
        *(stores, embeds, large_answers, comes_and_goes, half_closed, idles, holds_many),
    )
}


async def misbehave(path: Path, name: str, dice: random.Random, turns: Counter[str]) -> None:
    """One client of a kind, as often as the daemon lets it."""
    while True:
        with contextlib.suppress(OSError, asyncio.LimitOverrunError):
            streams = await asyncio.open_unix_connection(str(path), limit=MIB)
            turns[name] += 1
            try:
                await KINDS[name](streams, dice)
            finally:
                streams[1].transport.abort()
        await asyncio.sleep(_AGAIN_S)


async def _crowd(path: Path, names: list[str], seed: int, end: Pipe) -> Counter[str]:
    turns: Counter[str] = Counter()
    clients = [
        asyncio.create_task(misbehave(path, name, random.Random(f"{seed} {number}"), turns))
        for number, name in enumerate(names)
    ]
    await asyncio.to_thread(end.recv)
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return turns


def crowd(path: Path, names: list[str], seed: int, end: Pipe) -> None:
    """A process of bad clients, until it is told to end; then it says how often each one came.

    They have what the daemon leaves of the cores: how the kernel shares those out is not measured.
    """
    os.nice(19)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end.send(dict(asyncio.run(_crowd(path, names, seed, end))))
