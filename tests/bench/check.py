"""Ratios of a report against recorded ones: never a time, because machines differ."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PARTS = ("calls", "searches", "writes", "clients")
"""Those whose ratios hold still. The larger one is, the more the daemon takes over its baseline.
Those of `wire` are of calls so short that they double while anything else runs."""
_WORSE = 1.2
_TIMES = 3
"""Where nothing is worse two runs in five have a ratio that looks so, on a shared machine."""
_RUNS = 5

Measure = Callable[[Sequence[str]], dict[str, Any]]
"""A report of these parts."""


def ratios_of(report: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{part}.{name}": ratio
        for part, figures in report["parts"].items()
        for name, ratio in figures.get("ratios", {}).items()
    }


def worse(ratios: Mapping[str, float], recorded: Mapping[str, Any]) -> dict[str, float]:
    """Those more than 20% above the recorded median and above its largest, and by how much."""
    return {
        name: round(ratio / recorded[name]["median"], 3)
        for name, ratio in ratios.items()
        if name in recorded
        and ratio > max(_WORSE * recorded[name]["median"], recorded[name]["most"])
    }


def check(measure: Measure, parts: Sequence[str], file: Path) -> tuple[dict[str, Any], bool]:
    """The report, and whether all ratios are as they were.

    Parts that are not are measured again: a ratio has to be worse each time.
    """
    recorded = json.loads(file.read_text("utf-8"))["ratios"]
    report = measure(parts)
    first = again = worse(ratios_of(report), recorded)
    for _ in range(_TIMES - 1):
        if not again:
            break
        now = worse(ratios_of(measure(sorted({_part_of(name) for name in again}))), recorded)
        again = {name: now[name] for name in again if name in now}
    report["check"] = {"worse": first, "worse_each_time": again}
    return report, not again


def _part_of(name: str) -> str:
    return name.partition(".")[0]


def record(measure: Measure, parts: Sequence[str], file: Path) -> dict[str, Any]:
    """One run more, of which the last five are kept: their medians, the least and the most."""
    report = measure(parts)
    runs = json.loads(file.read_text("utf-8"))["runs"] if file.exists() else []
    runs = [*runs, ratios_of(report)][-_RUNS:]
    ratios = {name: _spread([run[name] for run in runs if name in run]) for name in runs[-1]}
    facts = {key: report[key] for key in ("machine", "versions", "revision", "options")}
    kept = {**facts, "ratios": ratios, "runs": runs}
    file.write_text(json.dumps(kept, indent=1) + "\n")
    return report


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}
