"""The model by onnxruntime, as a contender without a server embeds: one session, called by all."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

_WINDOW_TOKENS = 256
_AT_ONCE = 8


class MiniLM:
    """all-MiniLM-L6-v2 with mean pooling, normalised. Its methods may be called by many threads."""

    def __init__(self, weights: Path, threads: int) -> None:
        """The tokenizer lies beside the weights."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(weights), options, providers=["CPUExecutionProvider"]
        )
        self._tokenizer = Tokenizer.from_file(str(weights.with_name("tokenizer.json")))
        self._tokenizer.enable_truncation(_WINDOW_TOKENS)
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        """One row a text. Texts of about one length go together, so that little is padded."""
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(encoded)), key=lambda number: len(encoded[number]))
        vectors = np.empty((len(texts), 384), np.float32)
        for first in range(0, len(order), _AT_ONCE):
            some = order[first : first + _AT_ONCE]
            vectors[some] = self._run([encoded[number] for number in some])
        return vectors

    def _run(
        self, ids: Sequence[Sequence[int]]
    ) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        longest = max(map(len, ids))
        tokens = np.zeros((len(ids), longest), np.int64)
        mask = np.zeros_like(tokens)
        for row, some in enumerate(ids):
            tokens[row, : len(some)] = some
            mask[row, : len(some)] = 1
        inputs = {
            "input_ids": tokens,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(tokens),
        }
        (states,) = self._session.run(["last_hidden_state"], inputs)
        weights = mask[:, :, None].astype(np.float32)
        pooled = (states * weights).sum(axis=1) / weights.sum(axis=1)
        vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] = pooled / np.linalg.norm(
            pooled, axis=1, keepdims=True
        )
        return vectors
