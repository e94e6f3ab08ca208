"""The manual pages: they tell of everything, and the tools that read them find no fault."""

import shutil
import subprocess
from pathlib import Path

import click
import pytest

import manual
from cco_knowledge import config
from kmctl.app import kmctl
from kmctl.knowledge_manager.commands import USAGE
from reflection import leaves

PAGES = manual.pages()
each_page = pytest.mark.parametrize("name", list(PAGES))


def read(name: str) -> str:
    """As a reader sees it, on a line that never ends."""
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    environment = {"PATH": "/usr/bin:/bin", "MANWIDTH": "5000", "LANG": "C.UTF-8"}
    command = ["man", "--local-file", "--no-hyphenation", "-"]
    return subprocess.run(
        command, env=environment, input=PAGES[name], capture_output=True, text=True, check=True
    ).stdout


def test_every_command_is_there_with_its_text_and_its_options() -> None:
    text = read("kmctl.1")
    words = " ".join(text.split())
    for context in leaves(click.Context(kmctl, info_name="kmctl")):
        assert f"\n   {context.command_path} " in text, context.command_path
        assert " ".join((context.command.help or "").split()) in words, context.command_path
        for param in context.command.params:
            record = param.get_help_record(context)
            assert record is None or " ".join(" ".join(record).split()) in words, record


def test_every_setting_is_there() -> None:
    text = read("knowledge.toml.5")
    assert [key for key in config.setting_keys() if f"\n       {key} = " not in text] == []


def test_what_the_daemon_and_the_old_command_take_is_there() -> None:
    assert "--set SECTION.KEY=VALUE" in read("cco-knowledged.1")
    assert "--ready-fd" not in read("cco-knowledged.1")  # for kmctl, not for people
    shown = [line.strip() for line in read("knowledge-manager.1").splitlines()]
    assert [line for line in USAGE.splitlines() if line.strip() not in shown] == []


@each_page
def test_groff_finds_no_fault(name: str) -> None:
    _assert_silent("groff", ["-man", "-ww", "-z", "-Tutf8"], PAGES[name])


@each_page
def test_mandoc_finds_no_fault(name: str) -> None:
    _assert_silent("mandoc", ["-T", "lint", "-W", "warning"], PAGES[name])


def _assert_silent(program: str, options: list[str], page: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    ended = subprocess.run(
        [program, *options], input=page, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_text_stays_text() -> None:
    assert manual.roff(".TH 'a\\b' --x") == r"\&.TH \(aqa\eb\(aq \-\-x"


def test_the_script_writes_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["manual.py", str(tmp_path)])
    manual.main()
    assert {path.name for path in tmp_path.iterdir()} == set(PAGES)
