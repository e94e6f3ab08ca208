"""What a Lance data file says of itself, for the files of which nothing else tells any more.

The layouts are those of https://github.com/lance-format/lance/blob/main/protos/file.proto and
file2.proto: version 1 ends with a manifest and a table of batches, version 2 keeps its schema and
number of rows in its first global buffer.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kmctl.migration.transactions import (
    Fragment,
    Malformed,
    Message,
    field,
    footer_of,
    message_at,
    packed,
)

_FOOTER_BYTES = 16
_V2_FOOTER = struct.Struct("<QQQIIHH4s")
_BUFFER = struct.Struct("<QQ")
_V1, _V2_0_IN_FILES, _V2_0 = (0, 2), (0, 3), (2, 0)
_NO_FIELD = -2
"""Lance's own mark for a column that belongs to no field of the table."""


def has_footer(path: Path) -> bool:
    """Whether it is there to its end, as far as its last bytes tell."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - _FOOTER_BYTES, 0))
            footer_of(file.read())
    except (OSError, Malformed):
        return False
    return True


@dataclass(frozen=True, slots=True)
class DataFile:
    name: str
    columns: tuple[bytes, ...]
    """`Field` messages, nested ones after the one that they are in."""
    n_rows: int
    format: tuple[int, int]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises Malformed or OSError."""
        data = path.read_bytes()
        place, version = footer_of(data)
        if version < _V2_0_IN_FILES:
            return cls._read_v1(path.name, data, place)
        return cls._read_v2(path.name, data, _V2_0 if version == _V2_0_IN_FILES else version)

    @classmethod
    def _read_v1(cls, name: str, data: bytes, place: int) -> Self:
        metadata = message_at(data, place)
        columns = message_at(data, metadata.number(1)).blobs(1)
        return cls(name, columns, max(metadata.numbers(2), default=0), _V1)

    @classmethod
    def _read_v2(cls, name: str, data: bytes, version: tuple[int, int]) -> Self:
        if len(data) < _V2_FOOTER.size:
            raise Malformed
        buffers = _V2_FOOTER.unpack(data[-_V2_FOOTER.size :])[2]
        if buffers + _BUFFER.size > len(data):
            raise Malformed
        start, size = _BUFFER.unpack_from(data, buffers)
        described = Message(data[start : start + size])
        columns = Message(described.blob(1)).blobs(1)
        return cls(name, columns, described.number(2), version)

    def as_fragment(self, number: int, table_columns: Sequence[bytes]) -> Fragment:
        """Its columns become those of the table that have the same names."""
        ids = {name: id_ for id_, name in _full_names(table_columns).items()}
        stored = self._stored_columns()
        places = range(len(stored)) if self.format >= _V2_0 else ()
        file = (
            field(1, self.name.encode())
            + field(2, packed(ids.get(name, _NO_FIELD) for name in stored))
            + (field(3, packed(places)) if places else b"")
            + field(4, self.format[0])
            + field(5, self.format[1])
        )
        return Fragment(number, (file,), None, self.n_rows)

    def _stored_columns(self) -> list[str]:
        """Full names; from version 2.1 on a field that holds others is no column of the file."""
        names = _full_names(self.columns)
        parents = {_parent_id(Message(column)) for column in self.columns}
        only_leaves = self.format > _V2_0
        return [name for id_, name in names.items() if not (only_leaves and id_ in parents)]


def _full_names(columns: Sequence[bytes]) -> Mapping[int, str]:
    names: dict[int, str] = {}
    for column in map(Message, columns):
        parent = names.get(_parent_id(column))
        own = column.text(2)
        names[column.number(3)] = own if parent is None else f"{parent}.{own}"
    return names


def _parent_id(column: Message) -> int:
    """No field has the number of a top-level one's parent, which is -1."""
    return column.number(4)
