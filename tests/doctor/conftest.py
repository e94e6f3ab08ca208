import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kmctl.boundary import run
from outcome import Outcome

Command = Callable[..., Outcome]


@pytest.fixture
def command(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """`kmctl` on a home of the test's own, of a user who has nothing else."""
    for name in list(os.environ):
        if name.startswith("CCO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CCO_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(*arguments: str) -> Outcome:
        code = run(arguments)
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call
