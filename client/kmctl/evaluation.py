"""Labelled sets run through a daemon that nobody else uses and that leaves nothing."""

import itertools
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

from cco_knowledge.config import LoadedConfig
from cco_knowledge.errors import DeadlineExceeded, StartRefused
from cco_knowledge.models import resolve_model
from cco_knowledge.paths import SOCKET_PATH_MAX_BYTES, Home
from cco_knowledge_client import InvalidParams, KnowledgeClient, KnowledgeError
from kmctl.entry_lines import batches
from kmctl.labelled_set import DEPTH, Answer, LabelledSet, Query, wrong

_PREFIX = "kmctl-"
_NAME_BYTES = 40
"""More than what follows the temporary folder in the socket's path."""
_LOG_TAIL_BYTES = 4096
_LINE_BYTES = 65536


def evaluate(
    labelled: LabelledSet,
    modes: Sequence[str],
    knowledge: KnowledgeClient,
    draw: Callable[[int, int | None], None],
) -> dict[str, Any]:
    """The figures of each mode; `knowledge` is to be empty and has the entries afterwards."""
    n_entries, n_queries = len(labelled.entries), len(labelled.queries)
    n_steps = n_entries + n_queries * len(modes)
    answers: dict[str, dict[str, Answer]] = {mode: {} for mode in modes}
    for n_stored in _store(labelled, knowledge):
        draw(n_stored, n_steps)
    asked = itertools.product(modes, labelled.queries)
    for n_done, (mode, query) in enumerate(asked, n_entries + 1):
        answers[mode][query.id] = _answer(labelled, query, mode, knowledge)
        draw(n_done, n_steps)
    return {
        "entries": n_entries,
        "queries": n_queries,
        "modes": {mode: labelled.figures(answers[mode]) for mode in modes},
    }


def _store(labelled: LabelledSet, knowledge: KnowledgeClient) -> Iterator[int]:
    """How many are stored, again and again."""
    n_stored = 0
    for batch in batches(labelled.entries):
        outcomes = knowledge.store_batch([line.item for line in batch]).results
        for line, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, KnowledgeError):
                path = labelled.folder / "corpus.jsonl"
                raise wrong(path, line.number, outcome.message) from outcome
        n_stored += len(batch)
        yield n_stored


def _answer(labelled: LabelledSet, query: Query, mode: str, knowledge: KnowledgeClient) -> Answer:
    begun = time.perf_counter()
    try:
        hits = knowledge.search(query.text, limit=DEPTH, mode=mode, **query.filters)
    except InvalidParams as error:
        path = labelled.folder / "queries.jsonl"
        raise InvalidParams(f"{path}, query {query.id}: {error.message}") from error
    took_ms = (time.perf_counter() - begun) * 1000
    return Answer([hit.id for hit in hits], hits.covered, took_ms)


@contextmanager
def private_daemon(loaded: LoadedConfig, start_limit_s: float) -> Iterator[Path]:
    """The socket of a daemon with the settings and the model in force, on an empty home.

    Raises:
        StartRefused: with the daemon's own words.
        DeadlineExceeded
    """
    model = resolve_model(loaded.config.model.name, loaded.home.models).path
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_short_folder()) as folder:
        home = Home(Path(folder))
        reader, writer = os.pipe()
        with os.fdopen(reader, "rb", buffering=0) as outcome:
            process = _spawn(_flags(loaded, home, model), home, writer)
            try:
                _wait_until_ready(outcome, home, start_limit_s)
                yield home.socket
            finally:
                # What it has stored is thrown away, so it need not finish anything.
                process.kill()
                process.wait()


def _short_folder() -> str:
    """The user's choice, unless a socket's path would be too long in it."""
    folder = tempfile.gettempdir()
    is_short = len(os.fsencode(folder)) + _NAME_BYTES <= SOCKET_PATH_MAX_BYTES
    return folder if is_short else "/tmp"  # noqa: S108  # the folder in it has a random name


def _flags(loaded: LoadedConfig, home: Home, model: Path) -> list[str]:
    """All that was configured, except for what ties a daemon to its home."""
    own = {
        "socket.path": str(home.socket),
        "model.name": str(model),
        "embedding.cache_size": "0",  # else only the first mode would embed the queries
    }
    configured = {
        setting.key: _as_flag(setting.value)
        for setting in loaded.settings
        if setting.source != "default"
    }
    settings = [f"--set={key}={value}" for key, value in (configured | own).items()]
    return ["--home", str(home.path), *settings]


def _as_flag(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _spawn(flags: Sequence[str], home: Home, writer: int) -> "subprocess.Popen[bytes]":
    others = {name: text for name, text in os.environ.items() if not name.startswith("CCO_")}
    with os.fdopen(writer, "wb", buffering=0), _log(home).open("wb") as log:
        return subprocess.Popen(
            # -P: a random.py in the current folder is not the standard library's.
            [sys.executable, "-P", "-m", "cco_knowledge", "--ready-fd", str(writer), *flags],
            env=others,
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def _wait_until_ready(outcome: FileIO, home: Home, limit_s: float) -> None:
    readable, _, _ = select.select([outcome], [], [], limit_s)
    if not readable:
        raise DeadlineExceeded(f"The daemon is not ready after {limit_s:g} s.")
    line = outcome.read(_LINE_BYTES)
    if not line:
        tail = _log(home).read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
        raise StartRefused(f"The daemon ended before it was ready. It said:\n{tail}")
    message = json.loads(line)
    if "error" in message:
        raise StartRefused(message["error"]["message"])


def _log(home: Home) -> Path:
    return home.path / "log"
