"""Claude Code's part in a test: its settings, a transcript, and hooks run as it runs them."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outcome import Kmctl, Outcome
from process import clean_environment

SESSION_ID = "5f0f3b0e-8f0b-4f9e-9d43-2f1d5f6f7a10"
_LIMIT_S = 60.0


@dataclass
class Claude:
    """A user's HOME with one project in it, and one session there."""

    user_home: Path
    project: str
    environment: Mapping[str, str] = field(default_factory=dict)
    last_run_s: float = 0.0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._numbers = itertools.count(1)

    @property
    def folder(self) -> Path:
        return self.user_home / "src" / self.project

    @property
    def settings(self) -> Path:
        return self.user_home / ".claude" / "settings.json"

    @property
    def transcript(self) -> Path:
        return self.user_home / "transcript.jsonl"

    def kmctl(self, *arguments: str) -> Outcome:
        home = Path(self.environment.get("CCO_HOME", self.user_home / ".cco"))
        return Kmctl(home, self._environment())(*arguments, cwd=self.user_home)

    def command(self, event: str) -> str:
        groups = json.loads(self.settings.read_text("utf-8"))["hooks"][event]
        command: str = groups[-1]["hooks"][-1]["command"]
        return command

    def hook(self, event: str, **more: object) -> Outcome:
        """Runs the command of the settings, and gives it what Claude Code gives."""
        return self.run(self.command(event), json.dumps(self.input(event, **more)).encode())

    def run(self, command: str, data: bytes) -> Outcome:
        begin_s = time.monotonic()
        ended = subprocess.run(
            ["/bin/sh", "-c", command],
            env=self._environment(),
            input=data,
            cwd=self.folder,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
        self.last_run_s = time.monotonic() - begin_s
        return Outcome(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def input(self, event: str, **more: object) -> dict[str, Any]:
        own: dict[str, dict[str, object]] = {
            "SessionStart": {"source": "startup"},
            "PreCompact": {"trigger": "auto", "custom_instructions": ""},
            "Stop": {"stop_hook_active": False, "permission_mode": "default"},
        }
        return {
            "session_id": SESSION_ID,
            "transcript_path": str(self.transcript),
            "cwd": str(self.folder),
            "hook_event_name": event,
            **own[event],
            **more,
        }

    def says(self, type_: str, content: object, **marks: object) -> None:
        """One more record in the transcript."""
        record = {
            "parentUuid": None,
            "isSidechain": False,
            "userType": "external",
            "cwd": str(self.folder),
            "sessionId": SESSION_ID,
            "version": "2.1.47",
            "gitBranch": "main",
            "type": type_,
            "message": {"role": type_, "content": content},
            "uuid": f"00000000-0000-4000-8000-{next(self._numbers):012}",
            "timestamp": "2026-11-25T10:00:00.000Z",
            **marks,
        }
        self.writes(json.dumps(record).encode() + b"\n")

    def writes(self, line: bytes) -> None:
        with self.transcript.open("ab") as transcript:
            transcript.write(line)

    def _environment(self) -> dict[str, str]:
        import_path = os.pathsep.join(filter(None, sys.path))
        own = {"PYTHONPATH": import_path, "HOME": str(self.user_home)}
        return clean_environment(self.user_home) | own | dict(self.environment)


def text(said: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": said}]
