"""JSON Schemas of what the tools take and give.

The bounds and defaults are those of the daemon, which checks them; a test compares both.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES = (
    "decision, architecture, implementation, configuration, credential, issue, pattern, general "
    "or system"
)
_FIELD = {"type": "string", "maxLength": 256}
_PROJECT = {**_FIELD, "description": "Name of a project. Default: the project of this server."}

INPUT: Mapping[str, Schema] = {
    "project_id": _PROJECT,
    "all_projects": {
        "type": "boolean",
        "default": False,
        "description": "Look into the knowledge of all projects instead of one.",
    },
    "type": {**_FIELD, "description": f"Only entries of this type: {_TYPES}."},
    "agent": {**_FIELD, "description": "Only entries that this agent stored."},
    "since": {
        "type": "string",
        "format": "date-time",
        "description": "Only entries from this time on, as RFC 3339: 2026-11-01T00:00:00Z.",
    },
    "until": {
        "type": "string",
        "format": "date-time",
        "description": "Only entries up to this time, as RFC 3339.",
    },
    "include_superseded": {
        "type": "boolean",
        "default": False,
        "description": "Also what newer entries have replaced: to learn how something came about.",
    },
}

ENTRY_INPUT: Mapping[str, Schema] = {
    "text": {
        "type": "string",
        "minLength": 1,
        "description": "One fact that stands on its own, with names and reasons; at most 256 KiB.",
    },
    "type": {**_FIELD, "default": "general", "description": f"One of {_TYPES}."},
    "project_id": _PROJECT,
    "agent": {**_FIELD, "description": "Who learnt it. Default: the name of this client."},
    "metadata": {
        "type": "object",
        "default": {},
        "description": "Anything to keep beside the text, such as a file or a commit.",
    },
}


def whole(minimum: int, maximum: int, default: int, description: str) -> Schema:
    return {
        "type": "integer",
        "minimum": minimum,
        "maximum": maximum,
        "default": default,
        "description": description,
    }


def ids(description: str) -> Schema:
    return {
        "type": "array",
        "items": _FIELD,
        "minItems": 1,
        "maxItems": 1000,
        "description": description,
    }


def takes(properties: Mapping[str, Schema], *required: str) -> Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(required),
        "additionalProperties": False,
    }


def gives(properties: Mapping[str, Schema], optional: Iterable[str] = ()) -> Schema:
    """Open: a newer daemon may add to it."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required}


def list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


TEXT: Schema = {"type": "string"}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
COUNTS: Schema = {"type": "object", "additionalProperties": COUNT}
OBJECT: Schema = {"type": "object"}
OBJECT_OR_NULL: Schema = {"type": ["object", "null"]}
SHARE_OR_NULL: Schema = {"type": ["number", "null"]}

ABOUT: Mapping[str, Schema] = {
    "id": TEXT,
    "type": TEXT,
    "project_id": TEXT,
    "agent": TEXT,
    "timestamp": TEXT,
    "superseded_by": TEXT_OR_NULL,
}
LISTED: Mapping[str, Schema] = {
    **ABOUT,
    "text": TEXT,
    "whole": {
        "type": "boolean",
        "description": "False: the text is only a part of a long one; get gives all of it.",
    },
}
HIT: Mapping[str, Schema] = {**LISTED, "score": {"type": "number"}, "similarity": SHARE_OR_NULL}
ENTRY: Mapping[str, Schema] = {**ABOUT, "text": TEXT, "session_id": TEXT, "metadata": OBJECT}
STORED: Mapping[str, Schema] = {
    "id": TEXT,
    "stored": FLAG,
    "duplicate_of": TEXT_OR_NULL,
    "timestamp": TEXT,
    "similar": list_of(gives({"id": TEXT, "timestamp": TEXT, "similarity": {"type": "number"}})),
    "redactions": list_of(gives({"field": TEXT, "kind": TEXT, "count": COUNT})),
}
STATS: Mapping[str, Schema] = {
    "total_records": COUNT,
    "by_type": COUNTS,
    "by_agent": COUNTS,
    "by_project": COUNTS,
    "oldest_record": TEXT_OR_NULL,
    "newest_record": TEXT_OR_NULL,
    "storage": OBJECT_OR_NULL,
    "model": OBJECT,
}
