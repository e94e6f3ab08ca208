"""What Lance writes beside its data files: manifests (a version of a table) and transactions.

Both are protobuf messages, described in https://github.com/lance-format/lance/tree/main/protos.
Only the numbers that are needed are named here; nested messages are carried along as they are.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

_MAGIC = b"LANC"
_FOOTER = struct.Struct("<qHH4s")
_LENGTH = struct.Struct("<I")
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_N_BYTES = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_UUID_LENGTH = 36
_KINDS = {
    100: "append",
    101: "delete",
    102: "overwrite",
    103: "create_index",
    104: "rewrite",
    105: "merge",
    106: "restore",
    107: "reserve",
    108: "update",
    109: "project",
    110: "update_config",
    111: "replace_data",
    112: "update_mem_wal",
    114: "update_bases",
}


class Malformed(ValueError):
    """Bytes that are not what they should be."""


class Message:
    """A protobuf message: for each field number its values, in order."""

    def __init__(self, data: bytes) -> None:
        self._values: dict[int, list[int | bytes]] = {}
        place = 0
        while place < len(data):
            key, place = _varint(data, place)
            value, place = _value(data, place, key & 7)
            self._values.setdefault(key >> 3, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self._values

    def blobs(self, number: int) -> tuple[bytes, ...]:
        return tuple(value for value in self._values.get(number, ()) if isinstance(value, bytes))

    def messages(self, number: int) -> list["Message"]:
        return [Message(blob) for blob in self.blobs(number)]

    def blob(self, number: int) -> bytes:
        return next(iter(self.blobs(number)), b"")

    def optional(self, number: int) -> bytes | None:
        return next(iter(self.blobs(number)), None)

    def text(self, number: int) -> str:
        return self.blob(number).decode("utf-8", "replace")

    def number(self, number: int) -> int:
        value = self._values.get(number, [0])[-1]
        return value if isinstance(value, int) else 0

    def numbers(self, number: int) -> list[int]:
        """Of a repeated integer, packed or not."""
        given: list[int] = []
        for value in self._values.get(number, ()):
            given.extend([value] if isinstance(value, int) else _packed(value))
        return given


def field(number: int, value: int | bytes) -> bytes:
    """One field of a message, as bytes."""
    if isinstance(value, int):
        return _as_varint(number << 3 | _VARINT) + _as_varint(value)
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(value)) + value


def packed(numbers: Iterable[int]) -> bytes:
    """The value of a repeated integer."""
    return b"".join(_as_varint(number) for number in numbers)


def message_at(data: bytes, place: int) -> Message:
    """Behind its length, as in the files of Lance."""
    start = place + _LENGTH.size
    if place < 0 or start > len(data):
        raise Malformed
    (length,) = _LENGTH.unpack_from(data, place)
    if start + length > len(data):
        raise Malformed
    return Message(data[start : start + length])


def footer_of(data: bytes) -> tuple[int, tuple[int, int]]:
    """Of a file's last bytes: the place of its main message, and its format's version."""
    if len(data) < _FOOTER.size:
        raise Malformed
    place, major, minor, magic = _FOOTER.unpack(data[-_FOOTER.size :])
    if magic != _MAGIC:
        raise Malformed
    return place, (major, minor)


@dataclass(frozen=True, slots=True)
class Fragment:
    """Rows, in one data file or, column by column, in several."""

    id: int
    files: tuple[bytes, ...]
    """`DataFile` messages."""
    deletion: bytes | None
    """A `DeletionFile` message."""
    n_rows: int
    """With the deleted ones."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        message = Message(data)
        return cls(message.number(1), message.blobs(2), message.optional(3), message.number(4))

    @property
    def paths(self) -> tuple[str, ...]:
        """Names in the folder `data`."""
        return tuple(Message(file).text(1) for file in self.files)

    @property
    def deletion_path(self) -> str | None:
        if self.deletion is None:
            return None
        message = Message(self.deletion)
        kind = "bin" if message.number(1) else "arrow"
        return f"_deletions/{self.id}-{message.number(2)}-{message.number(3)}.{kind}"

    def encoded(self) -> bytes:
        """Without row ids, which nobody asks for here, and which a transaction has not yet."""
        files = b"".join(field(2, file) for file in self.files)
        deletion = b"" if self.deletion is None else field(3, self.deletion)
        return field(1, self.id) + files + deletion + field(4, self.n_rows)


@dataclass(frozen=True, slots=True)
class Version:
    """What a table is after a commit."""

    number: int
    columns: tuple[bytes, ...] = ()
    """`Field` messages."""
    schema_metadata: tuple[bytes, ...] = ()
    fragments: tuple[Fragment, ...] = ()
    max_fragment_id: int = -1
    base_paths: tuple[bytes, ...] = ()
    transaction: str = ""
    """The name of the file that tells how this version came to be."""

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises Malformed."""
        message = message_at(data, footer_of(data)[0])
        fragments = tuple(Fragment.parse(blob) for blob in message.blobs(2))
        return cls(
            number=message.number(3),
            columns=message.blobs(1),
            schema_metadata=message.blobs(5),
            fragments=fragments,
            max_fragment_id=max([*message.numbers(11), *(one.id for one in fragments)], default=-1),
            base_paths=message.blobs(18),
            transaction=message.text(12),
        )

    def with_fragments(self, fragments: Iterable[Fragment]) -> Self:
        given = tuple(fragments)
        highest = max([self.max_fragment_id, *(fragment.id for fragment in given)])
        return replace(self, fragments=given, max_fragment_id=highest)

    def encoded(self) -> bytes:
        """A manifest that says this and no more: no index, no row ids, no configuration."""
        has_deletions = any(fragment.deletion is not None for fragment in self.fragments)
        message = b"".join(
            [
                *(field(1, column) for column in self.columns),
                *(field(2, fragment.encoded()) for fragment in self.fragments),
                field(3, self.number),
                *(field(5, entry) for entry in self.schema_metadata),
                field(9, int(has_deletions)),
                field(10, int(has_deletions)),
                field(11, max(self.max_fragment_id, 0)),
                field(13, field(1, b"lance") + field(2, b"1.0.0")),
                field(15, field(1, b"lance") + field(2, self._storage_version())),
                *(field(18, path) for path in self.base_paths),
            ]
        )
        return _LENGTH.pack(len(message)) + message + _FOOTER.pack(0, 0, 1, _MAGIC)

    def _storage_version(self) -> bytes:
        for fragment in self.fragments:
            for file in map(Message, fragment.files):
                major, minor = file.number(4), file.number(5)
                return b"%d.%d" % (major, minor) if major else b"0.1"
        return b"0.1"


@dataclass(frozen=True, slots=True)
class Change:
    """A transaction."""

    name: str
    """Its file's."""
    read_version: int
    """The version that it was made from."""
    uuid: str
    kind: str
    body: Message

    @classmethod
    def parse(cls, data: bytes, name: str = "") -> Self:
        """Raises Malformed."""
        return cls.of(Message(data), name)

    @classmethod
    def of(cls, message: Message, name: str = "") -> Self:
        uuid = message.text(2)
        numbers = [number for number in range(100, 120) if number in message]
        if len(uuid) != _UUID_LENGTH or len(numbers) != 1:
            raise Malformed
        read_version = message.number(1)
        kind = _KINDS.get(numbers[0], "unknown")
        body = Message(message.blob(numbers[0]))
        return cls(name or f"{read_version}-{uuid}.txn", read_version, uuid, kind, body)

    def new_fragments(self) -> list[Fragment]:
        """Those that come in with it."""
        if self.kind == "rewrite":
            return [new for _, news in self.groups() for new in news]
        number = {"append": 1, "overwrite": 1, "merge": 1, "update": 3}.get(self.kind)
        return [] if number is None else _fragments(self.body, number)

    def changed_fragments(self) -> list[Fragment]:
        """Those that were there before, as they are after it."""
        number = {"delete": 1, "update": 2}.get(self.kind)
        return [] if number is None else _fragments(self.body, number)

    def removed_ids(self) -> frozenset[int]:
        number = {"delete": 2, "update": 1}.get(self.kind)
        return frozenset() if number is None else frozenset(self.body.numbers(number))

    def groups(self) -> list[tuple[list[Fragment], list[Fragment]]]:
        """Of a compaction: the old fragments, and those that hold their rows now."""
        groups = [(_fragments(group, 1), _fragments(group, 2)) for group in self.body.messages(3)]
        return groups or [(_fragments(self.body, 1), _fragments(self.body, 2))]

    def numbered_fragments(self) -> list[Fragment]:
        """Those of which it tells the number that they have in the table."""
        old = [one for olds, _ in self.groups() for one in olds] if self.kind == "rewrite" else []
        return [*self.changed_fragments(), *old, *(one for one in self.new_fragments() if one.id)]


def _fragments(message: Message, number: int) -> list[Fragment]:
    return [Fragment.parse(blob) for blob in message.blobs(number)]


def _value(data: bytes, place: int, wire_type: int) -> tuple[int | bytes, int]:
    if wire_type == _VARINT:
        return _varint(data, place)
    if wire_type == _BYTES:
        length, place = _varint(data, place)
    elif wire_type in _N_BYTES:
        length = _N_BYTES[wire_type]
    else:
        raise Malformed
    if place + length > len(data):
        raise Malformed
    return data[place : place + length], place + length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:  # noqa: PLR2004 - ten bytes are the most
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:  # noqa: PLR2004 - the top bit says that more follows
            return value, place
    raise Malformed


def _packed(data: bytes) -> list[int]:
    numbers: list[int] = []
    place = 0
    while place < len(data):
        number, place = _varint(data, place)
        numbers.append(number)
    return numbers


def _as_varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # a negative number is its two's complement
    out = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def known_ids(changes: Iterable[Change]) -> Mapping[str, int]:
    """For data files the number of their fragment, where a later change tells it."""
    return {
        path: fragment.id
        for change in changes
        for fragment in change.numbered_fragments()
        for path in fragment.paths
    }
