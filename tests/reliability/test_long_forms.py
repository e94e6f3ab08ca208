"""The long runs of scripts/reliability, in short."""

import sys

import pytest

from reliability import kills, load

only_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.timeout(300)
def test_kills_lose_nothing() -> None:
    report = kills.run(seed=6, rounds=6)
    assert report["wrong"] == [], report
    assert report["acknowledged"] > 0


@only_linux
@pytest.mark.timeout(300)
def test_a_mixed_load_meets_no_error_that_is_not_promised() -> None:
    report = load.run(seed=6, seconds=10)
    assert not report["broken"], report
    assert not report["unpromised"], report
    assert (report["lost"], report["twice"], report["came_back"]) == (0, 0, 0)
