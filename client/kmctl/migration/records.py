"""Old records as entries: exactly where an entry can hold them, else in the nearest valid form.

What a field cannot hold stays under `_legacy` in the metadata, so that nothing is lost. Pure.
"""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

LEGACY_KEY = "_legacy"
NO_TEXT = "(no text)"
_TEXT_FIELDS = ("id", "text", "type", "project_id", "session_id", "agent", "timestamp", "metadata")
_FIELD_MAX_CHARACTERS = 256
_DEFAULTS = {
    "type": "general",
    "project_id": "default",
    "session_id": "unknown",
    "agent": "unknown",
}
_DIGEST_BYTES = 16
_METADATA_MAX_DEPTH = 190
"""The daemon's bound is 200; `_legacy` needs some of it."""
_FINER = re.compile(r"(?<=\.\d{6})\d+")
_MS_IN_ID = re.compile(r"-(\d{13}|\d{10})(?:-|$)")
"""Node's ids hold milliseconds, Rust's seconds."""
_EPOCH = "1970-01-01T00:00:00.000Z"
_INITIALISATION = {
    "text": "Initialization record",
    "type": "system",
    "project_id": "system",
    "session_id": "init",
    "agent": "system",
}


def is_initialisation(values: Mapping[str, object], *, has_zero_vector: bool) -> bool:
    """The row that the old tool wrote to give a new table its columns."""
    return (
        has_zero_vector
        and str(values.get("id")).startswith("init-")
        and all(values.get(name) == value for name, value in _INITIALISATION.items())
    )


@dataclass(slots=True)
class Records:
    """The records of one table, in its order: what an entry gets may follow from those before."""

    _seen: "Counter[str]" = field(default_factory=Counter)
    _latest: str = _EPOCH

    def item(self, values: Mapping[str, object]) -> dict[str, Any]:
        """An item of `knowledge.migrate`."""
        digest = _digest(values)
        self._seen[digest] += 1
        # Equal records of one table are several; equal ones of two tables are copies of one.
        record = digest if self._seen[digest] == 1 else f"{digest}-{self._seen[digest]}"
        kept: dict[str, Any] = {}
        timestamp = self._timestamp(values, kept)
        item: dict[str, Any] = {
            "text": _text(values, kept),
            **{name: _field(name, values, kept) for name in _DEFAULTS},
            "timestamp": timestamp,
        }
        item["id"] = _id(values, kept, item, record)
        metadata = _metadata(values.get("metadata"), kept)
        columns = {name: _plain(v) for name, v in values.items() if name not in _TEXT_FIELDS}
        if given := {name: value for name, value in columns.items() if value is not None}:
            kept["columns"] = given
        item["metadata"] = {**metadata, LEGACY_KEY: kept} if kept else metadata
        return {**item, "record": record}

    def _timestamp(self, values: Mapping[str, object], kept: dict[str, Any]) -> str:
        """Where the record has no time: that in its id, else that of the record before it."""
        old = values.get("timestamp")
        told = _time(old)
        if told is None or told != old:
            kept["timestamp"] = _plain(old)
        timestamp = told or _time_in_id(values.get("id")) or self._latest
        self._latest = timestamp
        return timestamp


def renamed(item: Mapping[str, Any]) -> dict[str, Any]:
    """With an id of its own, for a record whose id another one has."""
    metadata = item["metadata"]
    kept = {"id": item["id"], **metadata.get(LEGACY_KEY, {})}
    return {
        **item,
        "id": _shortened(item["id"], item["record"]),
        "metadata": {**metadata, LEGACY_KEY: kept},
    }


def _digest(values: Mapping[str, object]) -> str:
    """Of all that the record says; a missing column and a NULL say the same."""
    told = {name: _plain(value) for name, value in values.items() if value is not None}
    encoded = json.dumps(told, sort_keys=True).encode()
    return hashlib.blake2b(encoded, digest_size=_DIGEST_BYTES).hexdigest()


def _text(values: Mapping[str, object], kept: dict[str, Any]) -> str:
    old = values.get("text")
    if isinstance(old, str) and old:
        return old
    kept["text"] = _plain(old)
    return NO_TEXT


def _field(name: str, values: Mapping[str, object], kept: dict[str, Any]) -> str:
    old = values.get(name)
    if isinstance(old, str) and 0 < len(old) <= _FIELD_MAX_CHARACTERS:
        return old
    kept[name] = _plain(old)
    return str(old)[:_FIELD_MAX_CHARACTERS] if old else _DEFAULTS[name]


def _id(
    values: Mapping[str, object], kept: dict[str, Any], item: Mapping[str, str], record: str
) -> str:
    old = values.get("id")
    if isinstance(old, str) and 0 < len(old) <= _FIELD_MAX_CHARACTERS:
        return old
    kept["id"] = _plain(old)
    if old:
        return _shortened(str(old), record)
    milliseconds = int(datetime.fromisoformat(item["timestamp"]).timestamp() * 1000)
    return f"{item['type'][:100]}-{milliseconds}-{record[:12]}"


def _shortened(entry_id: str, record: str) -> str:
    digest, _, number = record.partition("-")
    return f"{entry_id[:200]}~{digest[:8]}{'-' if number else ''}{number}"


def _metadata(old: object, kept: dict[str, Any]) -> dict[str, Any]:
    try:
        metadata = _object(old)
    except (ValueError, RecursionError):
        kept["metadata"] = _plain(old)
        return {}
    if metadata.is_whole:
        return metadata.value
    kept["metadata"] = _plain(old)
    return {name: value for name, value in metadata.value.items() if name != LEGACY_KEY}


@dataclass(frozen=True, slots=True)
class _Metadata:
    value: dict[str, Any]
    is_whole: bool
    """Whether the value says all that the text said."""


def _object(old: object) -> _Metadata:
    """Raises ValueError for what is no JSON object that can be sent on."""
    if not isinstance(old, str):
        raise ValueError("not a text")  # noqa: TRY004  # callers treat all of it alike
    n_repeated = 0

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal n_repeated
        n_repeated += len(pairs) - len(dict(pairs))
        return dict(pairs)

    value = json.loads(old, object_pairs_hook=read, parse_constant=_refuse, parse_float=_finite)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004
    json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot travel
    if _depth(value) > _METADATA_MAX_DEPTH:
        raise ValueError("nested too deep")
    return _Metadata(value, is_whole=not n_repeated and LEGACY_KEY not in value)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("beyond what a number holds")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(value: object) -> int:
    level, depth = [value], 0
    while level:
        depth += 1
        level = [
            part
            for one in level
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _time(old: object) -> str | None:
    """As entries have it, or None where it is no time."""
    if not isinstance(old, str):
        return _time_of_number(old)
    try:
        moment = datetime.fromisoformat(_FINER.sub("", old.strip()))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _formatted(moment)
    except (ValueError, OverflowError):
        return None


def _time_of_number(old: object) -> str | None:
    """Milliseconds, as Node counts them."""
    if isinstance(old, datetime):
        return _formatted(old if old.tzinfo else old.replace(tzinfo=UTC))
    if not isinstance(old, int | float) or isinstance(old, bool):
        return None
    try:
        return _formatted(datetime.fromtimestamp(old / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _time_in_id(entry_id: object) -> str | None:
    found = _MS_IN_ID.search(str(entry_id))
    if found is None:
        return None
    number = int(found[1])
    return _time_of_number(number if len(found[1]) > 10 else number * 1000)  # noqa: PLR2004


def _formatted(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> Any:
    """As JSON can say it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    return value.hex() if isinstance(value, bytes) else str(value)
