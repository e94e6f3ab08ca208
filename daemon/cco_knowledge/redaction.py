"""What becomes of secrets in what is to be stored: replaced, refused, or kept as they are."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from cco_knowledge import secret_values
from cco_knowledge.errors import InvalidInput
from cco_knowledge.types import FIELD_MAX_CHARACTERS, METADATA_MAX_BYTES, TEXT_MAX_BYTES

Action = Literal["redact", "reject", "allow"]
Fields = Mapping[str, str | bytes]
"""Fields of an entry; `metadata` is a JSON object, encoded."""

_AT_ONCE_CHARACTERS = 4096
"""More is looked through on a thread; so much takes about 3 ms."""
_IDENTIFYING = frozenset({"id", "superseded_by"})
"""Another id would be another entry."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is done with secrets. Of two lists that name a type, the stricter holds."""

    otherwise: Action = "redact"
    reject_types: tuple[str, ...] = ()
    redact_types: tuple[str, ...] = ()
    allow_types: tuple[str, ...] = ()

    def of(self, entry_type: str) -> Action:
        if entry_type in self.reject_types:
            return "reject"
        if entry_type in self.redact_types:
            return "redact"
        return "allow" if entry_type in self.allow_types else self.otherwise


@dataclass(frozen=True, slots=True)
class Redaction:
    """Secrets of one kind that were replaced in one field."""

    field: str
    """`text`, or the place in the metadata, such as `metadata.a.b`."""
    kind: str
    count: int


class Redactor:
    """Behind it nothing has seen a secret: no model, cache, table, comparison or log."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.replaced: Counter[str] = Counter()
        """Secrets since the start, by kind."""

    async def clean(
        self, fields: Fields, entry_type: str
    ) -> tuple[dict[str, Any], list[Redaction]]:
        """The fields as they may be stored, and what was replaced in them.

        Raises:
            InvalidInput: a secret where none may be, or too large with the markers in it.
        """
        action = self.policy.of(entry_type)
        if action == "allow":
            return dict(fields), []
        if sum(map(len, fields.values())) <= _AT_ONCE_CHARACTERS:
            clean, redactions = _cleaned(fields, action)
        else:
            clean, redactions = await asyncio.to_thread(_cleaned, fields, action)
        for redaction in redactions:
            self.replaced[redaction.kind] += redaction.count
        return clean, redactions


def _cleaned(fields: Fields, action: Action) -> tuple[dict[str, Any], list[Redaction]]:
    counts: Counter[tuple[str, str]] = Counter()
    clean: dict[str, Any] = {}
    for name, value in fields.items():
        before = counts.total()
        clean[name] = (
            _text(value, name, counts) if isinstance(value, str) else _metadata(value, counts)
        )
        if counts.total() == before:
            clean[name] = value  # the very bytes that came
        elif action == "reject" or name in _IDENTIFYING:
            raise _refused(list(counts)[-1])
        else:
            _check_size(clean[name], name)
    return clean, [Redaction(field, kind, count) for (field, kind), count in counts.items()]


def _text(value: str, field: str, counts: Counter[tuple[str, str]]) -> str:
    is_name = field not in {"text", "metadata"} and not field.startswith("metadata.")
    text, kinds = secret_values.redacted(value, is_name=is_name)
    for kind, count in kinds.items():
        counts[field, kind] += count
    return text


def _metadata(encoded: bytes, counts: Counter[tuple[str, str]]) -> bytes:
    if encoded == b"{}":
        return encoded
    return msgspec.json.encode(_value(msgspec.json.decode(encoded), "metadata", "", counts))


def _value(value: Any, field: str, name: str, counts: Counter[tuple[str, str]]) -> Any:
    """`name`: the nearest key; it tells what a value is."""
    if isinstance(value, str):
        kind = secret_values.kind_under(name, value)
        if kind is None:
            return _text(value, field, counts)
        counts[field, kind] += 1
        return secret_values.marker(kind)
    if isinstance(value, list):
        return [_value(part, field, name, counts) for part in value]
    if isinstance(value, dict):
        return _object(value, field, counts)
    return value


def _object(
    value: Mapping[str, Any], field: str, counts: Counter[tuple[str, str]]
) -> dict[str, Any]:
    clean: dict[str, Any] = {}
    for key, part in value.items():
        safe_key = _other_than(clean, _text(key, field, counts))
        clean[safe_key] = _value(part, f"{field}.{safe_key}", key, counts)
    return clean


def _other_than(taken: Iterable[str], key: str) -> str:
    """Two keys that were secrets stay two."""
    number, unique = 2, key
    while unique in taken:
        number, unique = number + 1, f"{key} {number}"
    return unique


def _check_size(value: str | bytes, name: str) -> None:
    n_bytes = len(value.encode()) if isinstance(value, str) else len(value)
    limits = {"text": TEXT_MAX_BYTES, "metadata": METADATA_MAX_BYTES}
    too_large = n_bytes > limits[name] if name in limits else len(value) > FIELD_MAX_CHARACTERS
    if too_large:
        raise InvalidInput(
            f"`{name}` is too large with markers in the place of its secrets. Leave them out.",
            field=name,
        )


def _refused(found: tuple[str, str]) -> InvalidInput:
    field, kind = found
    return InvalidInput(
        f"`{field}` holds what looks like a secret ({kind}). Leave it out, and say where it is "
        "kept instead.",
        field=field.partition(".")[0],
    )
