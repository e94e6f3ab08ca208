"""Entries that replace others, each one directly; pure."""

from collections.abc import Mapping
from dataclasses import replace

from cco_knowledge.types import EmbeddedEntry, Entry


def marked(embedded: EmbeddedEntry, successors: Mapping[str, Entry]) -> EmbeddedEntry:
    """As it is stored, where a later one of the same commit replaces it."""
    by = successors.get(embedded.entry.id)
    if by is None:
        return embedded
    entry = replace(embedded.entry, superseded_by=by.id, superseded_at=by.timestamp)
    return replace(embedded, entry=entry)


def first_kept(target: str, pointers: Mapping[str, str], gone: set[str]) -> str | None:
    """Along the chain of successors; None where it ends among those that go."""
    following: str | None = target
    while following in gone:
        following = pointers.get(following)
    return following
