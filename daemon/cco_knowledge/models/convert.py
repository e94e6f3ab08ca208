"""A sentence-transformers BERT checkpoint to GGUF, the format that llama.cpp loads.

Source: the `bert` branch of llama.cpp's convert_hf_to_gguf.py (key and tensor names) and the
GGUF specification. Written with the `gguf` package alone, so no torch is needed.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

_SPECIAL_TOKENS = frozenset({"[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]"})
_WORD_START = "▁"

_TENSOR_NAMES = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
}
_BLOCK_TENSOR_NAMES = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
# NOTE: matrices that are looked up by row, not multiplied, stay exact.
_KEPT_EXACT = frozenset({"position_embd.weight", "token_types.weight"})


def convert_bert(checkpoint: Path, target: Path, *, name: str) -> None:
    """Write `target` as a Q8_0 GGUF of the checkpoint folder.

    The folder holds `config.json`, `vocab.txt` and `model.safetensors`. The same input and the
    same version of `gguf` give the same bytes. Mean pooling is recorded; the pooler is dropped,
    because sentence embeddings do not use it.
    """
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    vocabulary = (checkpoint / "vocab.txt").read_text("utf-8").splitlines()
    writer = gguf.GGUFWriter(target, "bert")
    _write_hyperparameters(writer, config, name)
    _write_tokenizer(writer, vocabulary)
    for source_name, tensor in sorted(load_file(checkpoint / "model.safetensors").items()):
        gguf_name = _gguf_name(source_name)
        if gguf_name is not None:
            _write_tensor(writer, gguf_name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_hyperparameters(writer: gguf.GGUFWriter, config: dict[str, Any], name: str) -> None:
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _write_tokenizer(writer: gguf.GGUFWriter, vocabulary: list[str]) -> None:
    kinds = [
        gguf.TokenType.CONTROL if token in _SPECIAL_TOKENS else gguf.TokenType.NORMAL
        for token in vocabulary
    ]
    writer.add_tokenizer_model("bert")
    writer.add_token_type_count(2)
    writer.add_token_list([_gguf_token(token) for token in vocabulary])
    writer.add_token_types(kinds)
    writer.add_unk_token_id(vocabulary.index("[UNK]"))
    writer.add_sep_token_id(vocabulary.index("[SEP]"))
    writer.add_pad_token_id(vocabulary.index("[PAD]"))
    writer.add_bos_token_id(vocabulary.index("[CLS]"))
    writer.add_eos_token_id(vocabulary.index("[SEP]"))
    writer.add_mask_token_id(vocabulary.index("[MASK]"))


def _gguf_token(token: str) -> str:
    """WordPiece marks what continues a word (`##x`), llama.cpp what starts one (`▁x`)."""
    if token in _SPECIAL_TOKENS:
        return token
    return token[2:] if token.startswith("##") else _WORD_START + token


def _gguf_name(source_name: str) -> str | None:
    if source_name in _TENSOR_NAMES:
        return _TENSOR_NAMES[source_name]
    if not source_name.startswith("encoder.layer."):
        return None
    block, _, rest = source_name.removeprefix("encoder.layer.").partition(".")
    part, _, kind = rest.rpartition(".")
    return f"blk.{block}.{_BLOCK_TENSOR_NAMES[part]}.{kind}"


def _write_tensor(writer: gguf.GGUFWriter, name: str, tensor: np.ndarray[Any, Any]) -> None:
    exact = tensor.astype(np.float32)
    if exact.ndim == 1 or name in _KEPT_EXACT:
        writer.add_tensor(name, exact)
        return
    q8_0 = gguf.GGMLQuantizationType.Q8_0
    writer.add_tensor(name, gguf.quants.quantize(exact, q8_0), raw_dtype=q8_0)
