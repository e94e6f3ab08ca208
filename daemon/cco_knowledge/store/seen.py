"""Which ids and contents may be stored: a quick no spares the writer a look into the table."""

from array import array
from collections.abc import Iterable

_BUCKETS = 4096


class SeenKeys:
    """Hashes of all keys, 8 bytes each; looking one up takes 20 µs where there are two million.

    Never forgets, so a deleted key is a yes as well, and two keys may share a hash: a yes has to
    be looked up, a no is certain. Until all that was stored before the start has come in,
    everything is a yes.
    """

    def __init__(self) -> None:
        self._buckets = [array("q") for _ in range(_BUCKETS)]
        self.are_all_in = False

    def add(self, keys: Iterable[str | bytes]) -> None:
        buckets = self._buckets
        for number in map(hash, keys):
            buckets[number % _BUCKETS].append(number)

    def __contains__(self, key: str | bytes) -> bool:
        number = hash(key)
        return not self.are_all_in or number in self._buckets[number % _BUCKETS]
