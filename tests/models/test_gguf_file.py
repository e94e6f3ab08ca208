import os
import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cco_knowledge.errors import StartRefused
from cco_knowledge.models import GgufFacts, describe_gguf

GgufBytes = Callable[[Mapping[str, object]], bytes]

VALUES: dict[str, object] = {
    "general.architecture": "bert",
    "general.name": "tiny",
    "tokenizer.ggml.tokens": ["[PAD]", "▁the", "ing"],
    "bert.context_length": 128,
    "bert.embedding_length": 32,
    "bert.pooling_type": 2,
    "bert.attention.causal": False,
    "tokenizer.ggml.model": "bert",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiny.gguf"


def test_the_default_model(model_file: Path) -> None:
    assert describe_gguf(model_file) == GgufFacts(
        architecture="bert",
        name="all-MiniLM-L6-v2",
        context_length=512,
        embedding_length=384,
        pooling="mean",
        causal=False,
        tokenizer_model="bert",
    )


def test_facts(path: Path, gguf_bytes: GgufBytes) -> None:
    path.write_bytes(gguf_bytes(VALUES))
    assert describe_gguf(path) == GgufFacts("bert", "tiny", 128, 32, "cls", False, "bert")


def test_what_the_file_does_not_say_is_none(path: Path, gguf_bytes: GgufBytes) -> None:
    keys = ("general.architecture", "bert.context_length", "bert.embedding_length")
    path.write_bytes(gguf_bytes({key: VALUES[key] for key in keys}))
    assert describe_gguf(path) == GgufFacts("bert", None, 128, 32, None, None, None)


@pytest.mark.parametrize("pooling_type", [0, 4, 99])
def test_poolings_that_give_no_vector_of_a_text(
    path: Path, gguf_bytes: GgufBytes, pooling_type: int
) -> None:
    path.write_bytes(gguf_bytes({**VALUES, "bert.pooling_type": pooling_type}))
    assert describe_gguf(path).pooling is None


def test_a_long_text_is_skipped(path: Path, gguf_bytes: GgufBytes) -> None:
    path.write_bytes(gguf_bytes({"tokenizer.chat_template": "x" * 100_000, **VALUES}))
    assert describe_gguf(path).name == "tiny"


def test_missing(path: Path) -> None:
    with pytest.raises(StartRefused, match="no model file"):
        describe_gguf(path)


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="not a file"):
        describe_gguf(tmp_path)


def test_a_pipe_does_not_hang(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(StartRefused, match="not a file"):
        describe_gguf(path)


def test_a_path_with_nul() -> None:
    with pytest.raises(StartRefused, match="cannot be read"):
        describe_gguf(Path("a\0b.gguf"))


def test_a_path_below_a_file(path: Path) -> None:
    path.touch()
    with pytest.raises(StartRefused, match="cannot be read"):
        describe_gguf(path / "x.gguf")


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04" + bytes(100), bytes(100)])
def test_other_files(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StartRefused, match=r"not a GGUF file|ends in the middle"):
        describe_gguf(path)


@pytest.mark.parametrize("version", [1, 4, 0x03000000])
def test_other_versions(path: Path, gguf_bytes: GgufBytes, version: int) -> None:
    content = gguf_bytes(VALUES)
    path.write_bytes(content[:4] + struct.pack("<I", version) + content[8:])
    with pytest.raises(StartRefused, match="GGUF version"):
        describe_gguf(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("general.architecture", 7),
        ("bert.context_length", 0),
        ("bert.embedding_length", "wide"),
    ],
)
def test_values_of_the_wrong_kind(
    path: Path, gguf_bytes: GgufBytes, key: str, value: object
) -> None:
    path.write_bytes(gguf_bytes({**VALUES, key: value}))
    with pytest.raises(StartRefused, match="cannot be used because"):
        describe_gguf(path)


def test_every_truncation_is_refused(path: Path, gguf_bytes: GgufBytes) -> None:
    content = gguf_bytes(VALUES)
    for n_bytes in range(len(content)):
        path.write_bytes(content[:n_bytes])
        with pytest.raises(StartRefused, match="cannot be used because"):
            describe_gguf(path)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("n_items", [2**20, 2**40, 2**63, 2**64 - 1])
@pytest.mark.parametrize("kind", [0, 8, 9, 12])
def test_lists_that_announce_more_than_there_is(path: Path, n_items: int, kind: int) -> None:
    key = struct.pack("<Q", 1) + b"k"
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key
    path.write_bytes(head + struct.pack("<IIQ", 9, kind, n_items) + bytes(1000))
    with pytest.raises(StartRefused, match="cannot be used because"):
        describe_gguf(path)


@pytest.mark.timeout(10)
def test_a_large_file_of_zeros_ends_soon(path: Path) -> None:
    """Every zero is an empty key or an empty text: nothing in it stops a trusting reader."""
    with path.open("wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63))
        file.truncate(1 << 30)
    with pytest.raises(StartRefused, match="announces"):
        describe_gguf(path)


# The fixtures hold nothing that one example could leave to the next.
fuzz = settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(data=st.data())
def test_mutated_headers_are_read_or_refused(
    path: Path, gguf_bytes: GgufBytes, data: st.DataObject
) -> None:
    content = bytearray(gguf_bytes(VALUES))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        stop = data.draw(st.integers(start, min(start + 8, len(content))))
        content[start:stop] = data.draw(st.binary(max_size=8))
    path.write_bytes(content)
    _read_or_refused(path)


@fuzz
@given(tail=st.binary(max_size=200))
def test_any_bytes_after_the_magic_are_read_or_refused(path: Path, tail: bytes) -> None:
    path.write_bytes(b"GGUF" + struct.pack("<I", 3) + tail)
    _read_or_refused(path)


def _read_or_refused(path: Path) -> None:
    try:
        facts = describe_gguf(path)
    except StartRefused:
        return
    assert facts.architecture is not None
    assert facts.context_length > 0
    assert facts.embedding_length > 0
