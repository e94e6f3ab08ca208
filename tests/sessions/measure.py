"""What `session.pre_compaction` makes of the labelled conversations. Prints one JSON object."""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import model_cache
from process import Daemon
from sessions.labelled import Figures, measured, read, total


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/measure_sessions", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["dev", "test"], default="test")
    part = parser.parse_args().part
    home = Path(tempfile.mkdtemp(prefix="kd-", dir="/tmp"))  # short enough for a socket
    try:
        sys.stdout.write(json.dumps(_measure(home, part), indent=2) + "\n")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure(home: Path, part: str) -> dict[str, object]:
    models = home / "models"
    models.mkdir(mode=0o700)
    model = model_cache.make_model(model_cache.ARCHIVE)
    shutil.copyfile(model, models / model.name)
    daemon = Daemon(home).start().wait_ready()
    try:
        before = daemon.call("system.status")["rss_bytes"]
        figures = {one["name"]: measured(daemon, one) for one in read(part)}
        after = daemon.call("system.status")["rss_bytes"]
    finally:
        daemon.discard()
    return {
        "conversations": {name: _rounded(one) for name, one in figures.items()},
        "total": _rounded(total(figures.values())),
        "rss_mb": {"before": before >> 20, "after": after >> 20},
    }


def _rounded(figures: Figures) -> dict[str, float]:
    ratios = ("precision", "recall", "typed", "seconds_per_10_000_words")
    counted = asdict(figures) | {name: getattr(figures, name) for name in ratios}
    return {name: round(value, 3) for name, value in counted.items()}


if __name__ == "__main__":
    main()
