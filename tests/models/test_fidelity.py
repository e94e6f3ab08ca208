"""Conversion, llama.cpp and its tokenizer together against the original model.

scripts/make_original_vectors computed the vectors from the publisher's own files.
"""

import array
import asyncio
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.embedding.engine import Engine, load_engine
from cco_knowledge.models import DEFAULT_MODEL, resolve_model

LEAST_COSINE = 0.999
ORIGINAL = json.loads(Path(__file__).with_name("original_vectors.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def engine(model_file: Path) -> Iterator[Engine]:
    spec = resolve_model(DEFAULT_MODEL, model_file.parent)
    loaded = load_engine(spec, threads=1, queue_size=len(ORIGINAL), cache_size=0)
    yield loaded
    asyncio.run(loaded.close())


@pytest.mark.parametrize("item", ORIGINAL, ids=lambda item: item["text"][:30])
async def test_the_vector_is_the_originals(engine: Engine, item: dict[str, Any]) -> None:
    vector = array.array("f", await engine.embed(item["text"], as_query=False))
    assert cosine(vector, item["vector"]) >= LEAST_COSINE


def cosine(a: Sequence[float], b: Sequence[float]) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / (math.hypot(*a) * math.hypot(*b))
