"""Results of the daemon as a tool gives them: JSON of a size for a model, and readable text. Pure.

In the text stored texts are quoted (see `quoting`); in the JSON they are strings.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from kmctl.mcp_server import schemas
from kmctl.quoting import NOTE, on_one_line, quoted
from kmctl.redactions import redacted_in_words

Json = dict[str, Any]
Shape = Callable[[Json], Json]
Words = Callable[[Json], str]

_LISTED_MAX_CHARACTERS: Final = 2000
"""About as much as a passage has, which stands for a long text in a search."""


def as_it_is(result: Json) -> Json:
    return result


def listed_hits(result: Json) -> Json:
    return {
        "results": [_part(hit, schemas.HIT) for hit in result["results"]],
        "count": result["count"],
        "covered": result["covered"],
    }


def listed_page(result: Json) -> Json:
    return {**result, "results": [_part(entry, schemas.LISTED) for entry in result["results"]]}


def sourced_context(result: Json) -> Json:
    """The texts stand in `text` already."""
    return {**result, "entries": [_only(entry, schemas.ABOUT) for entry in result["entries"]]}


def _part(entry: Json, names: Iterable[str]) -> Json:
    text = entry.get("passage") or entry["text"][:_LISTED_MAX_CHARACTERS]
    return _only({**entry, "text": text, "whole": text == entry["text"]}, names)


def _only(entry: Json, names: Iterable[str]) -> Json:
    return {name: entry[name] for name in names}


def hits_in_words(given: Json) -> str:
    if not given["results"]:
        return "Nothing found: no entry matches these filters."
    head = (
        f"{given['count']} found, best first."
        if given["covered"]
        else "Nothing stored answers this; the nearest are:"
    )
    return _with_entries(head, given["results"])


def context_in_words(given: Json) -> str:
    text: str = given["text"]
    return text or "Nothing stored answers this."


def page_in_words(given: Json) -> str:
    if not given["results"]:
        return "Nothing is stored that matches these filters."
    more = f" More with cursor {given['next_cursor']}" if given["next_cursor"] else ""
    return _with_entries(f"{len(given['results'])} of {given['total']}.{more}", given["results"])


def entries_in_words(given: Json) -> str:
    missing = ", ".join(map(on_one_line, given["missing"]))
    head = f"Not found: {missing}." if missing else f"{len(given['entries'])} found."
    return _with_entries(head, given["entries"]) if given["entries"] else head


def stored_in_words(given: Json) -> str:
    lines = [
        f"Stored as {given['id']}."
        if given["stored"]
        else f"The same is stored already, as {_dated(given)}.",
        *(
            f"{_dated(one)} nearly says the same (similarity {one['similarity']:.2f})."
            for one in given["similar"]
        ),
    ]
    if redactions := given.get("redactions"):
        lines.append(redacted_in_words(redactions))
    if given["similar"]:
        lines.append("Where one of them is outdated, call supersede with its id and this text.")
    return "\n".join(map(on_one_line, lines))


def _dated(entry: Json) -> str:
    return f"{entry['id']} of {entry['timestamp'][:10]}"


def stats_in_words(given: Json) -> str:
    lines = [
        f"{given['total_records']} entries.",
        *(
            f"by {name}: {_counts(given[f'by_{name}'])}"
            for name in ("type", "agent", "project")
            if given[f"by_{name}"]
        ),
        *(
            f"{name}: {given[f'{name}_record']}"
            for name in ("oldest", "newest")
            if given[f"{name}_record"]
        ),
        f"model: {given['model']['name']}",
    ]
    return "\n".join(map(on_one_line, lines))


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _with_entries(head: str, entries: Iterable[Json]) -> str:
    return "\n".join([head, NOTE, *map(_entry_in_words, entries)])


def _entry_in_words(entry: Json) -> str:
    facts = {
        "type": entry["type"],
        "date": entry["timestamp"][:10],
        "project": entry["project_id"],
        "agent": entry["agent"],
        "id": entry["id"],
        "superseded by": entry["superseded_by"],
        "score": f"{entry['score']:.2f}" if "score" in entry else None,
        "metadata": json.dumps(entry["metadata"], ensure_ascii=False)
        if entry.get("metadata")
        else None,
    }
    about = ", ".join(f"{name} {on_one_line(value)}" for name, value in facts.items() if value)
    part = "" if entry.get("whole", True) else " (a part; get gives all of it)"
    return f"\n[{about}]{part}\n{quoted(entry['text'])}"
