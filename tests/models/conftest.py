import struct
from collections.abc import Callable, Mapping

import pytest


@pytest.fixture(scope="session")
def gguf_bytes() -> Callable[[Mapping[str, object]], bytes]:
    """A GGUF file without tensors, from its keys and values."""

    def build(values: Mapping[str, object]) -> bytes:
        head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(values))
        return head + b"".join(_text(key) + _value(value) for key, value in values.items())

    return build


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: object) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
        case list():
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_text, value))
    raise TypeError(value)
