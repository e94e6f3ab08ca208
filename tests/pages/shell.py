"""A shell that a reader of a page would have, and the comparison of what it prints."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cco_knowledge_client
from pages.blocks import Step
from process import clean_environment

ROOT = Path(__file__).parents[2]
_CLIENT_ROOT = Path(cco_knowledge_client.__file__).parents[1]
_READER_HOME = "/home/me"
"""The pages write it for the home of whoever reads them."""
_END = "=== end of the command ==="
_PROGRAMS = {
    "kmctl": "-m kmctl",
    "knowledge-manager": "-m kmctl.knowledge_manager",
    "cco-knowledged": "-m cco_knowledge",
}
_ID = re.compile(r"\b[a-z]+-\d{13}-[0-9a-f]{12}\b|\beyJ[\w-]{20,}")
"""Of an entry, or of the place where a page of a query ended."""
_VARYING = (
    (_ID, "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d"), "DATE"),
    (re.compile(r"\bpid +\d+"), "PID"),
    (re.compile(r"\d+\.\d+"), "NUMBER"),
)
_ANY = "…"


class Shell:
    """Runs the commands of one page, one after the other, in a checkout below `home`.

    The folder of a project that the pages tell of, `~/shop`, is there and empty.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._ids: dict[str, str] = {}
        (home / "shop").mkdir()
        programs = make_checkout(home / "cco-knowledge")
        environment = clean_environment(home) | {
            "PATH": f"{programs}:{os.defpath}",
            "PYTHONUNBUFFERED": "1",  # both outputs in the order in which a reader sees them
        }
        del environment["PYTHONPATH"]
        self._process = subprocess.Popen(
            ["/bin/sh"],
            cwd=home / "cco-knowledge",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def play(self, step: Step) -> None:
        """Run it; it must succeed and print what the page shows."""
        printed = self.run(step.command)
        if step.output is None:
            return
        shown = "\n".join(step.output)
        assert matches(shown, printed), f"$ {step.command}\n{printed}\n--- the page shows:\n{shown}"
        self._learn(_ID.findall(shown), _ID.findall(printed))

    def run(self, command: str) -> str:
        """What it prints, on both outputs. Ids that the page shows stand for the real ones."""
        for shown, real in self._ids.items():
            command = command.replace(shown, real)
        command = command.replace(_READER_HOME, str(self.home))
        assert self._process.stdin is not None
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{_END} %s\\n' $?\n")
        self._process.stdin.flush()
        printed, code = self._until_end(command)
        printed = printed.replace(str(self.home), _READER_HOME)
        assert code == 0, f"$ {command}\n{printed}\nexit code {code}"
        return printed

    def _until_end(self, command: str) -> tuple[str, int]:
        assert self._process.stdout is not None
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_END):
                return "".join(lines).removesuffix("\n").rstrip("\n"), int(line.split()[-1])
            lines.append(line)
        raise AssertionError(f"the shell ended at: {command}\n{''.join(lines)}")

    def _learn(self, shown: Sequence[str], real: Sequence[str]) -> None:
        if len(shown) != len(real):  # some are behind an ellipsis
            return
        for one, other in zip(shown, real, strict=True):
            assert self._ids.setdefault(one, other) == other, f"{one} stands for two entries"


def matches(shown: str, printed: str) -> bool:
    """A line `…` is any lines, `…` in a line any characters; ids, times and fractions differ."""
    patterns = [
        r"(?:.*\n)*?" if line.strip() == _ANY else f"{_pattern(line)}\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(patterns), f"{_steady(printed)}\n" if printed else "") is not None


def _pattern(line: str) -> str:
    return re.escape(_steady(line)).replace(re.escape(_ANY), ".*")


def _steady(text: str) -> str:
    for varying, name in _VARYING:
        text = varying.sub(name, text)
    return text


def make_checkout(folder: Path) -> Path:
    """The folder of the programs. They run this checkout; `python` has only the client."""
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (folder / "docs").symlink_to(ROOT / "docs")
    everything = os.pathsep.join(filter(None, sys.path))
    for name, arguments in _PROGRAMS.items():
        _write_program(programs / name, everything, arguments)
    _write_program(programs / "python", str(_CLIENT_ROOT), "-S")
    return programs


def _write_program(path: Path, import_path: str, arguments: str) -> None:
    interpreter, imports = shlex.quote(sys.executable), shlex.quote(import_path)
    path.write_text(f'#!/bin/sh\nPYTHONPATH={imports} exec {interpreter} {arguments} "$@"\n')
    path.chmod(0o755)
