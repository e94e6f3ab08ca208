"""The long runs, one after the other, as one report. Exit 1 if any of them found something."""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reliability import kills, load
from reliability.homes import home_with_model, machine

Found = dict[str, Any]
Part = Callable[[argparse.Namespace], tuple[Found, bool]]
"""What it found, and whether that is sound."""


def _kills(options: argparse.Namespace) -> tuple[Found, bool]:
    found = kills.run(options.seed, options.rounds or 500, _tell)
    return found, kills.is_sound(found)


def _power_loss(options: argparse.Namespace) -> tuple[Found, bool]:
    part = importlib.import_module("reliability.power_loss")
    with home_with_model() as home:
        found = part.run(options.seed, options.rounds or 200, home)
    return found, not part.failed(found)


def _fuzz(options: argparse.Namespace) -> tuple[Found, bool]:
    part = importlib.import_module("reliability.fuzz")
    try:
        return part.run(seed=options.seed, requests=options.requests), True
    except part.Wrong as wrong:
        return {"wrong": str(wrong)}, False


def _hostile(options: argparse.Namespace) -> tuple[Found, bool]:
    """Ratios of times, which are no verdict: who reads them knows the machine."""
    part = importlib.import_module("reliability.hostile")
    seconds = options.minutes * 60
    return part.run(seed=options.seed, seconds=seconds, clients=options.clients), True


def _load(options: argparse.Namespace) -> tuple[Found, bool]:
    found = load.run(options.seed, options.minutes * 60)
    return found, load.is_sound(found)


_PARTS: Mapping[str, Part] = {
    "kills": _kills,
    "power_loss": _power_loss,
    "fuzz": _fuzz,
    "hostile": _hostile,
    "load": _load,
}


def main() -> int:
    options = _options()
    names = list(_PARTS) if options.part == "all" else [options.part]
    report: Found = {"machine": machine(), "seed": options.seed, "parts": {}}
    for name in names:
        begun_s = time.monotonic()
        found, is_sound = _PARTS[name](options)
        took_s = round(time.monotonic() - begun_s, 1)
        report["parts"][name] = {"sound": is_sound, "took_s": took_s, **found}
        _write(report, options.report)
    if options.report is None:
        sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return int(not all(part["sound"] for part in report["parts"].values()))


def _tell(line: str) -> None:
    sys.stderr.write(line)


def _write(report: Found, file: Path | None) -> None:
    """After each part, so that a run that is broken off leaves what it found."""
    if file is not None:
        file.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/reliability", description=__doc__)
    parser.add_argument("part", choices=[*_PARTS, "all"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, help="of kills (500) or of power losses (200)")
    parser.add_argument("--requests", type=int, default=1_000_000, help="that are fuzzed")
    parser.add_argument("--minutes", type=float, default=60, help="of load, of hostile clients")
    parser.add_argument("--clients", type=int, default=200, help="hostile ones")
    parser.add_argument("--report", type=Path, help="a file for the JSON; else it is printed")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
