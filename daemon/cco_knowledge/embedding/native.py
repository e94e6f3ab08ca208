"""The one importer of llama.cpp: a model and its contexts, through llama-cpp-python's ctypes layer.

`import llama_cpp` also loads chat formats, samplers, jinja2 and numpy (0.7 s, 37 MB); its own
`Llama.embed` cuts long texts without a word and loops over tokens in Python. `llama_cpp.llama_cpp`
is the thin layer below (0.07 s, 16 MB); the version is pinned exactly.
"""

import ctypes
import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cco_knowledge.errors import EmbeddingFailed, StartRefused
from cco_knowledge.package_shell import install_shell
from cco_knowledge.process_memory import large_blocks_apart, release_pages
from cco_knowledge.types import Vector
from cco_knowledge.vectors import normalised

os.environ.setdefault("GOMP_SPINCOUNT", "10000")
# NOTE: for how long OpenMP's threads spin before they sleep; read when the library is loaded. With
# its default of minutes, two threads take 784 ms (p95) where other work wants the cores, with this
# 89 ms, and as little as the default (17 ms p50, one thread 26 to 32 ms) where nothing else does.


def _load_llama() -> Any:
    install_shell("llama_cpp", "llama-cpp-python")
    from llama_cpp import llama_cpp

    return llama_cpp


_llama = _load_llama()
_POOLING = {
    "mean": _llama.LLAMA_POOLING_TYPE_MEAN,
    "cls": _llama.LLAMA_POOLING_TYPE_CLS,
    "last": _llama.LLAMA_POOLING_TYPE_LAST,
}


@_llama.llama_log_callback  # type: ignore[untyped-decorator]
def _ignore_log(_level: int, _text: bytes, _user_data: object) -> None:
    """llama.cpp logs parts of prompts; what matters comes back as return codes."""


class Model:
    """Weights in memory, shared by all contexts. Immutable, so safe from any thread."""

    def __init__(self, path: Path) -> None:
        """Raises StartRefused when llama.cpp cannot load the file."""
        _llama.llama_log_set(_ignore_log, None)
        _llama.llama_backend_init()
        params = _llama.llama_model_default_params()
        params.n_gpu_layers = 0
        self._handle = _llama.llama_model_load_from_file(str(path).encode(), params)
        if not self._handle:
            raise StartRefused(
                f"llama.cpp cannot load {path}: it is damaged or of a kind that this version does "
                "not know. Fetch it again with `kmctl model pull`, or choose another model."
            )
        self._vocabulary = _llama.llama_model_get_vocab(self._handle)
        self.dim: int = _llama.llama_model_n_embd_out(self._handle)

    def tokens(self, text: str) -> Sequence[int]:
        """Token ids with the model's own special tokens around them; none is read from `text`."""
        encoded = text.encode()
        capacity = len(encoded) + 8
        buffer = (_llama.llama_token * capacity)()
        count = _llama.llama_tokenize(
            self._vocabulary, encoded, len(encoded), buffer, capacity, True, False
        )
        if count < 0:
            raise EmbeddingFailed("The model's tokenizer refused the text.")
        return list(buffer[:count])

    def new_context(self, window_tokens: int, pooling: str) -> "Context":
        n_vocabulary = _llama.llama_vocab_n_tokens(self._vocabulary)
        return Context(self._handle, window_tokens, pooling, self.dim, n_vocabulary)

    def close(self) -> None:
        """Only after all its contexts are closed."""
        _llama.llama_model_free(self._handle)


class Context:
    """Buffers for one text at a time. Not thread-safe: one thread owns it."""

    def __init__(
        self, model: Any, window_tokens: int, pooling: str, dim: int, n_vocabulary: int
    ) -> None:
        params = _llama.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = window_tokens
        params.n_seq_max = 1
        params.embeddings = True
        # NOTE: on and off differ by up to 0.0004 in cosine: one of them, for good. On, long texts
        # take half the time; both stay above 0.999 against the original model (tests/models).
        params.flash_attn_type = _llama.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.pooling_type = _POOLING[pooling]
        params.no_perf = True
        # It takes 23 MB for a plan of many graphs, and writes to a fiftieth of that.
        with large_blocks_apart():
            self._handle = _llama.llama_init_from_model(model, params)
        if not self._handle:
            raise EmbeddingFailed("llama.cpp could not make a context: not enough memory.")
        self._memory = _llama.llama_get_memory(self._handle)
        self._dim = dim
        self._logits_bytes_per_token = 4 * n_vocabulary
        self._longest = 0

    def embed(self, tokens: Sequence[int], n_threads: int) -> Vector:
        """Takes 5 to 200 ms and cannot be interrupted; releases the GIL.

        More than one thread counts only where llama.cpp was built with OpenMP: without, its
        threads spin however long they wait.

        Raises:
            EmbeddingFailed
        """
        n_used = n_threads if _has_openmp() else 1
        _llama.llama_set_n_threads(self._handle, n_used, n_used)
        buffer = (_llama.llama_token * len(tokens))(*tokens)
        batch = _llama.llama_batch_get_one(buffer, len(tokens))
        if self._memory:
            _llama.llama_memory_clear(self._memory, True)
            code = _llama.llama_decode(self._handle, batch)
        else:
            code = _llama.llama_encode(self._handle, batch)
        pooled = _llama.llama_get_embeddings_seq(self._handle, 0) if code == 0 else None
        if not pooled:
            raise EmbeddingFailed(f"llama.cpp could not embed the text (code {code}).")
        self._release_logits(len(tokens))
        return normalised(ctypes.string_at(pooled, self._dim * 4))

    def close(self) -> None:
        _llama.llama_free(self._handle)

    def _release_logits(self, n_tokens: int) -> None:
        """llama.cpp zeroes room for logits that an embedding never has: 122 KB a token of MiniLM's.

        The room only grows, so it is given back to the system when a longer text than any before
        has made it grow.
        """
        if n_tokens > self._longest:
            self._longest = n_tokens
            address = ctypes.cast(_llama.llama_get_logits(self._handle), ctypes.c_void_p).value
            if address:
                release_pages(address, n_tokens * self._logits_bytes_per_token)


@functools.cache
def _has_openmp() -> bool:
    return b"OPENMP = 1" in _llama.llama_print_system_info()
