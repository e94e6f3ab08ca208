"""The engine's threads, with the real model."""

from pathlib import Path

import psutil
import pytest

from cco_knowledge import cores
from cco_knowledge.embedding.engine import load_engine
from cco_knowledge.embedding.interface import Priority
from cco_knowledge.models import DEFAULT_MODEL, resolve_model


async def test_no_thread_begins_once_the_model_is_loaded(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenMP ends the process where memory for a further thread is missing."""
    spec = resolve_model(DEFAULT_MODEL, model_file.parent)
    monkeypatch.setattr(cores, "n_unwanted", lambda: 1)
    engine = load_engine(spec, threads=2, queue_size=9, cache_size=0)
    n_threads = psutil.Process().num_threads()
    monkeypatch.setattr(cores, "n_unwanted", lambda: 2)
    await engine.embed("a query", as_query=True)
    for priority in Priority:
        await engine.embed_document("long " * 200, priority)
    assert psutil.Process().num_threads() == n_threads
    await engine.close()
