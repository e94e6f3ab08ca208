"""Labelled conversations, and how well a daemon does on them."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from process import Daemon

FOLDER = Path(__file__).parents[1] / "conversations"


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts; of several conversations they are added up."""

    words: int
    kept: int
    right: int
    """Kept entries that cover an expected item."""
    chatter: int
    """Kept entries that cover none, and hold or are what is labelled as chatter."""
    expected: int
    covered: int
    well_typed: int
    """Of the right ones."""
    repeated: int
    """Kept entries that cover what another one of the same conversation or a stored one does."""
    links: int
    links_expected: int
    links_right: int
    links_wrong: int
    leaked: int
    seconds: float

    @property
    def precision(self) -> float:
        return self.right / max(self.right + self.chatter, 1)

    @property
    def recall(self) -> float:
        return self.covered / self.expected

    @property
    def typed(self) -> float:
        return self.well_typed / max(self.right, 1)

    @property
    def seconds_per_10_000_words(self) -> float:
        return self.seconds / self.words * 10_000


def total(all_figures: Iterable[Figures]) -> Figures:
    several = list(all_figures)
    names = [field.name for field in fields(Figures)]
    return Figures(**{name: sum(getattr(one, name) for one in several) for name in names})


def read(part: str) -> list[dict[str, Any]]:
    """`part`: `dev` or `test`."""
    paths = sorted(FOLDER.glob(f"{part}-*.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]


def measured(daemon: Daemon, labelled: Mapping[str, Any]) -> Figures:
    """In a project of its own, with the entries that the conversation finds in the store."""
    project = labelled["name"]
    keys = {_store(daemon, project, entry): entry["key"] for entry in labelled["stored"]}
    begun = time.perf_counter()
    answer = daemon.call(
        "session.pre_compaction",
        {"conversation": labelled["conversation"], "project_id": project},
    )
    seconds = time.perf_counter() - begun
    listing = {"project_id": project, "include_superseded": True, "limit": 1000}
    entries = daemon.call("knowledge.query", listing)["results"]
    kept = [entry for entry in entries if entry["id"] in set(answer["ids"])]
    return _scored(labelled, entries, kept, keys, seconds)


def _store(daemon: Daemon, project: str, entry: Mapping[str, str]) -> str:
    params = {"text": entry["text"], "type": entry["type"], "project_id": project}
    stored: str = daemon.call("knowledge.store", params)["id"]
    return stored


def _scored(
    labelled: Mapping[str, Any],
    entries: Sequence[dict[str, Any]],
    kept: Sequence[dict[str, Any]],
    keys: dict[str, str],
    seconds: float,
) -> Figures:
    items = labelled["expected"]
    covering = {entry["id"]: _covered(entry["text"], items) for entry in kept}
    right = [entry for entry in kept if covering[entry["id"]]]
    first = {item["key"] for item in items if item["repeats"] is None}
    covered = {item["key"] for found in covering.values() for item in found}
    said = [item["repeats"] or item["key"] for found in covering.values() for item in found]
    keys = keys | {key: found[0]["key"] for key, found in covering.items() if found}
    wanted = {(item["key"], item["supersedes"]) for item in items if item["supersedes"]}
    links = [
        (keys.get(entry["superseded_by"], "?"), keys.get(entry["id"], "?"))
        for entry in entries
        if entry["superseded_by"]
    ]
    stored = json.dumps(entries, ensure_ascii=False)
    return Figures(
        words=len(labelled["conversation"].split()),
        kept=len(kept),
        right=len(right),
        chatter=sum(_is_chatter(e["text"], labelled["chatter"]) for e in kept if e not in right),
        expected=len(first),
        covered=len(first & covered),
        well_typed=sum(_is_well_typed(entry, covering[entry["id"]]) for entry in right),
        repeated=len(said) - len(set(said)),
        links=len(links),
        links_expected=len(wanted),
        links_right=sum(_is_wanted(link, wanted) for link in links),
        links_wrong=sum(not _is_wanted(link, wanted) for link in links),
        leaked=sum(json.dumps(s, ensure_ascii=False)[1:-1] in stored for s in labelled["secrets"]),
        seconds=seconds,
    )


def _covered(text: str, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    folded = text.casefold()
    return [i for i in items if all(part.casefold() in folded for part in i["must_contain"])]


def _is_chatter(text: str, phrases: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(p.casefold() in folded or folded in p.casefold() for p in phrases)


def _is_well_typed(entry: Mapping[str, Any], found: Sequence[dict[str, Any]]) -> bool:
    return any(entry["type"] in (item["type"], *item["also_types"]) for item in found)


def _is_wanted(link: tuple[str, str], wanted: set[tuple[str, str]]) -> bool:
    """`superseded_by` names the newest of a chain, so a link may pass over what lies between."""
    new, old = link
    before = dict(wanted)
    while new in before:
        new = before[new]
        if new == old:
            return True
    return False
