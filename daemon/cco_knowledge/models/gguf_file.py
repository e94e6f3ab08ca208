"""What a GGUF file says about itself, read from its header without loading the model.

The `gguf` package could do it, but it needs numpy, which costs the daemon's start 0.25 s, and it
believes the lengths in the file.
Source: the GGUF specification, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cco_knowledge.errors import StartRefused

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_STRING, _ARRAY = 8, 9
# Far over what real files have (tens of keys; vocabularies of 262,144; names of tens of bytes),
# and low enough that a header that lies costs little.
_MAX_KEYS = 10_000
_MAX_ARRAY_TEXTS = 4_000_000
_MAX_TEXT_BYTES = 4096
_MAX_TOKENS = 1 << 31

_POOLINGS = {1: "mean", 2: "cls", 3: "last"}
"""Those that give one vector a text. Source: `llama_pooling_type` in llama.h; the others are 0
(a vector a token) and 4 (a ranking score)."""

_Value = int | float | str


@dataclass(frozen=True, slots=True)
class GgufFacts:
    architecture: str
    name: str | None
    context_length: int
    """Tokens."""
    embedding_length: int
    pooling: str | None
    """`mean`, `cls` or `last`; None: the file does not say that it was made to embed texts."""
    causal: bool | None
    """None: the file does not say, and the architecture decides."""
    tokenizer_model: str | None


class _Malformed(Exception):
    """The message ends the sentence "cannot be used because ..."."""


def describe_gguf(path: Path) -> GgufFacts:
    """The facts in the header of `path`.

    Raises:
        StartRefused: not a file, not readable, or not the GGUF file of a language model.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise StartRefused(f"The model {path} is not a file; give the path of a GGUF file.")
        with path.open("rb") as file:
            return _facts(_read_values(_Header(file)))
    except FileNotFoundError as error:
        raise StartRefused(
            f"There is no model file {path}. Give the path of a GGUF file, or the name of a known "
            "model (kmctl model list)."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        raise StartRefused(f"The model {path!s} cannot be read: {error}") from error
    except _Malformed as error:
        raise StartRefused(
            f"The model {path} cannot be used because {error}. Give a complete GGUF file of an "
            "embedding model, or the name of a known model (kmctl model list)."
        ) from error


class _Header:
    """Reads forward, and never more than the file has, whatever its length fields say."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left_bytes = os.fstat(file.fileno()).st_size

    def take(self, n_bytes: int) -> bytes:
        self._spend(n_bytes)
        data = self._file.read(n_bytes)
        if len(data) < n_bytes:
            raise _Malformed("it became shorter while it was read")
        return data

    def skip(self, n_bytes: int) -> None:
        self._spend(n_bytes)
        self._file.seek(n_bytes, os.SEEK_CUR)

    def scalar(self, kind: int) -> int | float:
        form = _SCALARS[kind]
        value: int | float = form.unpack(self.take(form.size))[0]
        return value

    def integer(self, n_bytes: int) -> int:
        return int.from_bytes(self.take(n_bytes), "little")

    def text(self) -> str | None:
        """None: longer than any fact that is wanted here."""
        n_bytes = self.integer(8)
        if n_bytes > _MAX_TEXT_BYTES:
            self.skip(n_bytes)
            return None
        return self.take(n_bytes).decode("utf-8", "replace")

    def skip_texts(self, n_texts: int) -> None:
        for _ in range(n_texts):
            self.skip(self.integer(8))

    def _spend(self, n_bytes: int) -> None:
        if n_bytes > self._left_bytes:
            raise _Malformed("it ends in the middle of its header")
        self._left_bytes -= n_bytes


def _read_values(header: _Header) -> dict[str, _Value]:
    if header.take(4) != _MAGIC:
        raise _Malformed("it is not a GGUF file (it does not begin with the letters GGUF)")
    version = header.integer(4)
    if version not in _VERSIONS:
        raise _Malformed(f"it is of GGUF version {version}, and only 2 and 3 can be read")
    header.skip(8)  # the number of tensors
    n_keys = header.integer(8)
    if n_keys > _MAX_KEYS:
        raise _Malformed(f"its header is damaged: it announces {n_keys} keys")
    values: dict[str, _Value] = {}
    for _ in range(n_keys):
        key = header.text()
        value = _read_value(header)
        if key is not None and value is not None:
            values[key] = value
    return values


def _read_value(header: _Header) -> _Value | None:
    """None for what cannot be a wanted fact: lists and long texts."""
    kind = header.integer(4)
    if kind in _SCALARS:
        return header.scalar(kind)
    if kind == _STRING:
        return header.text()
    if kind == _ARRAY:
        _skip_array(header)
        return None
    raise _Malformed(f"its header is damaged: there is no value type {kind}")


def _skip_array(header: _Header) -> None:
    kind, n_items = header.integer(4), header.integer(8)
    if kind in _SCALARS:
        header.skip(n_items * _SCALARS[kind].size)
    elif kind == _STRING and n_items <= _MAX_ARRAY_TEXTS:
        header.skip_texts(n_items)
    else:
        raise _Malformed(f"its header is damaged: a list of {n_items} values of type {kind}")


def _facts(values: Mapping[str, _Value]) -> GgufFacts:
    architecture = _text(values, "general.architecture")
    if architecture is None:
        raise _Malformed("its header names no architecture")
    pooling = values.get(f"{architecture}.pooling_type")
    causal = values.get(f"{architecture}.attention.causal")
    return GgufFacts(
        architecture=architecture,
        name=_text(values, "general.name"),
        context_length=_length(values, f"{architecture}.context_length"),
        embedding_length=_length(values, f"{architecture}.embedding_length"),
        pooling=_POOLINGS.get(pooling) if isinstance(pooling, int) else None,
        causal=causal if isinstance(causal, bool) else None,
        tokenizer_model=_text(values, "tokenizer.ggml.model"),
    )


def _text(values: Mapping[str, _Value], key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None


def _length(values: Mapping[str, _Value], key: str) -> int:
    value = values.get(key)
    if not isinstance(value, int) or not 0 < value < _MAX_TOKENS:
        raise _Malformed(f"its header gives no usable {key}")
    return value
