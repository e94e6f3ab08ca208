"""Which ids and contents may be stored: a quick no spares the writer a scan of the table."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable


class SeenKeys:
    """Hashes of all keys at the start, sorted, 8 bytes each, and of those that came since.

    Never forgets, so a deleted key is a yes as well, and two keys may share a hash: a yes has to
    be looked up, a no is certain.
    """

    def __init__(self, keys: Iterable[str | bytes]) -> None:
        self._old = array("q", sorted(map(hash, keys)))
        self._new: set[int] = set()

    def add(self, key: str | bytes) -> None:
        self._new.add(hash(key))

    def __contains__(self, key: str | bytes) -> bool:
        number = hash(key)
        if number in self._new:
            return True
        place = bisect_left(self._old, number)
        return place < len(self._old) and self._old[place] == number
