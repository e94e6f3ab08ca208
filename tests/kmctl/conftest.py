import os
from pathlib import Path
from typing import Any

import pytest

from kmctl.boundary import run
from outcome import Outcome


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CCO_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CCO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CCO_PROJECT", "shop")


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str) -> Outcome:
        code = run(arguments)
        out, err = capfd.readouterr()
        return Outcome(code, out, err)

    return call
