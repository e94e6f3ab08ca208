"""Moments as they are stored and sent."""

import time
from datetime import UTC, datetime

_SINCE_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""It counts while a laptop sleeps, and nobody sets it."""

CLOCK_TOLERANCE_S = 3600.0


def utc_now() -> datetime:
    return datetime.now(UTC)


def format_timestamp(moment: datetime) -> str:
    """RFC 3339 UTC with milliseconds, cut, not rounded."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock_ahead_s() -> float:
    """By how much the clock has jumped ahead since this process began; negative: it went back."""
    return _since_boot_differs_s() - _DIFFERED_AT_THE_START_S


def clock_has_jumped() -> bool:
    """By more than any correction of a clock that was about right."""
    return abs(clock_ahead_s()) > CLOCK_TOLERANCE_S


def _since_boot_differs_s() -> float:
    return time.time() - time.clock_gettime(_SINCE_BOOT)


_DIFFERED_AT_THE_START_S = _since_boot_differs_s()
