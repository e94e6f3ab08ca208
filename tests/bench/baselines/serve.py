"""A contender as a program of its own: commands and answers as JSON lines.

All contenders speak this, so one driver fills, asks and times them alike. Only the standard library
is used here: each contender runs in an environment of its own.

A command is `{"id", "op", …}`, its answer `{"id", "result"}` or `{"id", "error"}`. Up to
`CALLERS` commands are under way at once, each on its own thread. The first line out says
`{"ready": true, "server_pid"}`; `quit`, or the end of the input, ends the program.
"""

import array
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

CALLERS = 10
LIMIT = 10
DIM = 384


class Note(NamedTuple):
    id: str
    text: str
    project: str


class Vectors(NamedTuple):
    """One for each note of a fill, L2-normalised float32, made before by the same model."""

    numbers: "array.array[float]"

    def of(self, number: int) -> "array.array[float]":
        return self.numbers[number * DIM : (number + 1) * DIM]


class Contender:
    """What a contender overrides. Methods are called from several threads at once."""

    server_pid: int | None = None
    """The process to be measured, where it is not this one."""

    def fill(self, notes: Sequence[Note], vectors: Vectors) -> None:
        """Many at once, before anything is timed. `vectors` may be used or not."""
        raise NotImplementedError

    def store(self, note: Note) -> None:
        raise NotImplementedError

    def batch(self, notes: Sequence[Note]) -> None:
        raise NotImplementedError

    def search(self, query: str, project: str | None) -> list[str]:
        """The ids of the `LIMIT` nearest notes, in all projects or in one."""
        raise NotImplementedError

    def embed(self, texts: Sequence[str]) -> None:
        """All of them, as fast as it can."""
        raise NotImplementedError

    def close(self) -> None:
        """What was stored stays in the folder."""


def serve(make: Callable[[Path, Mapping[str, Any]], Contender]) -> None:
    """`make` gets the folder to keep everything in, and the options of this contender."""
    said = _Said()
    folder, options = sys.argv[1:]
    contender = make(Path(folder), json.loads(options))
    said.say({"ready": True, "server_pid": contender.server_pid})
    try:
        with ThreadPoolExecutor(CALLERS) as pool:
            for line in sys.stdin:
                command = json.loads(line)
                if command["op"] == "quit":
                    break
                pool.submit(lambda command: said.say(_answer(contender, command)), command)
    finally:
        contender.close()


def _answer(contender: Contender, command: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"id": command["id"], "result": _result(contender, command)}
    except Exception as error:  # noqa: BLE001  # what a contender raises is a finding
        return {"id": command["id"], "error": f"{type(error).__name__}: {error}"[:300]}


def _result(contender: Contender, command: dict[str, Any]) -> object:
    notes = [Note(*note) for note in command.get("notes", ())]
    match command["op"]:
        case "fill":
            contender.fill(notes, _vectors(Path(command["vectors"])))
        case "store":
            contender.store(notes[0])
        case "batch":
            contender.batch(notes)
        case "search":
            return contender.search(command["query"], command["project"])
        case "embed":
            contender.embed(command["texts"])
    return None


def _vectors(path: Path) -> Vectors:
    return Vectors(array.array("f", path.read_bytes()))


class _Said:
    """Standard output for answers alone: whatever else is printed goes to standard error."""

    def __init__(self) -> None:
        self._lines = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
        self._lock = threading.Lock()
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(self, answer: dict[str, Any]) -> None:
        line = json.dumps(answer) + "\n"
        with self._lock:
            self._lines.write(line)
            self._lines.flush()
