"""Who goes next where callers wait: peers in turn, and of each peer its connections in turn."""

from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")


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


K = TypeVar("K")
V = TypeVar("V")


def _first(of: dict[K, V]) -> tuple[K, V]:
    """Taken out."""
    key = next(iter(of))
    return key, of.pop(key)
