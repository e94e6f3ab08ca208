"""The script of kmctl completion, and what it asks of kmctl."""

import shutil
import subprocess
from pathlib import Path

import pytest

from doctor.conftest import Command
from pages.shell import make_checkout

ASK = 'COMP_WORDS=(kmctl mod); COMP_CWORD=1; _kmctl_completion kmctl; echo "${COMPREPLY[@]}"'
QUESTION = {
    "bash": {"COMP_WORDS": "kmctl mod", "COMP_CWORD": "1"},
    "zsh": {"COMP_WORDS": "kmctl mod", "COMP_CWORD": "1"},
    "fish": {"COMP_WORDS": "kmctl mod", "COMP_CWORD": "mod"},
}
each_shell = pytest.mark.parametrize("shell", list(QUESTION))


def run(command: list[str], programs: Path, **environment: str) -> str:
    completed = subprocess.run(
        command,
        env={"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(programs), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert completed.stderr == ""
    return completed.stdout


def test_bash_completes_commands(command: Command, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(command("completion", "bash").out)
    sourced = f". {tmp_path}/script; {ASK}"
    assert run(["bash", "-c", sourced], make_checkout(tmp_path / "checkout")) == "model\n"


@each_shell
def test_what_the_script_asks_is_answered(shell: str, command: Command, tmp_path: Path) -> None:
    assert f"_KMCTL_COMPLETE={shell}_complete" in command("completion", shell).out
    programs = make_checkout(tmp_path)
    answer = run(["kmctl"], programs, _KMCTL_COMPLETE=f"{shell}_complete", **QUESTION[shell])
    assert "model" in answer
    assert "migrate" not in answer


@each_shell
def test_the_script_is_valid(shell: str, command: Command, tmp_path: Path) -> None:
    script = command("completion", shell)
    assert (script.code, script.err) == (0, "")
    assert command("completion", shell, "--json").json == {
        "shell": shell,
        "script": script.out.removesuffix("\n"),
    }
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script.out)
    run([shell, "-n", str(tmp_path / "script")], tmp_path)


def test_other_shells_are_refused(command: Command) -> None:
    assert command("completion", "tcsh").code == 2
