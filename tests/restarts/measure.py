"""Rounds under load of ten clients, detached and as a service. Prints one JSON object.

Exit 1 if an accepted call was not answered, an acknowledged entry lost, or anything else found
that must not be.
"""

import argparse
import itertools
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  # before the daemon's modules, as in conftest

import model_cache
from conftest import assert_healthy, place_model
from restarts.rounds import KINDS, Administrator, Detached, OfService, Round, play
from service.private_systemd import user_with_systemd, why_none_runs


def main() -> int:
    options = _options()
    report = {"detached": _played(_detached(), options.rounds), "service": _of_service(options)}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return int(any(one.get("rounds_with_faults") for one in report.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/restart_under_load", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of each of the two; default 20")
    return parser.parse_args()


def _of_service(options: argparse.Namespace) -> dict[str, Any]:
    why = why_none_runs()
    return {"skipped": why} if why else _played(_service(), options.rounds)


@contextmanager
def _detached() -> Iterator[Administrator]:
    home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))  # short enough for a socket
    (home / "models").mkdir(mode=0o700)
    place_model(model_cache.make_model(model_cache.ARCHIVE), home)
    administrator = Detached(home)
    try:
        administrator.kmctl("start", "--detach")
        yield administrator
        administrator.kmctl("stop")
        assert_healthy((home / "logs" / "knowledge.log").read_text("utf-8"))
    finally:
        shutil.rmtree(home)


@contextmanager
def _service() -> Iterator[Administrator]:
    with user_with_systemd(model_cache.make_model(model_cache.ARCHIVE)) as user:
        administrator = OfService(user)
        administrator.kmctl("service", "install")
        yield administrator
        administrator.kmctl("service", "uninstall")
        assert_healthy(user.log)


def _played(beginning: Any, n_rounds: int) -> dict[str, Any]:
    rounds: list[Round] = []
    with beginning as administrator:
        for played in play(administrator, itertools.islice(itertools.cycle(KINDS), n_rounds)):
            rounds.append(played)
            sys.stderr.write(f"{len(rounds)} of {n_rounds}: {json.dumps(played.as_json())}\n")
    total = sum((played.outcomes for played in rounds), Counter[str]())
    return {
        "rounds": [played.as_json() for played in rounds],
        "acknowledged": sum(played.n_acknowledged for played in rounds),
        **{name.replace(" ", "_"): count for name, count in total.items()},
        "rounds_with_faults": sum(bool(played.faults) for played in rounds),
    }


if __name__ == "__main__":
    sys.exit(main())
