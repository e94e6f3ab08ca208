"""What became of one batch of old records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kmctl.migration.records import LEGACY_KEY
from kmctl.migration.report import Failure, FolderReport

Item = dict[str, Any]
Outcome = Mapping[str, Any]


@dataclass(slots=True)
class Brought:
    stored: list[Item] = field(default_factory=list)
    there: list[Item] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    found: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is stored now, by id."""

    def add(self, item: Item, outcome: Outcome) -> None:
        if "error" in outcome:
            self.failures.append(Failure(item["id"], outcome["error"]["message"]))
        elif outcome["stored"]:
            self.stored.append(item)
        else:
            self.there.append({**item, "id": outcome["id"]})

    @property
    def ids(self) -> list[str]:
        return [item["id"] for item in (*self.stored, *self.there)]

    def read_back(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.found |= {entry["id"]: entry for entry in entries}

    def compare(self, run: str) -> None:
        """Every field of what was stored with what is there now.

        What this run had brought before it was interrupted counts as stored by it.
        """
        for item in self.stored:
            if wrong := _differences(item, self.found.get(item["id"], {})):
                self.failures.append(
                    Failure(item["id"], f"The entry differs in {', '.join(wrong)}.")
                )
        by_ours = {True: list[Item](), False: list[Item]()}
        for item in self.there:
            by_ours[_run_of(self.found.get(item["id"], {})) == run].append(item)
        self.there = by_ours[False]
        self.stored += by_ours[True]

    def count_in(self, folder: FolderReport) -> None:
        folder.stored += len(self.stored)
        folder.there += len(self.there)
        folder.changed += sum(LEGACY_KEY in item["metadata"] for item in self.stored)
        folder.failed += self.failures


def _differences(item: Item, entry: Mapping[str, Any]) -> list[str]:
    return [name for name, value in item.items() if name != "record" and entry.get(name) != value]


def _run_of(entry: Mapping[str, Any]) -> str | None:
    run: str | None = entry.get("migration", {}).get("run")
    return run
