"""What a run has read, stored, skipped and not been able to read: for programs and for people."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from kmctl.whole_file import whole_file


@dataclass(frozen=True, slots=True)
class Failure:
    where: str
    """A file of the table or a record's id; empty for the table as a whole."""
    why: str
    records: int | None = 1
    """How many are lost; None where that cannot be known."""


@dataclass(slots=True)
class FolderReport:
    path: str
    version: int | None = None
    """Which one of the table's versions was read."""
    read: int = 0
    stored: int = 0
    there: int = 0
    """Brought by an earlier run, or stored before in the same words."""
    changed: int = 0
    """Of those stored: in the nearest valid form, with the original under `_legacy`."""
    secret: int = 0
    """Of those read: with what looks like a secret. They are brought as they are."""
    skipped: dict[str, int] = field(default_factory=dict)
    """How many, by the reason."""
    failed: list[Failure] = field(default_factory=list)
    not_read: str | None = None
    """Why there is nothing to bring."""

    def skip(self, why: str) -> None:
        self.skipped[why] = self.skipped.get(why, 0) + 1

    @property
    def done(self) -> int:
        return self.stored + self.there + sum(self.skipped.values()) + len(self.failed)


@dataclass(frozen=True, slots=True)
class Searches:
    """A sample of what was stored, searched for by its own words."""

    asked: int
    missed: list[str]
    """Ids that were not among the hits."""


@dataclass(slots=True)
class Report:
    run: str
    sources: list[str]
    dry_run: bool
    started: str
    finished: str | None = None
    """None: it was interrupted; the same command goes on with it."""
    undone: str | None = None
    folders: list[FolderReport] = field(default_factory=list)
    searches: Searches | None = None

    @property
    def is_clean(self) -> bool:
        missed = self.searches.missed if self.searches else []
        return not missed and not any(folder.failed for folder in self.folders)

    def total(self, name: str) -> int:
        return sum(getattr(folder, name) for folder in self.folders)

    def skipped(self) -> Counter[str]:
        """How many, by the reason."""
        return sum((Counter(folder.skipped) for folder in self.folders), Counter())

    def facts(self) -> dict[str, Any]:
        folders = [{**asdict(folder), "failed": _failures(folder)} for folder in self.folders]
        totals = {name: self.total(name) for name in _COUNTED}
        totals["skipped"] = self.skipped().total()
        totals["failed"] = sum(len(folder.failed) for folder in self.folders)
        return {**asdict(self), "folders": folders, **totals, "ok": self.is_clean}

    @property
    def is_interrupted(self) -> bool:
        return self.finished is None and self.undone is None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Without its folders: a run that goes on looks at them again. None: it is no report."""
        names = ("run", "sources", "dry_run", "started", "finished", "undone")
        try:
            facts = json.loads(path.read_text("utf-8"))
            return cls(**{name: facts[name] for name in names})
        except (ValueError, TypeError, KeyError):
            return None

    def markdown(self) -> str:
        return "\n".join(_markdown(self)) + "\n"


def named(path: Path | str) -> str:
    """As JSON can say it: a path may hold bytes that are no text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def write_report(report: Report, path: Path) -> None:
    """As JSON at `path`, and as Markdown beside it (or the other way round for a `.md`)."""
    _write(path.with_suffix(".json") if path.suffix == ".md" else path, _json(report.facts()))
    _write(path.with_suffix(".md"), report.markdown())


def mark_undone(path: Path, moment: str) -> None:
    facts = json.loads(path.read_text("utf-8"))
    _write(path, _json({**facts, "undone": moment}))


def _json(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"


def _write(path: Path, text: str) -> None:
    with whole_file(path) as stream:
        stream.write(text.encode())


def _failures(folder: FolderReport) -> list[dict[str, Any]]:
    return [asdict(failure) for failure in folder.failed]


def _markdown(report: Report) -> Iterator[str]:
    facts = report.facts()
    kind = "Dry run, nothing was stored" if report.dry_run else f"Migration {report.run}"
    yield f"# {kind}"
    yield ""
    yield f"{report.started} to {report.finished or '(interrupted)'}. " + ", ".join(
        f"{facts[name]} {word}" for name, word in _WORDS.items()
    )
    yield ""
    yield "| folder | " + " | ".join(_WORDS.values()) + " |"
    yield "|---|" + "---|" * len(_WORDS)
    for folder in facts["folders"]:
        counts = {**folder, "skipped": sum(folder["skipped"].values())}
        counts["failed"] = len(folder["failed"])
        cells = " | ".join(str(counts[name]) for name in _WORDS)
        yield f"| `{_cell(folder['path'])}` | {cells} |"
    yield from _section("Skipped", _skipped(report))
    yield from _section("Failed", _failed(report))
    yield from _section("Secrets", _secrets(report))
    if report.searches is not None:
        found = report.searches.asked - len(report.searches.missed)
        lines = [f"{found} of {report.searches.asked} sampled entries were found by their words."]
        yield from _section("Searches", [*lines, *map(_code, report.searches.missed)])


_COUNTED = ("read", "stored", "there", "changed", "secret")
_WORDS = {
    "read": "read",
    "stored": "stored",
    "there": "already there",
    "changed": "in another form",
    "skipped": "skipped",
    "failed": "failed",
}


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {title}", "", *(f"- {line}" for line in lines))


def _skipped(report: Report) -> list[str]:
    lines = [
        f"{_code(folder.path)}: {folder.not_read}" for folder in report.folders if folder.not_read
    ]
    return lines + [f"{n} times {why}" for why, n in report.skipped().items()]


def _secrets(report: Report) -> list[str]:
    n_secret = report.total("secret")
    if not n_secret:
        return []
    told = (
        f"{n_secret} records hold what looks like a secret. They were brought as they are, because "
        "a migration changes nothing; to find and remove secrets: kmctl scrub"
    )
    return [told]


def _failed(report: Report) -> list[str]:
    return [
        f"{_code(folder.path)} {_code(failure.where)}: {failure.why}{_lost(failure)}"
        for folder in report.folders
        for failure in folder.failed
    ]


def _lost(failure: Failure) -> str:
    if failure.records is None:
        return " How many records that are is unknown."
    return "" if failure.records == 1 else f" {failure.records} records."


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    """In one cell and one code span: a path may hold anything."""
    return text.replace("`", "'").replace("|", "\\|").replace("\n", "\\n")
