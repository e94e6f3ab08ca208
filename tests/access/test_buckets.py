"""Rate limits, with a clock in the hand."""

from cco_knowledge.tokens import Buckets


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def n_taken(buckets: Buckets, key: object, per_s: float, capacity: float) -> int:
    taken = 0
    while buckets.wait_s(key, per_s, capacity) == 0:
        buckets.take(key, per_s, capacity)
        taken += 1
    return taken


def test_so_much_at_once_and_then_so_much_a_second() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert n_taken(buckets, "one", 2, 5) == 5
    assert buckets.wait_s("one", 2, 5) == 0.5
    clock.now_s = 1.0
    assert n_taken(buckets, "one", 2, 5) == 2
    clock.now_s = 1000.0
    assert n_taken(buckets, "one", 2, 5) == 5


def test_each_key_has_its_own() -> None:
    buckets = Buckets(Clock())
    assert n_taken(buckets, "one", 1, 1) == 1
    assert n_taken(buckets, "other", 1, 1) == 1


def test_many_keys_do_not_stay_for_ever() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    for key in range(5000):
        clock.now_s += 1
        buckets.take(key, 1, 1)
    assert len(buckets._buckets) <= 1024


def test_a_limit_that_is_changed_counts_from_then_on() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert n_taken(buckets, "one", 1, 1) == 1
    clock.now_s = 0.1
    assert buckets.wait_s("one", 10, 10) == 0
