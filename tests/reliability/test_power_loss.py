"""`python -m reliability.power_loss` in short."""

from pathlib import Path

from reliability.power_loss import failed, run

SEED = 1


def test_no_power_failure_takes_what_was_acknowledged(home: Path) -> None:
    report = run(SEED, 8, home)
    assert not failed(report), report
    assert report["acknowledged"] > 0
