import dataclasses
import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cco_knowledge.errors import StartRefused
from cco_knowledge.models import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    ModelSpec,
    model_path,
    pull_model,
    resolve,
    resolve_model,
)

GgufBytes = Callable[[Mapping[str, object]], bytes]

MINILM = KNOWN_MODELS[DEFAULT_MODEL]


def test_a_known_name(model_file: Path) -> None:
    spec = resolve_model(DEFAULT_MODEL, model_file.parent)
    assert spec == ModelSpec(
        name="all-MiniLM-L6-v2",
        path=model_file,
        sha256=MINILM.sha256,
        dim=384,
        pooling="mean",
        window_tokens=256,
        query_prefix="",
        document_prefix="",
    )


def test_a_model_that_a_package_brought_along_is_there_until_the_home_has_its_own(
    model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "_BROUGHT_ALONG", model_file.parent)
    assert resolve_model(DEFAULT_MODEL, tmp_path).path == model_file
    assert pull_model(MINILM, tmp_path, lambda _done, _total: None) == model_file
    own = tmp_path / model_file.name
    shutil.copyfile(model_file, own)
    assert resolve_model(DEFAULT_MODEL, tmp_path).path == own


def test_a_known_name_that_was_not_pulled(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="Run: kmctl model pull nomic-embed-text"):
        resolve_model("nomic-embed-text-v1.5", tmp_path)


def test_a_known_name_with_another_file(tmp_path: Path) -> None:
    model_path(MINILM, tmp_path).write_bytes(b"something else")
    with pytest.raises(StartRefused, match=r"its sha256 is .* kmctl model pull all-MiniLM-L6-v2"):
        resolve_model(DEFAULT_MODEL, tmp_path)


def test_a_known_name_with_a_folder_in_its_place(tmp_path: Path) -> None:
    model_path(MINILM, tmp_path).mkdir()
    with pytest.raises(StartRefused, match="cannot be read"):
        resolve_model(DEFAULT_MODEL, tmp_path)


def test_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="Did you mean all-MiniLM-L6-v2"):
        resolve_model("all-MiniLM-L6", tmp_path)


def test_a_known_model_by_its_path_is_the_same_model(model_file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "renamed.gguf"
    shutil.copy(model_file, elsewhere)
    by_name = resolve_model(DEFAULT_MODEL, model_file.parent)
    by_path = resolve_model(str(elsewhere), tmp_path)
    assert by_path == dataclasses.replace(by_name, path=elsewhere)


@pytest.mark.parametrize(("context_length", "window_tokens"), [(8192, 512), (128, 128)])
def test_any_other_embedding_model(
    tmp_path: Path, gguf_bytes: GgufBytes, context_length: int, window_tokens: int
) -> None:
    path = tmp_path / "my-model.gguf"
    values = {
        "general.architecture": "bert",
        "bert.context_length": context_length,
        "bert.embedding_length": 32,
        "bert.pooling_type": 3,
    }
    path.write_bytes(gguf_bytes(values))
    assert resolve_model(str(path), tmp_path / "models") == ModelSpec(
        name="my-model",
        path=path,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        dim=32,
        pooling="last",
        window_tokens=window_tokens,
        query_prefix="",
        document_prefix="",
    )


def test_a_relative_path_without_a_separator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartRefused, match=str(tmp_path / "absent.gguf")):
        resolve_model("absent.gguf", tmp_path / "models")


def test_a_model_that_does_not_embed_is_refused(tmp_path: Path, gguf_bytes: GgufBytes) -> None:
    path = tmp_path / "chat.gguf"
    values = {
        "general.architecture": "llama",
        "llama.context_length": 4096,
        "llama.embedding_length": 64,
    }
    path.write_bytes(gguf_bytes(values))
    with pytest.raises(StartRefused, match="not an embedding model"):
        resolve_model(str(path), tmp_path)
