"""Entries before and after their value is sealed."""

import asyncio
from dataclasses import replace

import msgspec

from cco_knowledge.credentials.parting import TYPE, parted
from cco_knowledge.credentials.vault import Vault, value_digest
from cco_knowledge.errors import NotFound
from cco_knowledge.types import Entry


async def with_sealed_value(entry: Entry, vault: Vault) -> Entry:
    """A credential whose value, if its text or metadata hold one, is in `sealed` alone.

    Raises:
        InvalidInput: `metadata.value` is no string.
        KeyUnusable: nothing can be sealed.
    """
    if entry.type != TYPE:
        return entry
    metadata = msgspec.json.decode(entry.metadata)
    found = await asyncio.to_thread(parted, entry.text, metadata)
    if found.value is None:
        return entry
    sealed = await vault.seal(entry.id, found.value)
    if entry.sealed is not None and value_digest(entry.sealed) == value_digest(sealed):
        sealed = entry.sealed  # the same value again
    return replace(
        entry, text=found.text, metadata=msgspec.json.encode(found.metadata), sealed=sealed
    )


def has_sealed(entry: Entry) -> bool | None:
    """None where the entry is no credential."""
    return entry.sealed is not None if entry.type == TYPE else None


async def value_of(entry: Entry, vault: Vault) -> str:
    """Raises NotFound where it holds none, and KeyUnusable."""
    if entry.sealed is None:
        raise NotFound("This entry holds no sealed value; its text is all.", id=entry.id)
    return await vault.open(entry.id, entry.sealed)
