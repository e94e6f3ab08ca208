"""The vectors of the last texts, so that the same text again is not embedded again."""

from collections import OrderedDict
from collections.abc import Sequence

from cco_knowledge.types import Passage

_MAX_CACHED_PASSAGES = 16


class Cache:
    """The last used vectors, by content."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._passages: OrderedDict[bytes, Sequence[Passage]] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        return len(self._passages)

    def get(self, key: bytes) -> Sequence[Passage] | None:
        found = self._passages.get(key)
        if found is None:
            self.misses += 1
            return None
        self.hits += 1
        self._passages.move_to_end(key)
        return found

    def put(self, key: bytes, passages: Sequence[Passage]) -> None:
        if len(passages) > _MAX_CACHED_PASSAGES:
            return
        self._passages[key] = passages
        while len(self._passages) > self._capacity:
            self._passages.popitem(last=False)
