"""Who may have how much of something of which there is only so much."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from cco_knowledge.errors import Overloaded

BUSY_MS = 1000
"""After so long there may be room."""


class Shares:
    """Each peer may hold as much as it leaves free.

    So one that takes all it gets has half, two have a third each, and there is always as much left
    for the next one as any of them has.
    """

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._taken = 0
        self._held: Counter[int | None] = Counter()

    def fits(self, peer: int | None, amount: int) -> bool:
        """Whether the peer may have so much more."""
        return self._held[peer] + amount <= self._whole - self._taken - amount

    def held(self, peer: int | None) -> int:
        return self._held[peer]

    def take(self, peer: int | None, amount: int) -> None:
        """Counts even what does not fit: then it was there before it could be refused."""
        self._held[peer] += amount
        self._taken += amount

    @contextmanager
    def taken(self, peer: int | None, amount: int) -> Iterator[None]:
        """Raises Overloaded where it does not fit."""
        if not self.fits(peer, amount):
            raise Overloaded("Too much waits to be answered.", retry_after_ms=BUSY_MS)
        self.take(peer, amount)
        try:
            yield
        finally:
            self.give_back(peer, amount)

    def give_back(self, peer: int | None, amount: int) -> None:
        self._taken -= amount
        self._held[peer] -= amount
        if not self._held[peer]:
            del self._held[peer]
