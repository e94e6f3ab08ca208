"""From the setting `model.name` to a checked file and how to use it."""

import difflib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge.errors import StartRefused
from cco_knowledge.models.catalog import KNOWN_MODELS, KnownModel
from cco_knowledge.models.gguf_file import describe_gguf

_BROUGHT_ALONG = Path(__file__).parent
_UNKNOWN_MODEL_WINDOW_TOKENS = 512
"""Few models were trained with more, and a context costs memory by its length."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Everything that the embedding engine has to know about one model file."""

    name: str
    path: Path
    sha256: str
    dim: int
    pooling: str
    """`mean`, `cls` or `last`."""
    window_tokens: int
    query_prefix: str
    document_prefix: str


def model_path(model: KnownModel, models_dir: Path) -> Path:
    """In `models_dir`, unless only a package (docs/packages.md) has brought it along."""
    own = models_dir / f"{model.name}.gguf"
    brought = _BROUGHT_ALONG / own.name
    return brought if brought.is_file() and not own.exists() else own


def resolve_model(name_or_path: str, models_dir: Path) -> ModelSpec:
    """The model to embed with, its file read in full to make sure of its content.

    Raises:
        StartRefused: no such model, not pulled yet, damaged, or not made to embed.
    """
    if os.sep in name_or_path or name_or_path.endswith(".gguf"):
        return _resolve_path(Path(name_or_path).expanduser().absolute())
    if name_or_path not in KNOWN_MODELS:
        raise _unknown_name(name_or_path)
    return _resolve_known(KNOWN_MODELS[name_or_path], models_dir)


def file_sha256(path: Path) -> str:
    """Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _resolve_known(model: KnownModel, models_dir: Path) -> ModelSpec:
    path = model_path(model, models_dir)
    if not path.exists():
        raise StartRefused(
            f"The model {model.name} is not there yet ({path}). Run: kmctl model pull {model.name}"
        )
    sha256 = _sha256_or_refuse(path)
    if sha256 != model.sha256:
        raise StartRefused(
            f"The file {path} is not {model.name}: its sha256 is {sha256} and not {model.sha256}. "
            f"Run: kmctl model pull {model.name}"
        )
    return _spec_of_known(model, path)


def _resolve_path(path: Path) -> ModelSpec:
    facts = describe_gguf(path)
    sha256 = _sha256_or_refuse(path)
    for model in KNOWN_MODELS.values():
        if sha256 == model.sha256:
            return _spec_of_known(model, path)
    if facts.pooling is None:
        raise StartRefused(
            f"The model {path} (architecture {facts.architecture}) is not an embedding model: "
            "its header names no pooling of a text into one vector. Choose an embedding model; "
            "kmctl model list shows some."
        )
    return ModelSpec(
        name=path.stem,
        path=path,
        sha256=sha256,
        dim=facts.embedding_length,
        pooling=facts.pooling,
        window_tokens=min(facts.context_length, _UNKNOWN_MODEL_WINDOW_TOKENS),
        query_prefix="",
        document_prefix="",
    )


def _spec_of_known(model: KnownModel, path: Path) -> ModelSpec:
    return ModelSpec(
        name=model.name,
        path=path,
        sha256=model.sha256,
        dim=model.dim,
        pooling=model.pooling,
        window_tokens=model.window_tokens,
        query_prefix=model.query_prefix,
        document_prefix=model.document_prefix,
    )


def _sha256_or_refuse(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise StartRefused(f"The model {path} cannot be read: {error.strerror}.") from error


def _unknown_name(name: str) -> StartRefused:
    nearest = difflib.get_close_matches(name, KNOWN_MODELS, n=1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    return StartRefused(
        f"There is no known model named {name}.{hint} Known are {', '.join(KNOWN_MODELS)}; "
        "any other GGUF embedding model goes by its path."
    )
