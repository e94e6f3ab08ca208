"""Which secrets an entry holds, and the entry without them. Pure, and never fast: use a thread."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from cco_knowledge import secret_values
from cco_knowledge.credentials import parting
from cco_knowledge.errors import InvalidInput
from cco_knowledge.redaction import Policy
from cco_knowledge.types import Entry

_MARKER = secret_values.marker("secret")
_PLAIN_FIELDS = ("agent", "session_id", "project_id")
_LEAST_CHARACTERS = 8
_LONG_CHARACTERS = 20
_FIELD_MAX_CHARACTERS = 256


@dataclass(slots=True)
class Secrets:
    """What was found. The values stay in memory, and go with the process."""

    policy: Policy
    values: set[str] = field(default_factory=set)
    places: Counter[str] = field(default_factory=Counter)
    """In how many entries each field held one."""

    @property
    def pieces(self) -> list[str]:
        """What no text holds by chance: that is looked for everywhere, also out of context."""
        pieces = {piece for value in self.values for piece in value.split()}
        return sorted(filter(_is_unmistakable, pieces), key=len, reverse=True)

    @property
    def n_without_pieces(self) -> int:
        """Short or ordinary ones: they are only recognised where they serve as secrets."""
        return sum(not any(map(_is_unmistakable, value.split())) for value in self.values)

    def look_at(self, entries: Sequence[Entry]) -> list[str]:
        """The ids of those that hold any; what they hold is added."""
        return [entry.id for entry in self._unwanted(entries) if self._look_at(entry)]

    def holding(self, entries: Sequence[Entry]) -> list[str]:
        """The ids of those that hold one of the pieces, whatever the detector says."""
        pieces = self.pieces
        return [entry.id for entry in self._unwanted(entries) if holds(entry, pieces)]

    def _unwanted(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        """Where secrets may be, they are left. A value to seal is unwanted everywhere."""
        for entry in entries:
            if _is_open_credential(entry) or self.policy.of(entry.type) != "allow":
                yield entry

    def _look_at(self, entry: Entry) -> bool:
        found = _found(entry)
        for name, values in found.items():
            self.values.update(values)
            self.places[name] += bool(values)
        return any(found.values())


def holds(entry: Entry, pieces: Iterable[str]) -> bool:
    return any(piece in text for text in _texts(entry) for piece in pieces)


def without(entry: Entry, pieces: Iterable[str]) -> Entry:
    """What the detector finds in each field, and the pieces wherever they are."""

    def cleaned(text: str, *, is_name: bool = False) -> str:
        text, _ = secret_values.redacted(text, is_name=is_name)
        for piece in pieces:
            text = text.replace(piece, _MARKER)
        return text

    def cleaned_field(name: str) -> str:
        return cleaned(getattr(entry, name), is_name=True)[:_FIELD_MAX_CHARACTERS]

    before = msgspec.json.decode(entry.metadata)
    metadata = _cleaned_metadata(before, cleaned)
    return replace(
        entry,
        text=cleaned(entry.text),
        agent=cleaned_field("agent"),
        session_id=cleaned_field("session_id"),
        project_id=cleaned_field("project_id"),
        metadata=entry.metadata if metadata == before else msgspec.json.encode(metadata),
    )


def _found(entry: Entry) -> dict[str, list[str]]:
    metadata = msgspec.json.decode(entry.metadata)
    found = {
        "text": secret_values.values_in(entry.text),
        "metadata": list(_in_metadata(metadata)),
        **_in_fields(entry),
    }
    if _is_open_credential(entry):
        found["credential"] = _to_seal(entry.text, metadata)
    return found


def _is_open_credential(entry: Entry) -> bool:
    return entry.type == parting.TYPE and entry.sealed is None


def _in_fields(entry: Entry) -> dict[str, list[str]]:
    return {
        name: secret_values.values_in(getattr(entry, name), is_name=True) for name in _PLAIN_FIELDS
    }


def _to_seal(text: str, metadata: dict[str, Any]) -> list[str]:
    try:
        value = parting.parted(text, metadata).value
    except InvalidInput:  # cannot be sealed as it is: the detector takes what it knows
        return []
    return value.split("\n") if value else []


def _in_metadata(metadata: dict[str, Any]) -> Iterator[str]:
    for name, text in _strings(metadata):
        yield from _values_under(name, text)


def _values_under(name: str, text: str) -> list[str]:
    """`name`: the nearest key; it tells what a value is."""
    is_one = secret_values.kind_under(name, text) is not None
    return [text] if is_one else secret_values.values_in(text)


def _strings(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield "", key
            yield from _strings(part, key)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part, name)
    elif isinstance(value, str):
        yield name, value


def _texts(entry: Entry) -> Iterator[str]:
    yield entry.text
    yield from (getattr(entry, name) for name in _PLAIN_FIELDS)
    yield from (text for _, text in _strings(msgspec.json.decode(entry.metadata)))


def _cleaned_metadata(metadata: dict[str, Any], cleaned: Callable[[str], str]) -> dict[str, Any]:
    def part(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return {part(key, ""): part(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [part(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        is_one = secret_values.kind_under(name, value) is not None
        return _MARKER if is_one else cleaned(value)

    return {part(key, ""): part(value, key) for key, value in metadata.items()}


def _is_unmistakable(piece: str) -> bool:
    is_mixed = not piece.isalpha() and not piece.isdigit()
    return len(piece) >= (_LEAST_CHARACTERS if is_mixed else _LONG_CHARACTERS)
