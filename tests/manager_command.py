"""Runs of knowledge-manager, each as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from outcome import Outcome
from process import clean_environment

COMMAND = (sys.executable, "-m", "kmctl.knowledge_manager")
_LIMIT_S = 100.0


@dataclass(frozen=True, slots=True)
class Manager:
    """In one folder, on one home."""

    home: Path
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | bytes, cwd: Path | None = None) -> Outcome:
        return self.run([*COMMAND, *arguments], cwd)

    def run(self, command: list[str | bytes], cwd: Path | None = None) -> Outcome:
        ended = subprocess.run(
            command,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            cwd=cwd or self.folder,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        outcome = Outcome(ended.returncode, ended.stdout.decode(), ended.stderr.decode())
        assert "Traceback" not in outcome.err, outcome.err
        return outcome

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.variables(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def variables(self) -> dict[str, str]:
        own = {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "CCO_HOME": str(self.home),
        }
        return clean_environment(self.home) | own | dict(self.environment)


def git_folder(path: Path) -> Path:
    """A repository without git."""
    for part in ("objects", "refs"):
        (path / ".git" / part).mkdir(parents=True)
    (path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return path
