"""The comparison itself: contenders take turns in small rounds, timed by one driver.

Each phase goes round all contenders that are still in; one that fails is out, with the reason, and
keeps the rows that it has.
"""

import contextlib
import itertools
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.baselines import made
from bench.baselines.contenders import EMBEDDERS, Entrant
from bench.baselines.environments import Unavailable
from bench.baselines.program import Command, Failed, Load, Program
from bench.baselines.serve import CALLERS, Note

_CHECKED = 20
_BATCH = 100
_ROUND_STORES = 10
_ROUND_SEARCHES = 20
_SEARCH_SHARE = 0.7
_QUESTION_SEEDS = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    entries: int = 10_000
    rounds: int = 3
    clients_s: float = 10.0
    """Of each contender in each round."""
    seed: int = 1


@dataclass(slots=True)
class _Run:
    """One contender, and what is known of it."""

    entrant: Entrant
    folder: Path
    program: Program | None = None
    failed: str | None = None
    samples: dict[str, list[float]] = field(default_factory=dict)
    load: Load = field(default_factory=Load)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def started(self) -> Program:
        assert self.program is not None
        return self.program

    def note(self, row: str, sample: float) -> None:
        self.samples.setdefault(row, []).append(sample)


class Comparison:
    def __init__(self, entrants: Sequence[Entrant], work: Path, settings: Settings) -> None:
        self._settings = settings
        self._work = work
        self._runs = [_Run(entrant, work / entrant.name) for entrant in entrants]
        self._stores = [run for run in self._runs if run.entrant.stores]
        self._embedders = [run for run in self._runs if run.entrant.name in EMBEDDERS]

    def measure(self) -> dict[str, Any]:
        """All phases; what each contender gave, by its name."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_all)
            self._fill()
            rounds = range(self._settings.rounds)
            for _ in rounds:
                self._each(self._stores, "start", self._start)
            self._each(self._runs, "open", self._open)
            self._each(self._stores, "check", self._check)
            for number in rounds:
                self._each(self._stores, "calls", partial(self._calls, number))
            for number in rounds:
                self._each(self._stores, "clients", partial(self._clients, number))
            for number in rounds:
                self._each(self._embedders, "embedding", partial(self._embedding, number))
            self._each(self._runs, "end", self._end)
        return {run.entrant.name: _rows(run) for run in self._runs}

    def _each(self, runs: Sequence[_Run], phase: str, work: Callable[[_Run], None]) -> None:
        for run in runs:
            if run.failed is not None:
                continue
            begun_s = time.perf_counter()
            try:
                work(run)
            except (Failed, Unavailable) as error:
                run.failed = f"{phase}: {error}"
            took_s = time.perf_counter() - begun_s
            told = run.failed or f"{phase} {took_s:.1f} s"
            sys.stderr.write(f"{run.entrant.name}: {told}\n")

    def _fill(self) -> None:
        settings = self._settings
        notes = made.first_notes(settings.entries, settings.seed)
        self._questions = made.questions(_CHECKED, settings.seed + _QUESTION_SEEDS)
        texts = [note.text for note in notes]
        vectors = made.vectors_of(texts)
        self._exact = made.exact(made.vectors_of(self._questions), vectors)
        vectors_file = self._work / "vectors.f32"
        vectors_file.write_bytes(vectors.tobytes())
        self._each(self._stores, "fill", partial(self._fill_one, notes, vectors_file))

    def _fill_one(self, notes: Sequence[Note], vectors: Path, run: _Run) -> None:
        model = self._filled(run.entrant.filled_like)
        if model is not None:
            shutil.copytree(model.folder, run.folder, ignore=shutil.ignore_patterns("*.sock"))
        else:
            with self._program(run) as program:
                run.figures["fill_s"] = round(
                    program.ms("fill", notes=notes, vectors=str(vectors)) / 1000, 1
                )
        run.figures["disk_mb"] = round(_bytes_of(run.folder) / 1e6, 1)

    def _filled(self, name: str | None) -> _Run | None:
        return next(
            (run for run in self._runs if run.entrant.name == name and run.failed is None), None
        )

    def _start(self, run: _Run) -> None:
        """From the start of the process to the first answer, files warm."""
        begun_s = time.perf_counter()
        with self._program(run) as program:
            program.call("search", query=self._questions[0], project=None)
            run.note("start_s", time.perf_counter() - begun_s)
            memory = program.memory()
            if memory is not None:
                run.note("idle_mb", memory.resident)
                run.note("idle_proportional_mb", memory.proportional)
                run.note("client_mb", memory.client)

    def _open(self, run: _Run) -> None:
        run.program = self._program(run)

    def _check(self, run: _Run) -> None:
        """Does it find what an exact search over the same vectors finds?"""
        shares = []
        for question, exact in zip(self._questions, self._exact, strict=True):
            found = run.started.call("search", query=question, project=None)
            shares.append(len(exact.intersection(found)) / len(exact))
        run.figures["found_of_exact"] = round(statistics.mean(shares), 3)

    def _calls(self, number: int, run: _Run) -> None:
        seed = self._seed(number)
        program = run.started
        for note in made.more_notes(_ROUND_STORES, seed):
            run.note("store_ms", program.ms("store", notes=[note]))
        batch = made.more_notes(_BATCH, seed + 1)
        run.note("batch_ms", program.ms("batch", notes=batch))
        queries = made.questions(2 * _ROUND_SEARCHES, seed + 2)
        for query in queries[:_ROUND_SEARCHES]:
            run.note("search_ms", program.ms("search", query=query, project=None))
        for _ in range(_ROUND_SEARCHES):
            run.note("again_ms", program.ms("search", query=query, project=None))
        for place, query in enumerate(queries[_ROUND_SEARCHES:]):
            project = made.project(place)
            run.note("filtered_ms", program.ms("search", query=query, project=project))

    def _clients(self, number: int, run: _Run) -> None:
        """So many callers at once, seven searches to three stores."""
        commands = _mixed(self._seed(number) + 3)
        load = run.started.load(commands, callers=CALLERS, seconds=self._settings.clients_s)
        run.load.add(load)

    def _embedding(self, number: int, run: _Run) -> None:
        """The model alone: a question, a note, and a hundred notes in one call."""
        seed = self._seed(number) + 4
        program = run.started
        for query in made.questions(_ROUND_SEARCHES, seed):
            run.note("embed_query_ms", program.ms("embed", texts=[query]))
        texts = [note.text for note in made.more_notes(_BATCH, seed)]
        for text in texts[:_ROUND_STORES]:
            run.note("embed_note_ms", program.ms("embed", texts=[text]))
        run.note("embed_batch_ms", program.ms("embed", texts=texts))

    def _end(self, run: _Run) -> None:
        memory = run.started.memory()
        if memory is not None:
            run.figures["peak_mb"] = memory.peak

    def _close_all(self) -> None:
        for run in self._runs:
            if run.program is not None:
                run.program.close()

    def _program(self, run: _Run) -> Program:
        entrant = run.entrant
        return Program(
            entrant.environment.command(entrant.program),
            run.folder,
            {**entrant.options, "model": str(made.model_files(entrant.model))},
            entrant.environment.variables(),
            self._work / f"{entrant.name}.log",
        )

    def _seed(self, number: int) -> int:
        """The first of ten that nothing else uses."""
        return self._settings.seed + 10 * (number + 1)


def _mixed(seed: int) -> Iterator[Command]:
    source = random.Random(seed)
    for number in itertools.count():
        own_seed = seed * 1_000_000 + number
        if source.random() < _SEARCH_SHARE:
            yield "search", {"query": made.questions(1, own_seed)[0], "project": None}
        else:
            yield "store", {"notes": made.more_notes(1, own_seed)}


def _rows(run: _Run) -> dict[str, Any]:
    rows = run.figures | {name: spread(samples) for name, samples in run.samples.items()}
    load = run.load
    if load.seconds:
        rows["clients"] = {
            "operations_per_s": round(len(load.ms) / load.seconds, 1),
            "failed": len(load.errors),
            "first_failure": load.errors[0] if load.errors else None,
            **(spread(load.ms) if load.ms else {}),
        }
    return {
        "what": run.entrant.what,
        "is_peer": run.entrant.is_peer,
        "packages": list(run.entrant.environment.packages()),
        "failed": run.failed,
        **rows,
    }


def spread(samples: Sequence[float]) -> dict[str, float]:
    ordered = sorted(samples)
    return {
        "p50": round(statistics.median(ordered), 3),
        "p95": round(ordered[min(int(len(ordered) * 0.95), len(ordered) - 1)], 3),
    }


def _bytes_of(folder: Path) -> int:
    """As the file system counts them, each file once however often it is linked."""
    taken = {}
    for path in folder.rglob("*"):
        facts = path.lstat()
        taken[facts.st_ino] = facts.st_blocks * 512
    return sum(taken.values())
