"""Which secrets an entry holds, and the entry without them. Pure, and never fast: use a thread."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from cco_knowledge import secret_values
from cco_knowledge.credentials import parting
from cco_knowledge.errors import InvalidInput
from cco_knowledge.types import Entry

_PLAIN_FIELDS = ("agent", "session_id", "project_id")
_BETWEEN = "\n\n. . .\n\n"
"""So much that nothing before it is taken for what announces a secret, or excuses it."""
_LEAST_CHARACTERS = 8
_LONG_CHARACTERS = 20
_FIELD_MAX_CHARACTERS = 256


@dataclass(slots=True)
class Secrets:
    """What was found. The values stay in memory, and go with the process."""

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
        """The ids of those that hold any; what they hold is added.

        All at once first: scanning one short text takes 2 ms, a hundred of them hardly more.
        """
        together = secret_values.found(_BETWEEN.join(map(_as_text, entries)))
        # A key without its end may seem to go on in the next text: then nothing is sure.
        unsure = any(not any(holds(entry, [v]) for entry in entries) for v in together)
        return [
            entry.id
            for entry in entries
            if (unsure or _is_open_credential(entry) or holds(entry, together))
            and self._look_at(entry)
        ]

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

    def cleaned(text: str) -> str:
        text, _ = secret_values.removed(text)
        for piece in pieces:
            text = text.replace(piece, secret_values.REMOVED)
        return text

    def cleaned_field(name: str) -> str:
        text: str = getattr(entry, name)
        for value in (*in_fields[name], *pieces):
            text = text.replace(value, secret_values.REMOVED)
        return text[:_FIELD_MAX_CHARACTERS]

    in_fields = _in_fields(entry)
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
        "text": secret_values.found(entry.text),
        "metadata": list(_in_metadata(metadata)),
        **_in_fields(entry),
    }
    if _is_open_credential(entry):
        found["credential"] = _to_seal(entry.text, metadata)
    return found


def _as_text(entry: Entry) -> str:
    """All of it, as each part of it is looked at alone."""
    metadata = "\n".join(_named_strings(msgspec.json.decode(entry.metadata)))
    fields = (f"id: {getattr(entry, name)}" for name in _PLAIN_FIELDS)
    return _BETWEEN.join([entry.text, metadata, *fields])


def _is_open_credential(entry: Entry) -> bool:
    return entry.type == parting.TYPE and entry.sealed is None


def _in_fields(entry: Entry) -> dict[str, list[str]]:
    """Ids look as random as a key may: only what cannot be one counts."""
    texts = {name: getattr(entry, name) for name in _PLAIN_FIELDS}
    values = secret_values.found("\n".join(f"id: {text}" for text in texts.values()))
    return {name: [v for v in values if v in text] for name, text in texts.items()}


def _to_seal(text: str, metadata: dict[str, Any]) -> list[str]:
    try:
        value = parting.parted(text, metadata).value
    except InvalidInput:  # cannot be sealed as it is: the detector takes what it knows
        return []
    return value.split("\n") if value else []


def _in_metadata(metadata: dict[str, Any]) -> Iterator[str]:
    """All strings at once, each behind its key: that is how a password is known as one."""
    texts = [text for _, text in _strings(metadata)]
    if not texts:
        return
    for value in secret_values.found("\n".join(_named_strings(metadata))):
        if any(value in text for text in texts):
            yield value


def _named_strings(metadata: dict[str, Any]) -> Iterator[str]:
    for name, text in _strings(metadata):
        yield f"{name}: {text}" if name else text


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
    values = list(_in_metadata(metadata))

    def part(value: Any) -> Any:
        if isinstance(value, dict):
            return {part(key): part(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [part(inner) for inner in value]
        if not isinstance(value, str):
            return value
        for secret in values:
            value = value.replace(secret, secret_values.REMOVED)
        return cleaned(value)

    return {part(key): part(value) for key, value in metadata.items()}


def _is_unmistakable(piece: str) -> bool:
    is_mixed = not piece.isalpha() and not piece.isdigit()
    return len(piece) >= (_LEAST_CHARACTERS if is_mixed else _LONG_CHARACTERS)
