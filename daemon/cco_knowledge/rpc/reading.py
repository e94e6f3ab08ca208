"""From JSON to params, and the checks that types cannot say.

msgspec does most of it; `read` gives its errors a field and treats "" and null as not given.
All of these raise InvalidInput, whose `field` names the param.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import orjson

from cco_knowledge.credentials.vault import is_sealed
from cco_knowledge.errors import InvalidInput
from cco_knowledge.timestamps import format_timestamp
from cco_knowledge.types import METADATA_MAX_BYTES, TEXT_MAX_BYTES

METADATA_MAX_DEPTH = 200
"""What orjson and msgspec write on any stack; they stop at 255."""
_MOMENTS = frozenset({"timestamp", "since", "until"})
_FINER = re.compile(r"(?<=\.\d{6})\d+")
_PLACE = re.compile(r" - at `\$\.(\w+)[^`]*`\Z")
_NAMED = re.compile(r"Object (?:contains unknown|missing required) field `(.*)`", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

P = TypeVar("P", bound=msgspec.Struct)


def read(kind: type[P], params: dict[str, Any] | list[Any]) -> P:
    named = params if isinstance(params, dict) else _by_position(kind, params)
    given = {
        key: _with_microseconds(value) if key in _MOMENTS else value
        for key, value in named.items()
        if value is not None and value != ""
    }
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error


def _with_microseconds(moment: object) -> object:
    """A finer fraction is cut: msgspec rounds it, up to the next day if need be."""
    return _FINER.sub("", moment) if isinstance(moment, str) else moment


def _by_position(kind: type[msgspec.Struct], params: Sequence[Any]) -> dict[str, Any]:
    names = kind.__struct_fields__
    if len(params) > len(names):
        raise InvalidInput(
            f"{len(params)} positional params were given; the method has {len(names)}.",
            field=str(len(names)),
        )
    return dict(zip(names, params, strict=False))


def _invalid(problem: str) -> InvalidInput:
    """The place stands only in the text of msgspec; tests hold this reading to it."""
    match = _NAMED.fullmatch(problem) or _PLACE.search(problem)
    return InvalidInput(
        f"The params are wrong: {_without_values(problem)}.",
        field=match.group(1) if match else "",
    )


def _without_values(problem: str) -> str:
    """The message of a wrong choice repeats it: `Invalid enum value 'x' - at ...`."""
    return re.sub(
        r"Invalid enum value .*(?= - at `)", "This value is not allowed", problem, flags=re.DOTALL
    )


def checked_text(text: str, field: str) -> str:
    if not text:
        raise InvalidInput(f"`{field}` must not be empty.", field=field)
    length_bytes = len(text.encode())
    if length_bytes > TEXT_MAX_BYTES:
        raise InvalidInput(
            f"`{field}` has {length_bytes} bytes; at most {TEXT_MAX_BYTES} are stored. "
            "Split it into entries of their own.",
            field=field,
        )
    return _without_nul(text, field)


def checked_field(value: str, field: str) -> str:
    if _CONTROL.search(value):
        raise InvalidInput(f"`{field}` must not hold control characters.", field=field)
    return value


def encoded_metadata(metadata: dict[str, Any]) -> bytes:
    check_depth(metadata)
    encoded = json_of(metadata)
    if len(encoded) > METADATA_MAX_BYTES:
        raise InvalidInput(
            f"`metadata` has {len(encoded)} bytes of JSON; at most {METADATA_MAX_BYTES} are "
            "stored.",
            field="metadata",
        )
    return encoded


def sealed_value(encoded: str | None) -> bytes | None:
    if encoded is None:
        return None
    with contextlib.suppress(binascii.Error, ValueError):
        sealed = base64.b64decode(encoded, validate=True)
        if is_sealed(sealed):
            return sealed
    raise InvalidInput("`sealed` is not as an export writes it.", field="sealed")


def json_of(metadata: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(metadata)
    except orjson.JSONEncodeError:  # an integer over 64 bits
        return msgspec.json.encode(metadata)


def check_depth(metadata: dict[str, Any]) -> None:
    level: list[Any] = [metadata]
    for _ in range(METADATA_MAX_DEPTH):
        level = [part for value in level for part in _parts(value)]
        if not level:
            return
    raise InvalidInput(
        f"`metadata` is nested deeper than {METADATA_MAX_DEPTH} levels.", field="metadata"
    )


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def timestamp_of(moment: datetime, field: str) -> str:
    try:
        return format_timestamp(moment)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(
            f"`{field}` lies outside of the years 1 to 9999 in UTC.", field=field
        ) from error


def not_before(moment: datetime) -> str:
    """Stored times have whole milliseconds, so a later microsecond means the next one."""
    cut = timestamp_of(moment, "since")
    return cut if moment.microsecond % 1000 == 0 else f"{cut}~"  # behind `cut` in text order


def _without_nul(text: str, field: str) -> str:
    if "\0" in text:
        raise InvalidInput(f"`{field}` must not hold NUL characters.", field=field)
    return text
