"""The suite by one command: `scripts/bench [PART...|all]`; docs/measuring.md says more.

Prints one JSON report: the machine, the versions, the figures of each part, and the goals with
what was measured beside them.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import (
    calls,
    check,
    clients,
    embedding,
    importing,
    limits,
    memory,
    page,
    peers,
    plots,
    rest,
    safety,
    scale,
    searches,
    start,
    wire,
    writes,
)
from bench.baselines.comparison import Settings
from bench.goals import judged
from bench.machine import machine, revision, versions
from bench.stand import Options
from cco_knowledge.process_memory import keep_large_blocks, tune_allocator

Run = Callable[[Options], dict[str, Any]]


def _peers(options: Options) -> dict[str, Any]:
    return peers.run(settings=Settings(options.entries, rounds=options.count(3, 1)))


PARTS: Mapping[str, Run] = {
    "calls": calls.run,
    "wire": wire.run,
    "searches": searches.run,
    "writes": writes.run,
    "start": start.run,
    "memory": memory.run,
    "clients": clients.run,
    "rest": rest.run,
    "importing": importing.run,
    "embedding": embedding.run,
    "safety": safety.run,
    "scale": scale.run,
    "peers": _peers,
    "limits": limits.run,
}
SHORT_ENTRIES = 1_000


def main() -> None:
    chosen = _arguments()
    tune_allocator()
    keep_large_blocks()  # the bare engine copies the vectors for each search
    if chosen.page:
        report = page.merged([json.loads(file.read_text("utf-8")) for file in chosen.page])
        page.write(report)
        _draw(report, page.KEPT.parent)
        return
    options = Options(Path(), chosen.entries, chosen.seed, chosen.short)

    def measure(parts: Sequence[str]) -> dict[str, Any]:
        return measured(parts, options, chosen.report)

    is_well = True
    if chosen.record:
        report = check.record(measure, chosen.parts, chosen.record)
    elif chosen.check:
        report, is_well = check.check(measure, chosen.parts, chosen.check)
    else:
        report = measure(chosen.parts)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if chosen.plots:
        _draw(report, chosen.plots)
    if not is_well:
        sys.exit(f"Worse than recorded, each time: {report['check']['worse_each_time']}")


def _draw(report: dict[str, Any], folder: Path) -> None:
    try:
        plots.draw(report, folder)
    except ModuleNotFoundError as error:
        sys.exit(f"No pictures: {error}. It comes with `pip install cco-knowledge[bench]`.")


def measured(parts: Sequence[str], options: Options, kept: Path | None) -> dict[str, Any]:
    """A report of these parts, each measured in turn; so far as it is, it is in `kept`."""
    folder = Path(tempfile.mkdtemp(prefix="kb-", dir="/tmp"))  # short, for the sockets
    report: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(),
        "revision": revision(),
        "options": {"entries": options.entries, "seed": options.seed, "short": options.short},
        "parts": {},
    }
    try:
        for part in parts:
            begun = time.monotonic()
            report["parts"][part] = PARTS[part](replace(options, folder=folder))
            report["goals"] = judged(report["parts"])
            if kept:
                kept.write_text(json.dumps(report, indent=1) + "\n")
            sys.stderr.write(f"{part}: {time.monotonic() - begun:.0f} s\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"all, or {', '.join(PARTS)}")
    parser.add_argument("--entries", type=int, help="in the store; default: 10,000, short 1,000")
    parser.add_argument("--short", action="store_true", help="fewer samples of everything")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", type=Path, help="write it there too, after each part")
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="fail where ratios are worse than recorded"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="add the ratios to the last ones that are kept"
    )
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help="draw the report; needs the extra `bench`"
    )
    parser.add_argument(
        "--page",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure nothing: put these reports into docs/KNOWLEDGE_PERFORMANCE_REPORT.md",
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - {*PARTS, "all"}:
        parser.error(f"There is no part {', '.join(sorted(unknown))}.")
    if chosen.check and not chosen.check.exists():
        parser.error(f"Nothing is recorded: scripts/bench --short --record {chosen.check}")
    if not chosen.parts and (chosen.check or chosen.record):
        chosen.parts = list(check.PARTS)
    elif not chosen.parts or "all" in chosen.parts:
        chosen.parts = list(PARTS)
    if chosen.entries is None:
        chosen.entries = SHORT_ENTRIES if chosen.short else Options(Path()).entries
    return chosen


if __name__ == "__main__":
    main()
