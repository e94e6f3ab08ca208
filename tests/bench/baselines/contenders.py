"""Who is measured: with which program, where its libraries are, and what is said of it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from bench.baselines.environments import Environment, Node, OtherPython, ThisPython

_RUNTIME = ("onnxruntime==1.32.0", "tokenizers==0.23.3", "numpy==2.4.6")
_FLOOR = OtherPython("floor", "sqlite-vec==0.1.9", *_RUNTIME)
_FASTEMBED = ("fastembed==0.9.1", "onnxruntime==1.32.0")
MODEL_WRITER = OtherPython("model", "onnx==1.23.2", "safetensors==0.8.0", *_RUNTIME)

_THREADS = min(os.cpu_count() or 1, 4)


@dataclass(frozen=True, slots=True)
class Entrant:
    name: str
    what: str
    program: str
    """A module of this package, or a script in its folder `node`."""
    environment: Environment
    model: Literal["gguf", "onnx"] | None = "onnx"
    """In which form it gets the model's files."""
    options: Mapping[str, object] = field(default_factory=dict)
    filled_like: str | None = None
    """Another one that keeps its notes in the same way: its filled folder is copied."""
    is_peer: bool = False
    stores: bool = True
    """False: it embeds and nothing else."""


ENTRANTS = (
    Entrant(
        "daemon",
        "cco-knowledge over its socket, by the client module; search by vector, as all others do",
        "daemon",
        ThisPython(),
        "gguf",
        options={"mode": "vector"},
    ),
    Entrant(
        "daemon-hybrid",
        "the same, with the search that callers get by default: by vector and by words",
        "daemon",
        ThisPython(),
        "gguf",
        options={"mode": "hybrid"},
        filled_like="daemon",
    ),
    Entrant(
        "bare",
        "the daemon's model and table in one process, without a server",
        "bare",
        ThisPython(),
        "gguf",
    ),
    Entrant(
        "floor",
        "sqlite-vec with int8 onnxruntime in one process; WAL, synchronous=FULL",
        "floor",
        _FLOOR,
        options={"weights": "model_int8.onnx", "threads": _THREADS, "synchronous": "FULL"},
    ),
    Entrant(
        "floor-normal",
        "the same with synchronous=NORMAL: a power loss takes what was stored last",
        "floor",
        _FLOOR,
        options={"weights": "model_int8.onnx", "threads": _THREADS, "synchronous": "NORMAL"},
        filled_like="floor",
    ),
    Entrant(
        "node",
        "the old design: npm vectordb with a hash for an embedding, which finds nothing by meaning",
        "old_design.cjs",
        Node(),
        None,
    ),
    Entrant(
        "onnx-fp32",
        "onnxruntime alone with the model's original weights",
        "floor",
        _FLOOR,
        options={"weights": "model.onnx", "threads": _THREADS, "synchronous": "OFF"},
        stores=False,
    ),
    Entrant(
        "qdrant",
        "qdrant-client in its local mode with fastembed",
        "qdrant",
        OtherPython("qdrant", "qdrant-client==1.20.0", *_FASTEMBED),
        is_peer=True,
    ),
    Entrant(
        "mem0",
        "mem0 without a language model (infer=False), on local qdrant and fastembed",
        "mem0",
        OtherPython("mem0", "mem0ai==2.2.1", *_FASTEMBED),
        is_peer=True,
    ),
    Entrant(
        "chroma",
        "chromadb with a persistent client and its own embedding",
        "chroma",
        OtherPython("chroma", "chromadb==1.5.9", "onnxruntime==1.32.0"),
        options={"server": False},
        is_peer=True,
    ),
    Entrant(
        "chroma-server",
        "chromadb's server; its clients embed",
        "chroma",
        OtherPython("chroma", "chromadb==1.5.9", "onnxruntime==1.32.0"),
        options={"server": True},
        filled_like="chroma",
        is_peer=True,
    ),
    Entrant(
        "mcp-memory-service",
        "the storage that its server calls: sqlite-vec with its ONNX embedding",
        "mcp_memory",
        OtherPython(
            "mcp-memory-service", "mcp-memory-service==12.4.0", "sqlite-vec==0.1.9", *_RUNTIME
        ),
        is_peer=True,
    ),
)
EMBEDDERS = ("bare", "floor", "onnx-fp32")
"""Those that are also asked to embed alone."""
