"""Pictures of a report, as small SVG files: `scripts/bench --plots FOLDER`. Needs matplotlib."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Report = Mapping[str, Any]

_PLAIN = {"svg.fonttype": "none", "svg.hashsalt": "cco", "font.size": 9, "axes.grid": True}
"""Text stays text, and the same figures give the same file."""


def draw(report: Report, folder: Path) -> list[Path]:
    """One file for each picture whose part was measured."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    folder.mkdir(exist_ok=True)
    drawn = []
    with plt.rc_context(_PLAIN):
        for name, (part, paint) in PICTURES.items():
            if part and part not in report["parts"]:
                continue
            figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
            paint(report["parts"].get(part, report), axes)
            path = folder / f"{name}.svg"
            figure.savefig(path, metadata={"Date": None})
            plt.close(figure)
            drawn.append(path)
    return drawn


def _goals(report: Report, axes: Any) -> None:
    """How far below its limit each figure is; beyond the line it is missed."""
    shown = [one for one in report["goals"] if one["measured"] and one["limit"]]
    shares = [
        one["limit"] / one["measured"] if one["least"] else one["measured"] / one["limit"]
        for one in shown
    ]
    colours = ["tab:green" if one["held"] else "tab:red" for one in shown]
    axes.figure.set_figheight(1 + len(shown) / 4)
    axes.barh([one["what"] for one in shown], shares, color=colours)
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("share of the limit")


def _latencies(part: Report, axes: Any) -> None:
    names = list(part["ms"])
    for rank, colour in (("p95", "tab:orange"), ("p50", "tab:blue")):
        axes.barh(names, [part["ms"][name][rank] for name in names], color=colour, label=rank)
    axes.invert_yaxis()
    axes.set_xlabel("ms")
    axes.legend()


def _clients(part: Report, axes: Any) -> None:
    numbers = [int(number) for number in part["clients"]]
    of = part["clients"].values()
    axes.plot(numbers, [one["rate"] for one in of], marker="o", label="daemon")
    axes.plot(numbers, [one["bare_rate"] for one in of], marker="o", label="bare engine")
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, map(str, numbers))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("clients")
    axes.set_ylabel("operations a second")
    axes.legend()


def _memory(part: Report, axes: Any) -> None:
    at_s = [seen["at_s"] for seen in part["timeline"]]
    for kind in ("resident", "proportional"):
        axes.plot(at_s, [seen[kind] for seen in part["timeline"]], label=kind)
    for doing in ("searches", "stores", "at rest"):
        begun = min((s["at_s"] for s in part["timeline"] if s["doing"] == doing), default=None)
        if begun is not None:
            axes.axvline(begun, color="grey", linewidth=1)
            axes.text(begun, 1, f" {doing}")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("s")
    axes.set_ylabel("MB")
    axes.legend()


PICTURES: Mapping[str, tuple[str, Callable[[Report, Any], None]]] = {
    "goals": ("", _goals),
    "searches": ("searches", _latencies),
    "calls": ("calls", _latencies),
    "clients": ("clients", _clients),
    "memory": ("memory", _memory),
}
"""By the name of the file: the part, none for the whole report, and what draws it."""
