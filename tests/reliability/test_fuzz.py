"""The short form of `python -m reliability.fuzz`; and what the long one has found."""

from process import Daemon
from reliability import fuzz

_SEED = 6
_REQUESTS = 5000


def test_each_request_gets_the_one_answer_that_is_prescribed(daemon: Daemon) -> None:
    report = fuzz.fuzz(daemon, seed=_SEED, numbers=fuzz.numbers_for(_REQUESTS))
    assert sum(report["messages"].values()) == _REQUESTS
    assert {"result", "parse_error", "invalid_request", "invalid_params"} <= set(report["answers"])
