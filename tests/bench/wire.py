"""What the wire adds to the work: by stages in the daemon, on both framings, and in the clients."""

import asyncio
import itertools
import logging
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec

from bench.echo import echoing
from bench.figures import ms, ratio, spread
from bench.stand import Options, Stand, copied, filled, stand
from bench.texts import texts
from cco_knowledge.config import Config
from cco_knowledge.logs import _JsonFormatter
from cco_knowledge.parts import Parts
from cco_knowledge.paths import Home
from cco_knowledge.rpc import envelope, reading
from cco_knowledge.rpc.caller import Caller, Gate
from cco_knowledge.rpc.dispatch import Dispatcher
from cco_knowledge.rpc.envelope import Call
from cco_knowledge.rpc.methods import METHODS, SYSTEM, Deadline
from cco_knowledge.rpc.observed import Arrival
from cco_knowledge.rpc.peer import Peer
from cco_knowledge.rpc.system import Host
from cco_knowledge.tokens import TokenFile
from cco_knowledge.turns import Origin
from cco_knowledge_client import AsyncKnowledgeClient
from cco_knowledge_client.calls import search
from cco_knowledge_client.wire import Answer, read_message, write_request
from wire import Raw, encoded, http_post, request

_QUERY = "which database did we choose for the session cache"
_SEARCH = "search_10_again"


def run(options: Options) -> dict[str, Any]:
    n = options.count(1_000, 200)
    with stand(options) as measured:
        ids = measured.ids(min(5 * n, options.entries))
        parts = [ids[number::5] for number in range(5)]
        over_the_socket = _over_the_socket(measured, _Requests(parts[0]), _Requests(parts[1]), n)
        clients = _clients(measured, parts[2], parts[3], n)
    home = copied(options, filled(options, options.entries))
    stages = asyncio.run(_stages(Home(home), _Requests(parts[4]), n))
    shutil.rmtree(home)
    return {
        "stages_us": stages,
        "store_30_stages_us": _reading_a_store(options, n),
        **over_the_socket,
        **clients,
    }


class _Requests:
    """What is sent, by name. `get` asks for another entry each time, for as long as there are any:
    the same again is answered from memory."""

    names = ("ping", "get", "get_again", _SEARCH)

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = itertools.cycle(ids)
        self._always = {
            "ping": request("system.ping"),
            "get_again": request("knowledge.get", {"ids": [ids[0]]}),
            _SEARCH: request("knowledge.search", {"query": _QUERY, "limit": 10}),
        }

    def next(self, name: str) -> bytes:
        if name == "get":
            return encoded(request("knowledge.get", {"ids": [next(self._ids)]}))
        return encoded(self._always[name])


def _over_the_socket(
    measured: Stand, as_lines: _Requests, as_posts: _Requests, n: int
) -> dict[str, Any]:
    """From bytes to bytes, beside a server that only parses and answers."""
    echo_socket = measured.home / "echo.sock"
    ndjson: dict[str, list[float]] = {name: [] for name in (*_Requests.names, "bare_echo")}
    http: dict[str, list[float]] = {name: [] for name in _Requests.names}
    with (
        echoing(echo_socket),
        Raw(echo_socket) as echo,
        Raw(measured.daemon.socket_path) as lines,
        Raw(measured.daemon.socket_path) as posts,
    ):
        for _ in range(n):
            ndjson["bare_echo"].append(ms(_exchanged, echo, as_lines.next("ping") + b"\n"))
            for name in _Requests.names:
                ndjson[name].append(ms(_exchanged, lines, as_lines.next(name) + b"\n"))
                http[name].append(ms(_posted, posts, http_post(as_posts.next(name))))
    return {
        "ndjson_ms": {name: spread(samples) for name, samples in ndjson.items()},
        "http_ms": {name: spread(samples) for name, samples in http.items()},
        "ratios": {
            "ping_to_echo": ratio(ndjson["ping"], ndjson["bare_echo"]),
            "http_ping_to_echo": ratio(http["ping"], ndjson["bare_echo"]),
        },
    }


def _exchanged(raw: Raw, line: bytes) -> None:
    raw.send(line)
    assert raw._reader.readline()


def _posted(raw: Raw, post: bytes) -> None:
    raw.send(post)
    raw.http_reply()


def _clients(
    measured: Stand, ids: Sequence[str], other_ids: Sequence[str], n: int
) -> dict[str, Any]:
    """The two faces, and what the client itself takes to write a search and read ten hits."""
    knowledge, each = measured.knowledge, itertools.cycle(ids)
    blocking = {
        "ping": [ms(knowledge.ping) for _ in range(n)],
        "get": [ms(knowledge.get, [next(each)]) for _ in range(n)],
        "get_again": [ms(knowledge.get, [ids[0]]) for _ in range(n)],
        _SEARCH: [ms(knowledge.search, _QUERY) for _ in range(n)],
    }
    waiting = asyncio.run(_waiting(measured.daemon.socket_path, other_ids, n))
    line = _search_answer(measured.daemon.socket_path)
    answer = read_message(line)
    assert isinstance(answer, Answer)
    call = search(_QUERY)
    return {
        "client_ms": {name: spread(samples) for name, samples in blocking.items()},
        "async_client_ms": {name: spread(samples) for name, samples in waiting.items()},
        "client_stages_us": {
            "write_a_search": _median_us(lambda: write_request(1, call), n),
            "parse_ten_hits": _median_us(lambda: read_message(line), n),
            "make_ten_hits": _median_us(lambda: call.read(answer.result), n),
        },
    }


async def _waiting(socket: Path, ids: Sequence[str], n: int) -> dict[str, list[float]]:
    async def samples(call: Callable[[], Awaitable[object]]) -> list[float]:
        taken = []
        for _ in range(n):
            begun = time.perf_counter()
            await call()
            taken.append((time.perf_counter() - begun) * 1000)
        return taken

    each = itertools.cycle(ids)
    async with AsyncKnowledgeClient(socket) as knowledge:
        return {
            "ping": await samples(knowledge.ping),
            "get": await samples(lambda: knowledge.get([next(each)])),
            "get_again": await samples(lambda: knowledge.get([ids[0]])),
            _SEARCH: await samples(lambda: knowledge.search(_QUERY)),
        }


def _search_answer(socket: Path) -> bytes:
    with Raw(socket) as raw:
        raw.send_line(request("knowledge.search", {"query": _QUERY, "limit": 10}))
        return raw._reader.readline()


async def _stages(home: Home, requests: _Requests, n: int) -> dict[str, Any]:
    """The real dispatcher and service in this process, without a socket."""
    _log_as_a_daemon_does()
    parts = await Parts.load(Config(), home, lambda _: None, in_doubt=False)
    ready = asyncio.get_running_loop().create_future()
    ready.set_result(parts.service)
    no_host = cast(Host, None)  # a ping asks nothing of it
    dispatcher = Dispatcher(no_host, dict.fromkeys(Deadline, 60.0), ready)
    gate = Gate(TokenFile(home.tokens, lambda *_: None), require_token=False, calls_per_s=0)
    peer = Peer(os.getpid(), os.geteuid())
    caller = Caller(gate, peer, Origin(peer.pid, 1))
    await parts.searcher.prepare()
    try:
        return {
            name: await _stages_of(parts, dispatcher, caller, partial(requests.next, name), n)
            for name in _Requests.names
        }
    finally:
        await parts.close()


async def _stages_of(
    parts: Parts, dispatcher: Dispatcher, caller: Caller, next_raw: Callable[[], bytes], n: int
) -> dict[str, float]:
    raw = next_raw()
    part = _only_call(raw)
    params = (METHODS.get(part.method) or SYSTEM[part.method]).params
    told: Any = parts.service if part.method in METHODS else None

    async def work() -> object:
        given: Any = reading.read(params, _only_call(next_raw()).params)
        if part.method in METHODS:
            return await METHODS[part.method].handler(told, given)
        return await SYSTEM[part.method].handler(told, given, caller)

    async def whole() -> None:
        raw = next_raw()
        arrival = Arrival(caller, len(raw))
        with dispatcher.accepted(arrival):
            await dispatcher.answer(raw, arrival)

    result = await work()
    taken = await _medians_us(
        {
            "parse": _at_once(lambda: envelope.parse(raw)),
            "check": _at_once(lambda: reading.read(params, part.params)),
            "work": work,
            "serialise": _at_once(lambda: envelope.success(1, result)),
            "all": whole,
        },
        n,
    )
    # To work, a request is parsed and checked first, because each is another one.
    taken["work"] = round(taken["work"] - taken["parse"] - taken["check"], 1)
    named = sum(us for stage, us in taken.items() if stage != "all")
    return taken | {"dispatch": round(taken["all"] - named, 1)}


def _only_call(raw: bytes) -> Call:
    (part,) = envelope.parse(raw).parts
    assert isinstance(part, Call)
    return part


def _reading_a_store(options: Options, n: int) -> dict[str, float]:
    """The stages of a store of 30 words that leave nothing behind."""
    (text,) = texts(1, words=(30, 30), seed=options.seed)
    raw = encoded(
        request("knowledge.store", {"text": text, "project_id": "p", "metadata": {"a": 1}})
    )
    part = _only_call(raw)
    kind = METHODS["knowledge.store"].params
    return {
        "parse": _median_us(lambda: envelope.parse(raw), n),
        "check": _median_us(lambda: reading.read(kind, part.params), n),
        "draft": _median_us(lambda: _new_entry(kind, part), n),
    }


def _new_entry(kind: type[msgspec.Struct], part: Call) -> object:
    given: Any = reading.read(kind, part.params)
    return given.new_entry()


def _log_as_a_daemon_does() -> None:
    """A line a call, written to where it costs nothing to keep it."""
    handler = logging.FileHandler(os.devnull)
    handler.setFormatter(_JsonFormatter())
    logger = logging.getLogger("cco_knowledge")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _median_us(work: Callable[[], object], n: int) -> float:
    samples = sorted(ms(work) for _ in range(n))
    return round(1000 * samples[n // 2], 1)


async def _medians_us(
    stages: dict[str, Callable[[], Awaitable[object]]], n: int
) -> dict[str, float]:
    """In turn, so that the machine's mood hits all alike."""
    samples: dict[str, list[float]] = {stage: [] for stage in stages}
    for _ in range(n):
        for stage, work in stages.items():
            begun = time.perf_counter()
            await work()
            samples[stage].append(time.perf_counter() - begun)
    return {stage: round(1e6 * sorted(of)[n // 2], 1) for stage, of in samples.items()}


def _at_once(work: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def awaited() -> object:
        return work()

    return awaited
