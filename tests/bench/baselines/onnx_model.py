"""Writes the model's ONNX files from its original weights: `model.onnx` and `model_int8.onnx`.

The graph is the one that the usual export gives: token ids, mask and types in, the last hidden
state out, opset 17. int8 is onnxruntime's dynamic quantisation of the weights by channel.

Usage: python -m bench.baselines.onnx_model CHECKPOINT_FOLDER TARGET_FOLDER
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from safetensors.numpy import load_file

_TOKENIZER_FILES = (
    "config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_OUTPUT = "last_hidden_state"
_MASKED = -1e9


class _Graph:
    """Nodes by name, in order. Each method adds what it is named after and gives its output."""

    def __init__(self, weights: dict[str, Any], config: dict[str, Any]) -> None:
        self._weights = weights
        self._heads = config["num_attention_heads"]
        self._width = config["hidden_size"]
        self._epsilon = config["layer_norm_eps"]
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def model(self, blocks: int) -> Any:
        state = self._embeddings()
        mask = self._mask()
        for block in range(blocks):
            state = self._block(f"encoder.layer.{block}", state, mask)
        self._add("Identity", state, output=_OUTPUT)
        shape = ["batch", "tokens"]
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in _INPUTS],
            [helper.make_tensor_value_info(_OUTPUT, TensorProto.FLOAT, [*shape, self._width])],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items()],
        )
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)

    def _embeddings(self) -> str:
        words = self._add("Gather", self._weight("embeddings.word_embeddings"), "input_ids")
        types = self._add("Gather", self._weight("embeddings.token_type_embeddings"), _INPUTS[2])
        shape = self._add("Shape", "input_ids")
        count = self._add("Gather", shape, self._constant(np.int64(1)))
        numbers = self._add(
            "Range", self._constant(np.int64(0)), count, self._constant(np.int64(1))
        )
        places = self._add("Gather", self._weight("embeddings.position_embeddings"), numbers)
        both = self._add("Add", words, types)
        return self._normalised("embeddings.LayerNorm", self._add("Add", both, places))

    def _mask(self) -> str:
        """0 where there is a token, far below 0 where there is none; over all heads and rows."""
        given = self._add("Cast", "attention_mask", to=TensorProto.FLOAT)
        spread = self._add("Unsqueeze", given, self._constant(np.array([1, 2])))
        absent = self._add("Sub", self._constant(np.float32(1)), spread)
        return self._add("Mul", absent, self._constant(np.float32(_MASKED)))

    def _block(self, name: str, state: str, mask: str) -> str:
        attended = self._linear(
            f"{name}.attention.output.dense", self._attention(name, state, mask)
        )
        summed = self._add("Add", attended, state)
        state = self._normalised(f"{name}.attention.output.LayerNorm", summed)
        wide = self._gelu(self._linear(f"{name}.intermediate.dense", state))
        summed = self._add("Add", self._linear(f"{name}.output.dense", wide), state)
        return self._normalised(f"{name}.output.LayerNorm", summed)

    def _attention(self, name: str, state: str, mask: str) -> str:
        own = f"{name}.attention.self"
        query = self._by_head(self._linear(f"{own}.query", state), [0, 2, 1, 3])
        key = self._by_head(self._linear(f"{own}.key", state), [0, 2, 3, 1])
        value = self._by_head(self._linear(f"{own}.value", state), [0, 2, 1, 3])
        scale = self._constant(np.float32(np.sqrt(self._width // self._heads)))
        scores = self._add("Div", self._add("MatMul", query, key), scale)
        shares = self._add("Softmax", self._add("Add", scores, mask), axis=-1)
        mixed = self._add("Transpose", self._add("MatMul", shares, value), perm=[0, 2, 1, 3])
        return self._add("Reshape", mixed, self._constant(np.array([0, 0, self._width])))

    def _by_head(self, state: str, order: list[int]) -> str:
        shape = self._constant(np.array([0, 0, self._heads, self._width // self._heads]))
        return self._add("Transpose", self._add("Reshape", state, shape), perm=order)

    def _linear(self, name: str, state: str) -> str:
        weight = self._named(f"{name}.weight", self._weights[f"{name}.weight"].T.copy())
        return self._add("Add", self._add("MatMul", state, weight), self._weight(name, "bias"))

    def _normalised(self, name: str, state: str) -> str:
        weight, bias = self._weight(name), self._weight(name, "bias")
        return self._add("LayerNormalization", state, weight, bias, axis=-1, epsilon=self._epsilon)

    def _gelu(self, state: str) -> str:
        scaled = self._add("Div", state, self._constant(np.float32(np.sqrt(2))))
        rest = self._add("Add", self._add("Erf", scaled), self._constant(np.float32(1)))
        return self._add("Mul", self._add("Mul", state, rest), self._constant(np.float32(0.5)))

    def _weight(self, name: str, part: str = "weight") -> str:
        return self._named(f"{name}.{part}", self._weights[f"{name}.{part}"])

    def _constant(self, value: Any) -> str:
        return self._named(f"constant.{len(self._constants)}", np.asarray(value))

    def _named(self, name: str, value: Any) -> str:
        self._constants[name] = value
        return name

    def _add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        result = output or f"{kind}.{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [result], result, **attributes))
        return result


def write(checkpoint: Path, target: Path) -> None:
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    graph = _Graph(load_file(checkpoint / "model.safetensors"), config)
    full, prepared = target / "model.onnx", target / "prepared.onnx"
    onnx.save(graph.model(config["num_hidden_layers"]), str(full))
    quant_pre_process(str(full), str(prepared), skip_symbolic_shape=True)
    quantize_dynamic(
        str(prepared),
        str(target / "model_int8.onnx"),
        per_channel=True,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()
    for name in _TOKENIZER_FILES:
        shutil.copy(checkpoint / name, target)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
