"""The long runs, one after the other, as one report. Exit 1 if any of them found something."""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reliability.homes import machine

_OPTIONS: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "kills": lambda options: {"rounds": options.rounds or 500},
    "power_loss": lambda options: {"rounds": options.rounds or 200},
    "fuzz": lambda options: {"requests": options.requests},
    "hostile": lambda options: {"seconds": options.minutes * 60, "clients": options.clients},
    "load": lambda options: {"seconds": options.minutes * 60},
}
"""What `run` of each module takes besides the seed."""


def main() -> int:
    options = _options()
    names = list(_OPTIONS) if options.part == "all" else [options.part]
    report: dict[str, Any] = {"machine": machine(), "seed": options.seed, "parts": {}}
    for name in names:
        part = importlib.import_module(f"reliability.{name}")
        begun_s = time.monotonic()
        found = part.run(seed=options.seed, **_OPTIONS[name](options))
        report["parts"][name] = {
            "sound": part.is_sound(found),
            "took_s": round(time.monotonic() - begun_s, 1),
            **found,
        }
        _write(report, options.report)
    return int(not all(part["sound"] for part in report["parts"].values()))


def _write(report: dict[str, Any], file: Path | None) -> None:
    """After each part, so that a run that is broken off leaves what it found."""
    text = json.dumps(report, indent=1) + "\n"
    if file is not None:
        file.write_text(text, "utf-8")
    elif len(report["parts"]):
        sys.stdout.write(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__)
    parser.add_argument("part", choices=[*_OPTIONS, "all"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, help="of kills (500) or of power losses (200)")
    parser.add_argument("--requests", type=int, default=1_000_000, help="that are fuzzed")
    parser.add_argument("--minutes", type=float, default=60, help="of load, of hostile clients")
    parser.add_argument("--clients", type=int, default=200, help="hostile ones")
    parser.add_argument("--report", type=Path, help="a file for the JSON; else it is printed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
