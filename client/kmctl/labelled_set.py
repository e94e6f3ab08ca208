"""Entries, queries and labels in a folder, and how well searches fit the labels."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from cco_knowledge_client import Filters, InvalidParams
from kmctl.entry_lines import BadLine, EntryLine, read_lines

DEPTH = 10
"""So many hits of a query count."""
_ENTRY_KEYS = (
    *("id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata"),
    *("supersedes", "on_duplicate"),  # the last one is `read_lines`' own
)
_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str
    kind: str | None
    """Its class."""
    filters: Filters


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave for one query."""

    ids: Sequence[str]
    """Best first."""
    covered: bool
    took_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the queries that each concerns; None where there are none."""

    ndcg_at_10: float | None
    recall_at_5: float | None
    recall_at_10: float | None
    mrr: float | None
    missed: float | None
    """Of the queries with an answer, the share that were said to have none."""
    declined: float | None
    """The same of the queries without one."""
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class LabelledSet:
    folder: Path
    entries: Sequence[EntryLine]
    queries: Sequence[Query]
    labels: Mapping[str, frozenset[str]]
    """For each query the ids of the entries that answer it; without one: nothing does."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises InvalidParams, which names the file and the line."""
        entries = list(_objects(folder / "corpus.jsonl"))
        queries = list(_objects(folder / "queries.jsonl"))
        return cls(
            folder=folder,
            entries=[_entry(line) for line in entries],
            queries=[_query(line) for line in queries],
            labels=_labels(folder / "qrels.tsv", _ids(queries), _ids(entries)),
        )

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def figures(self, answers: Mapping[str, Answer]) -> dict[str, Any]:
        """Of all queries, and in `classes` of each class; `answers` has one for each query."""
        kinds = dict.fromkeys(query.kind for query in self.queries if query.kind is not None)
        of_kinds = {
            kind: self._figures([query for query in self.queries if query.kind == kind], answers)
            for kind in kinds
        }
        return {**self._figures(self.queries, answers), "classes": of_kinds}

    def _figures(
        self, queries: Sequence[Query], answers: Mapping[str, Answer]
    ) -> dict[str, float | None]:
        given = [(answers[query.id], self.labels[query.id]) for query in queries]
        answerable = [(answer, right) for answer, right in given if right]
        took_ms = sorted(answer.took_ms for answer, _ in given)

        def mean(measure: Callable[[Sequence[str], Collection[str]], float]) -> float | None:
            return _mean([measure(answer.ids, right) for answer, right in answerable])

        figures = Figures(
            ndcg_at_10=mean(_ndcg),
            recall_at_5=mean(lambda found, right: _recall(found[:5], right)),
            recall_at_10=mean(lambda found, right: _recall(found[:10], right)),
            mrr=mean(_reciprocal_rank),
            missed=_mean([not answer.covered for answer, _ in answerable]),
            declined=_mean([not answer.covered for answer, right in given if not right]),
            p50_ms=_percentile(took_ms, 0.50),
            p95_ms=_percentile(took_ms, 0.95),
        )
        return asdict(figures)


def wrong(path: Path, number: int, message: str) -> InvalidParams:
    return InvalidParams(f"{path}, line {number}: {message}")


def _objects(path: Path) -> Iterator[EntryLine]:
    """Each line with a text and an id that no line before has; at least one line."""
    seen: set[str] = set()
    try:
        with path.open("rb") as file:
            for line in read_lines(file):
                if isinstance(line, BadLine):
                    raise wrong(path, line.number, line.message)
                for key in ("id", "text"):
                    if not isinstance(line.item.get(key), str) or not line.item[key]:
                        raise wrong(path, line.number, f"It needs `{key}`, a string.")
                if line.item["id"] in seen:
                    raise wrong(path, line.number, f"The id {line.item['id']} was there before.")
                seen.add(line.item["id"])
                yield line
    except OSError as error:
        raise _unreadable(path, error) from error
    if not seen:
        raise InvalidParams(f"{path} is empty.")


def _ids(lines: Sequence[EntryLine]) -> list[str]:
    return [line.item["id"] for line in lines]


def _entry(line: EntryLine) -> EntryLine:
    return replace(line, item={key: line.item[key] for key in _ENTRY_KEYS if key in line.item})


def _query(line: EntryLine) -> Query:
    item = line.item
    filters = {key: item[key] for key in Filters.__annotations__ if key in item}
    kind = str(item["class"]) if "class" in item else None
    return Query(item["id"], item["text"], kind, cast("Filters", filters))


def _labels(
    path: Path, queries: Collection[str], entries: Collection[str]
) -> dict[str, frozenset[str]]:
    """Every grade above 0 says the same: this entry answers."""
    known_entries = frozenset(entries)
    labels: dict[str, set[str]] = {query: set() for query in queries}
    for number, (query, entry, grade) in _label_lines(path):
        if query not in labels:
            raise wrong(path, number, f"No query has the id {query}.")
        if entry not in known_entries:
            raise wrong(path, number, f"No entry has the id {entry}.")
        if grade > 0:
            labels[query].add(entry)
    return {query: frozenset(right) for query, right in labels.items()}


def _label_lines(path: Path) -> Iterator[tuple[int, tuple[str, str, float]]]:
    try:
        lines = path.read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidParams(f"{path} is not valid UTF-8 (byte {error.start}).") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    for number, line in enumerate(lines, 1):
        columns = line.strip("\r").split("\t")
        if not line.strip():
            continue
        if len(columns) != _COLUMNS:
            raise wrong(path, number, "It needs a query, an entry and a grade, with tabs between.")
        try:
            yield number, (columns[0], columns[1], float(columns[2]))
        except ValueError as error:
            if number > 1:  # the first one may be a header
                raise wrong(path, number, f"{columns[2]} is not a grade.") from error


def _unreadable(path: Path, error: OSError) -> InvalidParams:
    return InvalidParams(f"{path}: {error.strerror}.")


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _percentile(ascending: Sequence[float], share: float) -> float | None:
    """The least of the values that this share of them does not exceed."""
    return ascending[math.ceil(share * len(ascending)) - 1] if ascending else None


def _recall(found: Sequence[str], right: Collection[str]) -> float:
    return len(set(right) & set(found)) / len(right)


def _reciprocal_rank(found: Sequence[str], right: Collection[str]) -> float:
    return next((1 / place for place, entry in enumerate(found, 1) if entry in right), 0.0)


def _ndcg(found: Sequence[str], right: Collection[str]) -> float:
    """With the same gain for every answer."""
    gains = [1 / math.log2(place + 1) for place in range(1, DEPTH + 1)]
    reached = sum(gain for gain, entry in zip(gains, found, strict=False) if entry in right)
    return reached / sum(gains[: len(right)])
