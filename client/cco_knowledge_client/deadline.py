"""The moment until which a call may take."""

import time
from dataclasses import dataclass

from .errors import DeadlineExceeded, InvalidParams

_TIMEOUT_MAX_S = 1_000_000


@dataclass(frozen=True, slots=True)
class Deadline:
    timeout_s: float
    end_s: float
    """On the monotonic clock."""

    @classmethod
    def after(cls, timeout_s: float) -> "Deadline":
        return cls(checked_timeout_s(timeout_s), time.monotonic() + timeout_s)

    def remaining_s(self) -> float:
        """More than 0. Raises DeadlineExceeded after the end."""
        remaining_s = self.end_s - time.monotonic()
        if remaining_s <= 0:
            raise no_answer_within(self.timeout_s)
        return remaining_s


def checked_timeout_s(timeout_s: float) -> float:
    """Raises InvalidParams for what the operating system cannot wait."""
    if not 0 < timeout_s <= _TIMEOUT_MAX_S:
        raise InvalidParams(
            f"timeout_s is more than 0 and at most {_TIMEOUT_MAX_S}, not {timeout_s}.",
            field="timeout_s",
        )
    return timeout_s


def no_answer_within(timeout_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"The daemon did not answer within {timeout_s:g} s.")
