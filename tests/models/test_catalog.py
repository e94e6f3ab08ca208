import re

import pytest

from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS, KnownModel, PackageSource

each_model = pytest.mark.parametrize("model", KNOWN_MODELS.values(), ids=KNOWN_MODELS)


def test_the_default_is_known() -> None:
    assert DEFAULT_MODEL in KNOWN_MODELS


@each_model
def test_the_source_is_one_unchanging_file(model: KnownModel) -> None:
    if isinstance(model.source, PackageSource):
        assert re.fullmatch(r"[a-z0-9-]+==[0-9.]+", model.source.requirement)
    else:
        assert model.source.url.startswith("https://")
        assert "/resolve/main/" not in model.source.url


@each_model
def test_hashes_are_sha256(model: KnownModel) -> None:
    for sha256 in (model.sha256, model.source_sha256):
        assert len(bytes.fromhex(sha256)) == 32


@each_model
def test_what_is_not_converted_stays_what_it_was(model: KnownModel) -> None:
    is_same = (model.source_sha256, model.source_bytes) == (model.sha256, model.bytes)
    assert is_same == (model.checkpoint is None)


@each_model
def test_the_name_is_a_file_name_and_no_path(model: KnownModel) -> None:
    assert not set(model.name) & set("/\\ ")
    assert not model.name.endswith(".gguf")


@each_model
def test_the_engine_knows_the_pooling(model: KnownModel) -> None:
    assert model.pooling in {"mean", "cls", "last"}
