"""A contender that runs: commands to it and answers from it, timed here, and its memory."""

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

_ANSWER_LIMIT_S = 3_600  # a fill of 10,000 where other work wants the cores
_QUIT_LIMIT_S = 60
_PROC = Path("/proc")

Command = tuple[str, Mapping[str, Any]]
"""An operation and its parameters."""


class Failed(Exception):
    """The message is what the contender said, or what became of it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """In MB, of the measured process with its children. The peak is each one's own, added up."""

    resident: float
    proportional: float
    peak: float
    client: float
    """Resident in what is between the driver and a server; 0 where there is no server."""


@dataclass(slots=True)
class Load:
    """What came of many commands at once."""

    ms: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Load") -> None:
        self.ms += other.ms
        self.errors += other.errors
        self.seconds += other.seconds


class Program:
    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        options: Mapping[str, Any],
        variables: Mapping[str, str],
        log: Path,
    ) -> None:
        """Starts it and waits until it is ready. Raises Failed."""
        folder.mkdir(parents=True, exist_ok=True)
        self._log = log
        self._ids = itertools.count(1)
        self._unread = b""
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [*command, str(folder), json.dumps(options)],
                env={**os.environ, **variables},
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
        try:
            self._server_pid: int | None = self._answer()["server_pid"]
        except Failed:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, op: str, **params: Any) -> Any:
        """One command, and its result. Raises Failed."""
        self._send(op, params)
        answer = self._answer()
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def ms(self, op: str, **params: Any) -> float:
        """How long the command took."""
        begun_s = time.perf_counter()
        self.call(op, **params)
        return (time.perf_counter() - begun_s) * 1000

    def load(self, commands: Iterator[Command], *, callers: int, seconds: float) -> Load:
        """So many commands at once: as one is answered the next is sent, until time is up."""
        begun_s = time.perf_counter()
        load = Load()
        sent_s = {
            self._send(op, params): time.perf_counter()
            for op, params in itertools.islice(commands, callers)
        }
        while sent_s:
            answer = self._answer()
            now_s = time.perf_counter()
            took_ms = (now_s - sent_s.pop(answer["id"])) * 1000
            if "error" in answer:
                load.errors.append(answer["error"])
            else:
                load.ms.append(took_ms)
            load.seconds = now_s - begun_s
            if load.seconds < seconds:
                sent_s[self._send(*next(commands))] = time.perf_counter()
        return load

    def memory(self) -> Memory | None:
        """None where the system does not tell."""
        if not (_PROC / "self" / "smaps_rollup").exists():
            return None
        pids = _tree(self._server_pid or self._process.pid)
        client_pid = None if self._server_pid is None else self._process.pid
        return Memory(
            resident=_mb(pids, "status", "VmRSS"),
            proportional=_mb(pids, "smaps_rollup", "Pss"),
            peak=_mb(pids, "status", "VmHWM"),
            client=0.0 if client_pid is None else _mb([client_pid], "status", "VmRSS"),
        )

    def close(self) -> None:
        """Asks it to end, and waits; one that does not is killed with what it has started."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            self._send("quit", {})
            process.wait(_QUIT_LIMIT_S)
        except (Failed, subprocess.TimeoutExpired):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        finally:
            process.stdout.close()
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def _send(self, op: str, params: Mapping[str, Any]) -> int:
        id_ = next(self._ids)
        line = json.dumps({"id": id_, "op": op, **params}) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise Failed(self._last_words()) from error
        return id_

    def _answer(self) -> dict[str, Any]:
        """The next one, whosever it is."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            if not select.select([descriptor], [], [], _ANSWER_LIMIT_S)[0]:
                raise Failed(f"no answer within {_ANSWER_LIMIT_S} s")
            some = os.read(descriptor, 1 << 16)
            if not some:
                raise Failed(self._last_words())
            self._unread += some
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        return f"it ended: {lines[-1][:300] if lines else 'without a word'}"


def _tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        except OSError:  # it has just ended
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _mb(pids: Sequence[int], file: str, key: str) -> float:
    return round(sum(_kb(_PROC / str(pid) / file, key) for pid in pids) * 1024 / 1e6, 1)


def _kb(path: Path, key: str) -> int:
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError:  # it has just ended
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{key}:")), 0)
