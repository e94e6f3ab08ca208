"""Requests right and wrong over both framings; every answer is held to what JSON-RPC prescribes.

A run is made of conversations, each one connection and a few hundred messages from a seed of its
own. What fails says how to see it again: `--seed S --only N`. Prints one JSON object.
"""

import argparse
import asyncio
import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import model_cache
from process import Daemon
from reliability.hostile import open_files, resident_bytes
from reliability.messages import NOTHING, Json, Maker, Method, key_of, methods_of, prescribed
from wire import http_post

_MESSAGES: Final = 250
"""In one conversation."""
_AT_ONCE: Final = 8
_READ_BYTES: Final = 1 << 18
_ANSWER_LIMIT_S: Final = 300.0
"""A conversation that is not over by then hangs; it takes a second."""
_CODES: Final = {
    "parse_error": -32700,
    "invalid_request": -32600,
    "method_not_found": -32601,
    "invalid_params": -32602,
    "not_found": -32010,
    "conflict": -32011,
    "unavailable": -32012,
    "overloaded": -32017,
    "rate_limited": -32017,
    "too_large": -32019,
}
"""What may be answered. Not `internal`, nor what says that the model or the disk failed."""
_RETRYABLE: Final = frozenset({"unavailable", "overloaded", "rate_limited"})


class Wrong(AssertionError):
    """The daemon answered what it must not, or did not answer."""


@dataclass(slots=True)
class Seen:
    messages: Counter[str] = field(default_factory=Counter)
    """By framing."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Of the answers; "result" where it is one."""


@dataclass(slots=True)
class Conversation:
    seed: int
    number: int
    methods: Sequence[Method]
    seen: Seen
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed} {self.number}")

    async def hold(self, path: Path) -> None:
        """Raises Wrong."""
        maker = Maker(self.dice, self.methods)
        messages = [maker.message() for _ in range(_MESSAGES)]
        over = self._over_http if self.number % 3 == 2 else self._over_lines
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                await over(path, messages)
        except (Wrong, OSError, EOFError, TimeoutError, ValueError) as error:
            where = f"to see it again: --seed {self.seed} --only {self.number}"
            raise Wrong(f"{type(error).__name__}: {error}\n{where}") from error

    async def _over_lines(self, path: Path, messages: list[bytes]) -> None:
        self.seen.messages["ndjson"] += len(messages)
        ends = [self.dice.choice([b"\n", b"\n", b"\r\n", b"\n\n", b" \n"]) for _ in messages]
        begun = b"".join(m + end for m, end in zip(messages, ends, strict=True))
        rest = self.dice.choice([b"", b"", b"{", b'{"jsonrpc":"2.0","id":1'])
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 26)
        # A line that begins like HTTP would be taken for it.
        sending = asyncio.create_task(self._send(writer, b" " + begun + rest))
        try:
            received = [json.loads(line) async for line in reader]
            await sending
        finally:
            sending.cancel()
            writer.transport.abort()
        answers = [a for a in received if not (isinstance(a, dict) and "method" in a)]
        expected = Counter(map(prescribed, messages))
        del expected[NOTHING]
        for answer in answers:
            self._check(answer)
        got = Counter(map(key_of, answers))
        if got != expected:
            raise Wrong(
                f"missing {dict(expected - got)!s:.500}, too many {dict(got - expected)!s:.500}"
            )

    async def _over_http(self, path: Path, messages: list[bytes]) -> None:
        self.seen.messages["http"] += len(messages)
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 26)
        data = b"".join(map(self._http, messages))
        sending = asyncio.create_task(self._send(writer, data, ends=False))
        try:
            for message in messages:
                await self._check_reply(message, *await _reply(reader))
            await sending
        finally:
            sending.cancel()
            writer.transport.abort()

    def _http(self, message: bytes) -> bytes:
        if self.dice.random() < 0.7:
            return http_post(message)
        head = http_post(b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        pieces = [message[at : at + 40] for at in range(0, len(message), 40)]
        return head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"

    async def _check_reply(self, message: bytes, status: int, body: bytes) -> None:
        expected = prescribed(message)
        if (status, bool(body)) != ((204, False) if expected == NOTHING else (200, True)):
            raise Wrong(f"status {status} with {body[:300]!r} for {message[:300]!r}")
        if body:
            answer = json.loads(body)
            self._check(answer)
            if key_of(answer) != expected:
                raise Wrong(f"{body[:300]!r} for {message[:300]!r}; prescribed is {expected}")

    async def _send(self, writer: asyncio.StreamWriter, data: bytes, *, ends: bool = True) -> None:
        """In pieces of any size."""
        largest = self.dice.choice([7, 100, 5000, 1 << 18])
        at = 0
        while at < len(data):
            step = self.dice.randint(1, largest)
            writer.write(data[at : at + step])
            at += step
            if self.dice.random() < 0.05 or step > 1000:
                await writer.drain()
        await writer.drain()
        if ends:
            writer.write_eof()

    def _check(self, answer: Json) -> None:
        """One answer, or each of a batch."""
        for part in answer if isinstance(answer, list) else [answer]:
            if set(part) == {"jsonrpc", "id", "result"} and part["jsonrpc"] == "2.0":
                self.seen.reasons["result"] += 1
                self._check_items(part["result"])
            elif set(part) == {"jsonrpc", "id", "error"} and part["jsonrpc"] == "2.0":
                self._check_error(part["error"])
            else:
                raise Wrong(f"no answer of JSON-RPC: {part!s:.500}")

    def _check_items(self, result: Json) -> None:
        """The errors in a batch of stores."""
        if isinstance(result, dict) and "failed" in result and "results" in result:
            for item in result["results"]:
                if "error" in item:
                    self._check_error(item["error"])

    def _check_error(self, error: Json) -> None:
        reason = error["data"]["reason"]
        self.seen.reasons[reason] += 1
        is_right = (
            _CODES.get(reason) == error["code"]
            and error["data"]["retryable"] is (reason in _RETRYABLE)
            and isinstance(error["message"], str)
            and (reason != "invalid_params" or isinstance(error["data"]["field"], str))
        )
        if not is_right:
            raise Wrong(f"an error that nobody promised: {error!s:.500}")


async def _reply(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    status_line = await reader.readline()
    if not status_line:
        raise EOFError("the connection ended before a response")
    length = 0
    while (line := (await reader.readline()).strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(status_line.split()[1]), await reader.readexactly(length)


async def _converse(daemon: Daemon, seed: int, numbers: Sequence[int], seen: Seen) -> None:
    methods = methods_of(daemon.call("rpc.discover"))
    waiting = iter(numbers)

    async def one_after_the_other() -> None:
        for number in waiting:
            await Conversation(seed, number, methods, seen).hold(daemon.socket_path)

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_ONCE):
            group.create_task(one_after_the_other())


def fuzz(daemon: Daemon, *, seed: int, numbers: Sequence[int]) -> dict[str, Any]:
    """Raises Wrong."""
    seen, pid, begun_s = Seen(), daemon.pid, time.monotonic()
    before = (resident_bytes(pid), open_files(pid))
    try:
        asyncio.run(_converse(daemon, seed, numbers, seen))
    except* Wrong as group:
        raise group.exceptions[0] from None
    seconds = time.monotonic() - begun_s
    if daemon.call("system.ping") != "pong":
        raise Wrong("no pong")
    n_messages = sum(seen.messages.values())
    return {
        "seed": seed,
        "conversations": [numbers[0], numbers[-1]],
        "messages": dict(seen.messages),
        "seconds": round(seconds, 1),
        "messages_per_s": round(n_messages / seconds),
        "answers": dict(seen.reasons.most_common()),
        "memory_bytes": {"before": before[0], "after": resident_bytes(pid)},
        "open_files": {"before": before[1], "after": open_files(pid)},
    }


def numbers_for(requests: int, first: int = 0) -> list[int]:
    return list(range(first, first + -(-requests // _MESSAGES)))


def run(*, seed: int = 1, requests: int = 1_000_000, first: int = 0) -> dict[str, Any]:
    return _run(seed, numbers_for(requests, first))


def _run(seed: int, numbers: Sequence[int]) -> dict[str, Any]:
    home = Path(tempfile.mkdtemp(prefix="kf-", dir="/tmp"))  # short, for the socket
    (home / "models").mkdir(mode=0o700)
    model = model_cache.make_model(model_cache.ARCHIVE)
    shutil.copyfile(model, home / "models" / model.name)
    daemon = Daemon(home).start().wait_ready()
    try:
        report = fuzz(daemon, seed=seed, numbers=numbers)
        _check_log(daemon.stderr)
    except BaseException:
        with contextlib.suppress(OSError):
            sys.stderr.write(daemon.stderr[-2000:])
        raise
    else:
        return report
    finally:
        daemon.stop()
        daemon.discard()
        shutil.rmtree(home)


def _check_log(log: str) -> None:
    defects = [word for word in ("Traceback", "internal error", "Warning:") if word in log]
    if defects:
        raise Wrong(f"the log holds {defects}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=0, help="the first conversation's number")
    parser.add_argument("--only", type=int, help="one conversation alone")
    options = parser.parse_args()
    if options.only is not None:
        report = _run(options.seed, [options.only])
    else:
        report = run(seed=options.seed, requests=options.requests, first=options.first)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
