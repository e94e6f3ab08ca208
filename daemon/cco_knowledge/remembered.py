"""Answers that were given lately, and are still true because nothing has changed since."""

import sys
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

from cco_knowledge.types import Entry

_V = TypeVar("_V")


class Remembered(Generic[_V]):
    """The last used answers of one state; those of an older one are never given again."""

    def __init__(self, max_bytes: int, size_bytes: Callable[[_V], int]) -> None:
        """What would take more than a quarter of `max_bytes`, with its question, is not kept."""
        self._max_bytes = max_bytes
        self._size_bytes = size_bytes
        self._state: Hashable = None
        self._answers: OrderedDict[Hashable, tuple[_V, int]] = OrderedDict()
        self._n_bytes = 0

    async def answer(
        self, question: Hashable, state: Hashable, find: Callable[[], Awaitable[_V]]
    ) -> _V:
        """The one that is remembered, else what `find` gives.

        `state` is what was so when it was asked: `find` may see a newer one, whose answer is
        then never given again, because nobody asks in an older state any more.
        """
        if state != self._state:
            self._state = state
            self._answers.clear()
            self._n_bytes = 0
        if question in self._answers:
            self._answers.move_to_end(question)
            return self._answers[question][0]
        found = await find()
        if state == self._state:
            self._keep(question, found)
        return found

    def _keep(self, question: Hashable, found: _V) -> None:
        n_bytes = self._size_bytes(found) + len(repr(question))
        if question in self._answers or n_bytes > self._max_bytes // 4:
            return
        self._answers[question] = found, n_bytes
        self._n_bytes += n_bytes
        while self._n_bytes > self._max_bytes:
            self._n_bytes -= self._answers.popitem(last=False)[1][1]


def bytes_of_entries(entries: Sequence[Entry]) -> int:
    """About what they take in memory."""
    return sum(1_000 + sys.getsizeof(one.text) + len(one.metadata) for one in entries)
