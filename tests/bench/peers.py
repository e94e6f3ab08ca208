"""The daemon side by side with others: the same texts, the same model, the same driver.

Prints a table in Markdown, and on standard error what is being done. What cannot be installed or
run is named with the reason. docs/measuring.md says what each row means.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.baselines.comparison import Comparison, Settings
from bench.baselines.contenders import ENTRANTS
from bench.baselines.table import table


def run(names: Sequence[str] = (), settings: Settings | None = None) -> dict[str, Any]:
    """The named contenders, or all. Fetches and installs what is missing, once."""
    settings = settings or Settings()
    entrants = [entrant for entrant in ENTRANTS if not names or entrant.name in names]
    with tempfile.TemporaryDirectory(prefix="kp-") as work:
        contenders = Comparison(entrants, Path(work), settings).measure()
    return {"machine": _machine(), "settings": asdict(settings), "contenders": contenders}


def main() -> None:
    options = _options()
    settings = Settings(options.entries, options.rounds, options.clients_s, options.seed)
    report = run(options.names, settings)
    if options.report is not None:
        options.report.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    sys.stdout.write(table(report))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    usual = Settings()
    known = [entrant.name for entrant in ENTRANTS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; or all")
    parser.add_argument("--entries", type=int, default=usual.entries)
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--clients-s", type=float, default=usual.clients_s)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--report", type=Path, help="a file for the figures as JSON")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in known]
    if unknown:
        parser.error(f"no such contender: {', '.join(unknown)}")
    return options


def _machine() -> dict[str, object]:
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
