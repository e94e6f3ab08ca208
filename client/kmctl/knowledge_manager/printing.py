"""Lines on both streams, in the order in which they were written."""

import io
import json
import os
import sys
from typing import Any


def use_utf8() -> None:
    """Whatever the locale: half of the lines begin with an emoji, and texts have any script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def say_json(value: Any) -> None:
    """As `JSON.stringify(value, null, 2)` writes it."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


def remark(line: str) -> None:
    """On standard error: standard output stays what the old command printed."""
    sys.stdout.flush()
    sys.stderr.write(f"{line}\n")


def forget_stdout() -> None:
    """Nobody reads it any more; Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
