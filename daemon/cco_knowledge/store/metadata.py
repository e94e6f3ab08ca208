"""Metadata as the store keeps it: the JSON text itself, and digests that filters compare."""

import hashlib
from typing import Any

import msgspec


def metadata_digest(key: str, value: object) -> int:
    """A signed 64-bit digest of one key and its value; equal JSON values have equal digests.

    Numbers compare by value (1 equals 1.0) and objects without regard to the order of keys. 64
    bits hold for a store of millions: a filter meets a false equal once in 10^12 comparisons of a
    million entries.
    """
    canonical = canonical_json([key, value])
    return int.from_bytes(hashlib.blake2b(canonical, digest_size=8).digest(), signed=True)


def canonical_json(value: object) -> bytes:
    """The same bytes for equal JSON values, and only for them: true is not 1, but 1.0 is."""
    return msgspec.json.encode(_canonical(value), order="sorted")


def metadata_digests(metadata: dict[str, Any]) -> list[int]:
    return [metadata_digest(key, value) for key, value in metadata.items()]


def _canonical(value: object) -> object:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(part) for part in value]
    if isinstance(value, dict):
        return {key: _canonical(part) for key, part in value.items()}
    return value
