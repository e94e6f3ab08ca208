"""Embedding models as files: which are known, how they get here, what a file says about itself."""

from cco_knowledge.models.catalog import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    KnownModel,
    PackageSource,
    UrlSource,
)
from cco_knowledge.models.gguf_file import GgufFacts, describe_gguf
from cco_knowledge.models.pull import abandoned_pulls, pull_model, sweep_abandoned_pulls
from cco_knowledge.models.resolve import ModelSpec, model_path, resolve_model

__all__ = [
    "DEFAULT_MODEL",
    "KNOWN_MODELS",
    "GgufFacts",
    "KnownModel",
    "ModelSpec",
    "PackageSource",
    "UrlSource",
    "abandoned_pulls",
    "describe_gguf",
    "model_path",
    "pull_model",
    "resolve_model",
    "sweep_abandoned_pulls",
]
