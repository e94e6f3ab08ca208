"""The tools: what a model is told of each, which method it calls, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cco_knowledge_client import InvalidParams
from kmctl.mcp_server import results, schemas
from kmctl.mcp_server.results import Shape, Words
from kmctl.mcp_server.schemas import ENTRY_INPUT, INPUT, Schema, gives, ids, list_of, takes, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    name: str
    title: str
    description: str
    method: str
    takes: Schema
    gives: Schema
    shape: Shape = results.as_it_is
    in_words: Words
    writes: bool = False
    """Adds only: nothing is lost, and the same call again does no more."""

    def params(self, arguments: Mapping[str, Any], *, project: str, agent: str) -> dict[str, Any]:
        """For the daemon, which checks the values. Raises InvalidParams."""
        known = self.takes["properties"]
        given = {name: value for name, value in arguments.items() if value not in (None, "")}
        unknown = next((name for name in given if name not in known), None)
        if unknown is not None:
            raise InvalidParams(
                f"{self.name} has no argument `{unknown}`. It takes {', '.join(known)}.",
                field=unknown,
            )
        for name in self.takes["required"]:
            if given.get(name, []) == []:
                raise InvalidParams(f"{self.name} needs `{name}`.", field=name)
        if "project_id" in known and not _everywhere(given):
            given = {"project_id": project, **given}
        return {"agent": agent, **given} if self.writes else given


def _everywhere(given: dict[str, Any]) -> bool:
    everywhere = given.pop("all_projects", False)
    if not isinstance(everywhere, bool):
        raise InvalidParams("`all_projects` is true or false.", field="all_projects")
    if everywhere and "project_id" in given:
        raise InvalidParams("Give project_id or all_projects, not both.", field="all_projects")
    return everywhere


_PLACE = {name: INPUT[name] for name in ("project_id", "all_projects")}

TOOLS = (
    Tool(
        name="store",
        title="Store knowledge",
        description=(
            "Keep one thing worth knowing later, for yourself and all other agents on this "
            "machine: a decision with its reason, how something works, a fix, a convention. Store "
            "facts, not a transcript. Returns the id once the entry is on disk; the same text "
            "again returns the first id. `similar` names older entries that nearly say the same, "
            "`redactions` what looked like a secret and was not stored. Use supersede where the "
            "new entry makes an older one outdated."
        ),
        method="knowledge.store",
        takes=takes(ENTRY_INPUT, "text"),
        gives=gives(schemas.STORED),
        in_words=results.stored_in_words,
        writes=True,
    ),
    Tool(
        name="search",
        title="Search knowledge",
        description=(
            "Find what is stored about a question, by meaning and by words (names, paths and error "
            "codes work too). Use it before deciding, changing or asking something that may have "
            "been settled before. Returns entries, best first. covered=false means that nothing "
            "stored answers: the entries are then merely the nearest, do not rely on them. Of a "
            "long text you get the passage that matches."
        ),
        method="knowledge.search",
        takes=takes(
            {
                "query": {
                    "type": "string",
                    "description": "A question or keywords, in any language.",
                },
                **INPUT,
                "limit": whole(1, 100, 10, "At most so many entries."),
                "mode": {
                    "type": "string",
                    "enum": ["hybrid", "vector", "text"],
                    "default": "hybrid",
                    "description": "By meaning and words (hybrid), by meaning only (vector), "
                    "by words only (text).",
                },
            },
            "query",
        ),
        gives=gives(
            {
                "results": list_of(gives(schemas.HIT)),
                "count": schemas.COUNT,
                "covered": schemas.FLAG,
            }
        ),
        shape=results.listed_hits,
        in_words=results.hits_in_words,
    ),
    Tool(
        name="context",
        title="Gather context for a task",
        description=(
            "Gather what is stored that helps with a task, as one text within a budget of tokens. "
            "Use it once at the beginning of a task. Each entry has its type, date, project, agent "
            "and id, and is quoted. An empty text means that nothing stored helps."
        ),
        method="knowledge.context",
        takes=takes(
            {
                "task": {"type": "string", "description": "What you are about to do."},
                **INPUT,
                "token_budget": whole(1, 100_000, 1500, "At most so many tokens."),
            },
            "task",
        ),
        gives=gives(
            {
                "text": schemas.TEXT,
                "entries": list_of(gives(schemas.ABOUT)),
                "tokens": schemas.COUNT,
            }
        ),
        shape=results.sourced_context,
        in_words=results.context_in_words,
    ),
    Tool(
        name="query",
        title="List knowledge",
        description=(
            "List entries by their fields, newest first: the latest decisions, what an agent "
            "stored, what came in since a time. Exact and complete, page by page; it does not rank "
            "by a question (that is search)."
        ),
        method="knowledge.query",
        takes=takes(
            {
                **INPUT,
                "limit": whole(1, 1000, 20, "At most so many entries a page."),
                "cursor": {
                    "type": "string",
                    "description": "next_cursor of the page before, with the same filters.",
                },
            }
        ),
        gives=gives(
            {
                "results": list_of(gives(schemas.LISTED)),
                "total": schemas.COUNT,
                "next_cursor": schemas.TEXT_OR_NULL,
            }
        ),
        shape=results.listed_page,
        in_words=results.page_in_words,
    ),
    Tool(
        name="get",
        title="Get entries",
        description=(
            "Get entries by their ids, of any project, with their whole text and metadata. "
            "`missing` names the ids that do not exist."
        ),
        method="knowledge.get",
        takes=takes({"ids": ids("Ids as the other tools give them.")}, "ids"),
        gives=gives({"entries": list_of(gives(schemas.ENTRY)), "missing": list_of(schemas.TEXT)}),
        in_words=results.entries_in_words,
    ),
    Tool(
        name="supersede",
        title="Replace outdated knowledge",
        description=(
            "Store an entry that replaces older ones: a decision was revised, a fact has changed. "
            "Searches no longer find the replaced entries; they are kept and point to the new one. "
            "Find their ids with search first. An id that does not exist stores nothing."
        ),
        method="knowledge.store",
        takes=takes(
            {"supersedes": ids("Ids of the entries that it replaces."), **ENTRY_INPUT},
            "supersedes",
            "text",
        ),
        gives=gives(schemas.STORED),
        in_words=results.stored_in_words,
        writes=True,
    ),
    Tool(
        name="stats",
        title="Count knowledge",
        description=(
            "Count what is stored, by type, agent and project, with the oldest and the newest "
            "time. With all_projects it tells which projects there are."
        ),
        method="knowledge.stats",
        takes=takes(_PLACE),
        gives=gives(schemas.STATS),
        in_words=results.stats_in_words,
    ),
)
