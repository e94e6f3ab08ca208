"""Who goes next where callers wait: peers in turn, and of each peer its connections in turn."""

import asyncio
import gc
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
_PAUSE = 50
"""So many times as long as the work took: of a hundred calls of others, two meet it."""
_SELDOM_S = 0.02
_LATELY_S = 1.0
_MOST_PEERS = 1024
_ALONE_S = 1.0
"""Whoever has been alone for so long holds up nobody, and need not pause."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose work it is."""

    peer: int | None
    """The process; all that the kernel does not tell count as one."""
    connection: int


OURSELVES: Final = Origin(0, 0)
ORIGIN: Final[ContextVar[Origin]] = ContextVar("origin", default=OURSELVES)
"""Of the call at hand, and of a job that it has begun."""


class Turns(Generic[T]):
    """A queue in which nobody waits for all that others have brought, only for their turns."""

    def __init__(self) -> None:
        self._peers: dict[int | None, dict[int, deque[T]]] = {}
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def has(self, origin: Origin) -> bool:
        """Whether something of it waits."""
        return origin.connection in self._peers.get(origin.peer, {})

    def add(self, origin: Origin, item: T) -> None:
        self._peers.setdefault(origin.peer, {}).setdefault(origin.connection, deque()).append(item)
        self._n += 1

    def pop(self) -> T:
        peer, connections = _first(self._peers)
        connection, items = _first(connections)
        item = items.popleft()
        if items:
            connections[connection] = items  # behind the others
        if connections:
            self._peers[peer] = connections
        self._n -= 1
        return item

    def remove(self, origin: Origin, item: T) -> None:
        """Without effect on what does not wait."""
        connections = self._peers.get(origin.peer, {})
        items = connections.get(origin.connection, deque())
        if item not in items:
            return
        items.remove(item)
        self._n -= 1
        if not items:
            del connections[origin.connection]
        if not connections:
            del self._peers[origin.peer]


class FairSemaphore:
    """So many get through at once, at least one; the others wait for their turns."""

    def __init__(self, n_at_once: int) -> None:
        self.n_at_once = n_at_once
        """May change; it counts from the next who comes or leaves."""
        self._n_inside = 0
        self._waiting = Turns[asyncio.Future[None]]()

    @property
    def n_waiting(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        await self.enter()
        try:
            yield
        finally:
            self.leave()

    async def enter(self) -> None:
        """As the origin at hand."""
        if self._n_inside < self.n_at_once and not self._waiting:
            self._n_inside += 1
            return
        origin = ORIGIN.get()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(origin, turn)
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting.remove(origin, turn)
            if turn.done() and not turn.cancelled():  # it was let in at the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """Lets in the next ones that still wait."""
        self._n_inside -= 1
        while self._waiting and self._n_inside < self.n_at_once:
            turn = self._waiting.pop()
            if not turn.done():
                turn.set_result(None)
                self._n_inside += 1


class Seldom:
    """Who comes seldom, and so need not wait for those who come all the time."""

    def __init__(self) -> None:
        self._came_s: dict[int | None, float] = {}

    def is_due(self, peer: int | None) -> bool:
        """Whether it has not been for a while; it counts as having come."""
        now_s = time.monotonic()
        since_s = now_s - self._came_s.get(peer, -_SELDOM_S)
        if since_s < _SELDOM_S:
            return False
        if len(self._came_s) >= _MOST_PEERS:
            self._came_s.clear()
        self._came_s[peer] = now_s
        return True


class Lately:
    """Who came in the last second."""

    def __init__(self) -> None:
        self._came_s: dict[int | None, float] = {}
        """The latest comes last."""

    def note(self, peer: int | None) -> None:
        now_s = time.monotonic()
        self._came_s.pop(peer, None)
        self._came_s[peer] = now_s
        while now_s - next(iter(self._came_s.values())) > _LATELY_S:
            del self._came_s[next(iter(self._came_s))]

    def forget(self, peer: int | None) -> None:
        self._came_s.pop(peer, None)

    @property
    def is_anybody(self) -> bool:
        latest_s = next(reversed(self._came_s.values()), -_LATELY_S)
        return time.monotonic() - latest_s <= _LATELY_S


class Pace:
    """Long work on the event loop: singly, and with pauses in which others have the loop."""

    def __init__(self) -> None:
        self._semaphore = FairSemaphore(1)
        self._last_origin: Origin | None = None
        self._others_came_s = -_ALONE_S
        """The last time that an origin was another one than the one before."""

    def note_origin(self) -> None:
        """At each call, of long work or not."""
        origin = ORIGIN.get()
        if origin != self._last_origin:
            self._last_origin = origin
            self._others_came_s = time.monotonic()

    @property
    def is_alone(self) -> bool:
        return time.monotonic() - self._others_came_s > _ALONE_S

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Around the work, which must not wait for anything."""
        await self._semaphore.enter()
        begun_s = time.thread_time()
        gc.disable()  # it would look at millions of new objects again and again
        try:
            yield
        finally:
            gc.enable()
            took_s = time.thread_time() - begun_s
            pause_s = 0.0 if self.is_alone else _PAUSE * took_s
            asyncio.get_running_loop().call_later(pause_s, self._semaphore.leave)


K = TypeVar("K")
V = TypeVar("V")


async def each(items: Iterable[T], do: Callable[[T], Awaitable[V]], *, at_once: int) -> list[V]:
    """The results in order. A task for each of many items would hold up the loop for all others."""
    results: dict[int, V] = {}
    numbered = iter(enumerate(items))

    async def work() -> None:
        for number, item in numbered:
            results[number] = await do(item)

    await asyncio.gather(*(work() for _ in range(at_once)))
    return [results[number] for number in range(len(results))]


def _first(of: dict[K, V]) -> tuple[K, V]:
    """Taken out."""
    key = next(iter(of))
    return key, of.pop(key)
