"""Rate limits: so much at once, then so much a second.

Source: RFC 2697, section 3, with one rate and one bucket.
"""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

_LOOKS_AT = 1024
"""So many buckets may be kept before the full ones, which say nothing, are dropped."""


@dataclass(slots=True)
class _Bucket:
    level: float
    at_s: float
    capacity: float
    per_s: float

    def level_at(self, now_s: float) -> float:
        return min(self.capacity, self.level + (now_s - self.at_s) * self.per_s)


@dataclass(slots=True)
class Buckets:
    """One for each key, full where nothing has been taken for long enough."""

    clock: Callable[[], float] = time.monotonic
    _buckets: dict[Hashable, _Bucket] = field(default_factory=dict)

    def wait_s(self, key: Hashable, per_s: float, capacity: float) -> float:
        """How long until there is one to take; 0 where there is."""
        level = self._level(key, per_s, capacity, self.clock())
        return 0.0 if level >= 1 else (1 - level) / per_s

    def take(self, key: Hashable, per_s: float, capacity: float) -> None:
        now_s = self.clock()
        level = self._level(key, per_s, capacity, now_s)
        if key not in self._buckets and len(self._buckets) >= _LOOKS_AT:
            self._drop_full(now_s)
        self._buckets[key] = _Bucket(level - 1, now_s, capacity, per_s)

    def _level(self, key: Hashable, per_s: float, capacity: float, now_s: float) -> float:
        bucket = self._buckets.get(key)
        if bucket is None:
            return capacity
        bucket.per_s, bucket.capacity = per_s, capacity  # the limit may have been changed
        return bucket.level_at(now_s)

    def _drop_full(self, now_s: float) -> None:
        self._buckets = {
            key: bucket
            for key, bucket in self._buckets.items()
            if bucket.level_at(now_s) < bucket.capacity
        }
