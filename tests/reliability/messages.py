"""Messages right and wrong, made from a seed, and what JSON-RPC prescribes as their answers. Pure.

The oracle reads JSON with the standard library, not with the daemon's own parser.
"""

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = Any
MAX_BATCH_CALLS: Final = 100
NOTHING: Final = "nothing"
_SKIPPED: Final = frozenset({"system.authenticate", "system.scrub", "system.shutdown", "job.wait"})
"""One would end the daemon; the other one rightly answers only when a job ends."""
_SELDOM: Final = {
    **dict.fromkeys(("system.backup", "system.optimize", "system.verify"), 0.001),
    **dict.fromkeys(("system.reload", "rpc.discover"), 0.01),
    **dict.fromkeys(("knowledge.query", "knowledge.stats", "knowledge.related"), 0.3),
    **dict.fromkeys(("system.ping", "system.status", "knowledge.get", "job.get", "job.list"), 1.0),
}
"""How often they are called rightly: what embeds, writes or reads all takes most of the time."""
_WORKING: Final = 0.05
"""Of all other methods; the rest of their calls have a param too many."""
_WORDS: Final = (
    *("we", "decided", "to", "keep", "all", "vectors", "in", "one", "table", "because", "a"),
    *("commit", "is", "then", "naïve", "café", "日本語", "\U0001f600", "retryBackoffMs", "v1.2.3"),
    *("src/auth/token.py", "\u2028", "\u0301"),
)
_STRANGE: Final[Sequence[Json]] = (
    *(None, True, False, 0, -1, 1, 10, 101, 1001, 2**31, 2**53 + 1, 2**63, 2**64, -(10**30)),
    *(0.5, -0.0, 1e308, 5e-324, "", " ", "\x00", "\n", "x" * 300, "%", "'", '"', "\\", "null"),
    *("' OR 1=1 --", "../../etc/passwd", "${HOME}", "\ufeff", "\ud7ff", "\U0010ffff", "🙂" * 50),
    *([], {}, [[]], [None], [1, "a"], {"": ""}, {"a": {"b": [1]}}, ["x"] * 50),
    *("2026-11-22T10:30:00Z", "9999-12-31T23:59:59.999Z", "0000-00-00T00:00:00Z", "yesterday"),
)
_BROKEN: Final = (
    *(
        b"{",
        b"[",
        b'"',
        b'{"jsonrpc":"2.0"',
        b"nul",
        b"tru",
        b"{]",
        b"[}",
        b"{,}",
        b"[1,]",
        b"\xff",
    ),
    *(b"NaN", b"-Infinity", b"1e999", b"01", b"0x1", b"'a'", b"{1:2}", b'{"a"}', b'"\\ud800"'),
    *(b'{"a":1}}', b'{"a":1} {"b":2}', b"\x00", b"\xef\xbb\xbf{}", b"[" * 5000, b'"\x1f"'),
)


@dataclass(frozen=True, slots=True)
class Method:
    """What a discovered document says of one."""

    name: str
    params: Sequence[str]
    examples: Sequence[dict[str, Json]]


def methods_of(document: Json) -> list[Method]:
    return [
        Method(
            method["name"],
            [param["name"] for param in method["params"]],
            [{p["name"]: p["value"] for p in e["params"]} for e in method["examples"]],
        )
        for method in document["methods"]
        if method["name"] not in _SKIPPED
    ]


# The oracle


def prescribed(message: bytes) -> str:
    """The key of its one answer, or NOTHING. Answers have keys too: see `key_of`."""
    try:
        document = _parsed(message)
    except (ValueError, RecursionError):
        return _key(None, "-32700")
    if not isinstance(document, list):
        return _of_part(document) or NOTHING
    if not 0 < len(document) <= MAX_BATCH_CALLS:
        return _key(None, "-32600")
    parts = [key for key in map(_of_part, document) if key]
    return _batch_key(parts) if parts else NOTHING


def key_of(answer: Json) -> str:
    """Batches: of their parts, in any order."""
    if isinstance(answer, list):
        return _batch_key([key_of(part) for part in answer])
    code = answer.get("error", {}).get("code")
    return _key(answer["id"], str(code) if code in {-32700, -32600} else "answer")


def _parsed(message: bytes) -> Json:
    document = json.loads(message.decode("utf-8"), parse_float=_finite, parse_constant=_refuse)
    json.dumps(document, ensure_ascii=False).encode()  # a lone surrogate is no text
    return document


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def _refuse(text: str) -> None:
    raise ValueError(text)


def _of_part(part: Json) -> str | None:
    """None for a notification."""
    if not isinstance(part, dict):
        return _key(None, "-32600")
    has_id = "id" in part
    request_id = part.get("id")
    if not (request_id is None or isinstance(request_id, str | int)) or isinstance(
        request_id, bool
    ):
        return _key(None, "-32600")
    is_request = (
        part.get("jsonrpc") == "2.0"
        and isinstance(part.get("method"), str)
        and isinstance(part.get("params"), dict | list | None)
    )
    if not is_request:
        return _key(request_id, "-32600")
    return _key(request_id, "answer") if has_id else None


def _key(request_id: Json, kind: str) -> str:
    return f"{json.dumps(request_id)} {kind}"


def _batch_key(parts: Sequence[str]) -> str:
    return json.dumps(sorted(parts))


# The messages


@dataclass(slots=True)
class Maker:
    """Endless messages from one seed, each one line of bytes."""

    dice: random.Random
    methods: Sequence[Method]
    n_made: int = 0

    def message(self) -> bytes:
        made = self._kind()()
        return made if isinstance(made, bytes) else _encoded(made, self.dice)

    def _kind(self) -> Callable[[], Json]:
        kinds = (
            *(self._call, self._notification, self._batch, self._half_right),
            *(self._anything, self._broken, self._damaged),
        )
        return self.dice.choices(kinds, cum_weights=(60, 66, 70, 78, 84, 90, 100))[0]

    def _call(self) -> Json:
        method = self._method()
        return {
            "jsonrpc": "2.0",
            "id": self._id(),
            "method": method.name,
            "params": self._params(method),
        }

    def _notification(self) -> Json:
        call = self._call()
        del call["id"]
        return call

    def _batch(self) -> Json:
        n = self.dice.choice([0, 1, 2, 2, 5, 5, 10, 20, 99, 100, 101])
        makers = [self._light_call, self._notification, self._half_right, self._anything]
        return [self.dice.choices(makers, [20, 2, 1, 1])[0]() for _ in range(n)]

    def _light_call(self) -> Json:
        return {"jsonrpc": "2.0", "id": self._id(), "method": "system.ping"}

    def _half_right(self) -> Json:
        """A request with one thing wrong, or strange."""
        call = self._call()
        part = self.dice.choice(["jsonrpc", "id", "method", "params"])
        if self.dice.random() < 0.3:
            call.pop(part, None)
        else:
            call[part] = self._value()
        if self.dice.random() < 0.2:
            call[self._text()] = self._value()
        return call

    def _anything(self) -> Json:
        return self._value(depth=4)

    def _broken(self) -> bytes:
        return self.dice.choice(_BROKEN)

    def _damaged(self) -> bytes:
        """A right message of which some bytes are not."""
        message = bytearray(_encoded(self._call(), self.dice))
        for _ in range(self.dice.randint(1, 3)):
            at = self.dice.randrange(len(message))
            what = self.dice.random()
            if what < 0.4:
                message[at] = self.dice.randrange(256)
            elif what < 0.7:
                del message[at : at + self.dice.randint(1, 4)]
            else:
                message[at:at] = message[at : at + self.dice.randint(1, 8)]
            message = message or bytearray(b"1")
        # Left to the other kinds, and never to chance: the one would be two messages, the other
        # one another's connection.
        return (
            bytes(message)
            .replace(b"\n", b" ")
            .replace(b"shutdown", b"ping")
            .replace(b"authenticate", b"ping")
            or b"1"
        )

    def _method(self) -> Method:
        return self.dice.choice(self.methods)

    def _id(self) -> Json:
        """Mostly one that nothing else has."""
        self.n_made += 1
        return self.dice.choices(
            [self.n_made, f"id {self.n_made}", self.n_made * 10**20, "", None, "\n\u2028é"],
            [70, 20, 4, 2, 2, 2],
        )[0]

    def _params(self, method: Method) -> Json:
        example = self.dice.choice(method.examples) if method.examples else {}
        params = {name: self._varied(value) for name, value in example.items()}
        if self.dice.random() > _SELDOM.get(method.name, _WORKING):
            return {**params, "no such param": self._value()}
        what = self.dice.random()
        if what < 0.25 and method.params:
            params[self.dice.choice(method.params)] = self._value()
        elif what < 0.35 and params:
            del params[self.dice.choice(list(params))]
        elif what < 0.4:
            params[self._text()] = self._value()
        elif what < 0.5:
            return list(params.values())[: self.dice.randint(0, len(params) + 2)]
        return params

    def _varied(self, value: Json) -> Json:
        """Often as it is; texts are of few kinds, so that not each of them is embedded."""
        if self.dice.random() < 0.7:
            return value
        return self._text() if isinstance(value, str) else self._value()

    def _value(self, depth: int = 2) -> Json:
        what = self.dice.random()
        if depth and what < 0.15:
            return [self._value(depth - 1) for _ in range(self.dice.randint(0, 4))]
        if depth and what < 0.3:
            n = self.dice.randint(0, 4)
            return {self._text(): self._value(depth - 1) for _ in range(n)}
        return self._text() if what < 0.5 else self.dice.choice(_STRANGE)

    def _text(self) -> str:
        return " ".join(self.dice.choices(_WORDS, k=self.dice.choice([1, 1, 2])))


def _encoded(document: Json, dice: random.Random) -> bytes:
    """In one of the ways in which the same JSON can be written."""
    separators = dice.choice([(",", ":"), (", ", ": "), (" ,\t", "\r:  ")])
    return json.dumps(document, ensure_ascii=dice.random() < 0.5, separators=separators).encode()
