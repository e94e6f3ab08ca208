"""Runs of kmctl, and what they gave."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from process import clean_environment

_LIMIT_S = 100.0


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        assert self.out == ""
        return json.loads(self.err)["error"]


@dataclass(frozen=True, slots=True)
class Kmctl:
    """`python -m kmctl` on one home, each time as a process of its own."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, data: bytes = b"", cwd: Path | None = None) -> Outcome:
        """`data` is its standard input."""
        ended = subprocess.run(
            _command(*arguments),
            env=self._environment(),
            input=data,
            cwd=cwd,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        outcome = Outcome(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
        assert "Traceback" not in outcome.err, outcome.err
        return outcome

    def json(self, *arguments: str, data: bytes = b"", cwd: Path | None = None) -> Any:
        """The one JSON value that a run prints which goes well."""
        outcome = self(*arguments, "--json", data=data, cwd=cwd)
        assert (outcome.code, outcome.err) == (0, ""), outcome
        return outcome.json

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            _command(*arguments),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def _environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": import_path(), "CCO_HOME": str(self.home)}
        return clean_environment(self.home) | own | dict(self.environment)


def kmctl_process(*arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
    """With the environment of the test itself."""
    return subprocess.Popen(
        _command(*arguments),
        env={**os.environ, "PYTHONPATH": import_path()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kmctl", *arguments]


def import_path() -> str:
    return os.pathsep.join(filter(None, sys.path))
