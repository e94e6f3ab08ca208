"""Filters to the database's predicates. Everything that reaches SQL as text is quoted here."""

from collections.abc import Iterable
from dataclasses import dataclass

from cco_knowledge.types import Filters


@dataclass(frozen=True, slots=True)
class PageStart:
    """Where the next page of an ordered listing begins: strictly after this entry."""

    order_by: str
    descending: bool
    value: str
    id: str


def quoted(text: str) -> str:
    """A string literal. DataFusion reads SQL's own: only the quote itself is doubled."""
    return "'" + text.replace("'", "''") + "'"


def one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(quoted(value) for value in values)})"


def equals(column: str, value: str | int) -> str:
    """A number is looked for in a list."""
    if isinstance(value, int):
        return f"array_has({column}, {value})"
    return f"{column} = {quoted(value)}"


def predicate(filters: Filters) -> str | None:
    """None where every row passes."""
    columns = {
        "project_id": filters.project_ids,
        "type": filters.types,
        "agent": filters.agents,
        "session_id": filters.session_ids,
    }
    conditions = [one_of(column, values) for column, values in columns.items() if values]
    if filters.since is not None:
        conditions.append(f"timestamp >= {quoted(filters.since)}")
    if filters.until is not None:
        conditions.append(f"timestamp <= {quoted(filters.until)}")
    conditions.extend(
        f"array_has(metadata_digests, {digest})" for digest in filters.metadata_digests
    )
    return both(*conditions, None if filters.include_superseded else _current(filters.until))


def _current(until: str | None) -> str:
    """Not replaced, or not yet at `until`."""
    if until is None:
        return "superseded_at IS NULL"
    return f"(superseded_at IS NULL OR superseded_at > {quoted(until)})"


def after(start: PageStart) -> str:
    comparison = "<" if start.descending else ">"
    value, entry_id = quoted(start.value), quoted(start.id)
    if start.order_by == "id":
        return f"id {comparison} {entry_id}"
    return (
        f"({start.order_by} {comparison} {value} OR "
        f"({start.order_by} = {value} AND id {comparison} {entry_id}))"
    )


def both(*conditions: str | None) -> str | None:
    given = [condition for condition in conditions if condition is not None]
    return " AND ".join(given) if given else None
