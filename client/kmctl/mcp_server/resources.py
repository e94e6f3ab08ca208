"""Entries as resources: their addresses, and what a list shows of them. Pure."""

from urllib.parse import quote, unquote

from kmctl.mcp_server.results import Json
from kmctl.quoting import beginning, on_one_line

TEMPLATE = "knowledge://entries/{id}"
_PREFIX = TEMPLATE.removesuffix("{id}")
_NAME_MAX_CHARACTERS = 60


def uri_of(entry_id: str) -> str:
    """As RFC 6570 expands the template: all but unreserved characters are percent-encoded."""
    return _PREFIX + quote(entry_id, safe="")


def id_in(uri: str) -> str | None:
    """None: the address of something else."""
    return unquote(uri.removeprefix(_PREFIX)) if uri.startswith(_PREFIX) else None


def name_of(entry: Json) -> str:
    return beginning(entry["text"], _NAME_MAX_CHARACTERS) or entry["id"]


def description_of(entry: Json) -> str:
    return on_one_line(f"{entry['type']} of {entry['timestamp'][:10]} by {entry['agent']}")
