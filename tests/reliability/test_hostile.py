"""The short form of `python -m reliability.hostile`: what holds whatever the machine's speed."""

import pytest

from process import Daemon
from reliability import bad_clients, hostile

_BURNERS = frozenset(
    {
        *("huge", "huge_batch", "deep", "many_keys", "batches", "long_queries"),
        *("stores", "embeds", "large_answers"),
    }
)
"""They ask for more work than two cores can do, so that how long others wait is a measure: of the
long form."""
_MOST_MEMORY_BYTES = 2 << 30
"""Half requests, answers that nobody reads, one bomb being parsed, and what comes of them."""


@pytest.mark.timeout(300)
def test_a_well_behaved_client_is_served_beside_bad_ones_and_all_is_well_afterwards(
    daemon: Daemon,
) -> None:
    kinds = [kind for kind in bad_clients.KINDS if kind not in _BURNERS]
    report = hostile.measure(daemon, seed=1, seconds=3.0, clients=len(kinds), kinds=kinds)
    assert report["errors"] == {}
    assert {name for name, n in report["came"].items() if n} == set(kinds)
    for phase in ("quiet", "loaded", "after"):
        assert set(report[phase]) == {"store", "get", "search"}
    assert report["peak"]["memory_bytes"] < report["before"]["memory_bytes"] + _MOST_MEMORY_BYTES
