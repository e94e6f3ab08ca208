"""store, search, list, stats, test: what each asks the daemon, and the old output."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from cco_knowledge_client import Entry, EntryFields, Hit, InvalidParams, Stored
from kmctl.knowledge_manager.arguments import Arguments, Asked, asked, legacy_metadata, limit_of
from kmctl.knowledge_manager.base import Base
from kmctl.knowledge_manager.printing import remark, say, say_json

E = TypeVar("E", bound=Entry)

_DEFAULT_TYPE = "general"
_DEFAULT_AGENT = "cli"
_SEARCH_LIMIT = 10
_SEARCH_LIMIT_MAX = 100
_LIST_LIMIT = 20
_LIST_LIMIT_MAX = 1000
_FIELDS = (
    *("id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata"),
    "score",
)
_STORE_USAGE = 'store "<text>" [type] [agent]'
_SEARCH_USAGE = 'search "<query>" [limit]'
USAGE = f"""
Knowledge Manager - LanceDB Integration

Usage:
  knowledge-manager test                                  - Run test suite
  knowledge-manager {_STORE_USAGE}         - Store knowledge
  knowledge-manager {_SEARCH_USAGE}              - Search knowledge
  knowledge-manager list                                  - Show the newest entries
  knowledge-manager stats                                 - Show statistics

Options:
  --type TYPE, --agent AGENT    of what is stored; which entries to search or list
  --limit N                     how many entries to search or list

Examples:
  knowledge-manager test
  knowledge-manager store "We chose Python" decision
  knowledge-manager store "We chose Python" --type decision --agent architect
  knowledge-manager search "authentication" 5
  knowledge-manager search "type:decision authentication"
  knowledge-manager stats
"""
_TEST_PROJECT = "test-project"
_TEST_QUERY = "API authentication"
_TEST_LIMIT = 3
_TEST_TEXT_CHARACTERS = 80
_TEST_ENTRIES = (
    (
        (
            "We decided to use FastAPI for the REST API because it has automatic OpenAPI "
            "documentation and excellent async support."
        ),
        "decision",
        "architect",
    ),
    (
        (
            "Implemented JWT authentication with RS256 algorithm. "
            "Private key stored in /tmp/credentials.json."
        ),
        "implementation",
        "python",
    ),
    (
        (
            "Security audit found no critical vulnerabilities. "
            "Recommended adding rate limiting to auth endpoints."
        ),
        "issue",
        "security",
    ),
)


class UsageShown(Exception):
    """A required argument is missing, and that was said."""


def show_usage() -> None:
    say(USAGE)


def _store(base: Base, arguments: Arguments) -> None:
    text = _required(arguments, _STORE_USAGE)
    wanted_type = arguments.option("type", 1) or _DEFAULT_TYPE
    agent = arguments.option("agent", 2) or _DEFAULT_AGENT
    stored = _stored(base, base.project, text, wanted_type, agent)
    say(f"Stored with ID: {stored.id}")


def _stored(base: Base, project: str, text: str, wanted_type: str, agent: str) -> Stored:
    """Stored as `general` where the daemon does not know the type, and says which it was."""
    fields = EntryFields(type=wanted_type, project_id=project, agent=agent)
    try:
        stored = base.knowledge.store(text, **fields)
    except InvalidParams as error:
        if error.field != "type":
            raise
        remark(f"The type {wanted_type} is not known: stored as {_DEFAULT_TYPE}, noted as _legacy.")
        fields |= EntryFields(type=_DEFAULT_TYPE, metadata=legacy_metadata(wanted_type))
        stored = base.knowledge.store(text, **fields)
    say(f"✅ Stored knowledge: {fields['type']} from {agent}")
    if stored.redactions:
        kinds = ", ".join(sorted({one.kind for one in stored.redactions}))
        remark(f"Replaced by markers, as it looked secret: {kinds}.")
    return stored


def _search(base: Base, arguments: Arguments) -> None:
    wanted = asked(_required(arguments, _SEARCH_USAGE), arguments)
    limit = _limit(arguments.option("limit", 1), _SEARCH_LIMIT, _SEARCH_LIMIT_MAX)
    entries = _found(base, wanted, limit) if wanted.query else _newest(base, wanted, limit)
    if not entries and wanted.filters:
        remark(f"No entry of this project has {' '.join(wanted.filters)}.")
    _say_found(len(entries))
    say_json([_as_json(entry) for entry in entries])


def _found(base: Base, wanted: Asked, limit: int) -> Sequence[Entry]:
    """The best first."""
    answers = [
        base.knowledge.search(wanted.query, limit=limit, **selection)
        for selection in wanted.selections(base.project)
    ]
    hits = _once(hit for answer in answers for hit in answer)
    hits.sort(key=_score, reverse=True)
    if hits and not any(answer.covered for answer in answers):
        remark("Nothing stored answers this; these are only the nearest entries.")
    return hits[:limit]


def _newest(base: Base, wanted: Asked, limit: int) -> Sequence[Entry]:
    pages = [
        base.knowledge.query(limit=limit, **selection)
        for selection in wanted.selections(base.project)
    ]
    entries = _once(entry for page in pages for entry in page.results)
    entries.sort(key=_timestamp, reverse=True)
    return entries[:limit]


def _list(base: Base, arguments: Arguments) -> None:
    limit = _limit(arguments.option("limit", 0), _LIST_LIMIT, _LIST_LIMIT_MAX)
    entries = _newest(base, asked("", arguments), limit)
    _say_retrieved(len(entries), base.project)
    say_json([_as_json(entry) for entry in entries])


def _stats(base: Base, _: Arguments) -> None:
    say_json(_counts(base, base.project))


def _test(base: Base, _: Arguments) -> None:
    say("Running Knowledge Manager test...\n")
    say("1. Storing test knowledge...")
    for text, type_, agent in _TEST_ENTRIES:
        _stored(base, _TEST_PROJECT, text, type_, agent)
    say("\n2. Searching for API-related knowledge...")
    hits = base.knowledge.search(_TEST_QUERY, limit=_TEST_LIMIT, project_id=_TEST_PROJECT)
    _say_found(len(hits))
    say(f"Found {len(hits)} results:")
    for place, hit in enumerate(hits, 1):
        say(f"  {place}. [{hit.type}] {hit.text[:_TEST_TEXT_CHARACTERS]}...")
    say("\n3. Getting all project knowledge...")
    n_entries = base.knowledge.query(project_id=_TEST_PROJECT, limit=1).total
    _say_retrieved(n_entries, _TEST_PROJECT)
    say(f"Project has {n_entries} knowledge items")
    say("\n4. Knowledge base statistics:")
    say_json(_counts(base, _TEST_PROJECT))
    say("\n✅ Test complete!")


COMMANDS: Mapping[str, Callable[[Base, Arguments], None]] = {
    "store": _store,
    "search": _search,
    "list": _list,
    "stats": _stats,
    "test": _test,
}


def _required(arguments: Arguments, usage: str) -> str:
    if not arguments.at(0):
        remark(f"Usage: knowledge-manager {usage}")
        raise UsageShown
    return arguments.at(0)


def _limit(word: str, default: int, most: int) -> int:
    limit = limit_of(word, default)
    if limit > most:
        remark(f"The limit {limit} is too large: at most {most} entries are shown.")
    return min(limit, most)


def _once(entries: Iterable[E]) -> list[E]:
    return list({entry.id: entry for entry in entries}.values())


def _score(hit: Hit) -> float:
    return hit.score


def _timestamp(entry: Entry) -> str:
    return entry.timestamp


def _as_json(entry: Entry) -> dict[str, Any]:
    """A listed entry has no score."""
    return {name: getattr(entry, name, None) for name in _FIELDS}


def _counts(base: Base, project: str) -> dict[str, Any]:
    stats = base.knowledge.stats(project_id=project)
    return {
        "repository": project,
        "totalRecords": stats.total_records,
        "byType": stats.by_type,
        "byAgent": stats.by_agent,
        "byProject": stats.by_project,
        "oldestRecord": stats.oldest_record,
        "newestRecord": stats.newest_record,
    }


def _say_found(n_entries: int) -> None:
    say(f"🔍 Found {n_entries} relevant knowledge items")


def _say_retrieved(n_entries: int, project: str) -> None:
    say(f"📚 Retrieved {n_entries} knowledge items for project: {project}")
