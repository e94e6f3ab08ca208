"""The settings file, before and after: what is nobody else's business stays byte for byte."""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cco_knowledge_client import InvalidParams
from kmctl.hook_settings import EVENTS, Hook, hooks_for
from kmctl.settings_file import SettingsFile

HOOKS = hooks_for("/opt/a b/bin/python", ["--home", "/srv/it's"])
MOVED = hooks_for("/opt/c/bin/python", [])
OTHERS = {"type": "command", "command": "echo 'done", "timeout": 5}
HAND_WRITTEN = """\
{
    "model" : "opus",   "permissions": {"allow": ["Bash(ls:*)"]},
    "hooks": {
        "Stop": [ {"hooks": [ {"type": "command", "command": "notify-send \\u00e4"} ]} ],
        "PreToolUse": [{"matcher": "Bash", "hooks": []}]
    },
    "env": { "RATE": 1.50, "BIG": 1e400, "RATE": 2 }
}"""

few = settings(max_examples=40)
"""Each writes several files to the disk."""

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
hook_groups = st.lists(
    st.fixed_dictionaries(
        {"hooks": st.lists(st.just(OTHERS), max_size=2)},
        optional={"matcher": st.sampled_from(["", "startup", "manual"])},
    ),
    max_size=2,
)
hook_tables = st.dictionaries(st.sampled_from([*EVENTS, "PreToolUse"]), hook_groups)
all_settings = st.dictionaries(st.text().filter(lambda key: key != "hooks"), json_values).flatmap(
    lambda rest: hook_tables.map(lambda hooks: {**rest, "hooks": hooks}) | st.just(rest)
)


@st.composite
def written(draw: st.DrawFn) -> str:
    """Settings in one of the ways that people and programs write JSON."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")]))
    text = json.dumps(
        draw(all_settings),
        indent=draw(st.sampled_from([None, 2, 4, "\t", 0])),
        separators=separators,
        ensure_ascii=draw(st.booleans()),
    )
    text = draw(st.sampled_from(["", "\ufeff"])) + draw(st.sampled_from(["", " ", "\n"])) + text
    text += draw(st.sampled_from(["", "\n", "\n\n", " "]))
    return text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


def parsed(data: bytes) -> Any:
    return json.loads(data.decode("utf-8-sig"))


def with_hooks(before: dict[str, Any], hooks: Mapping[str, Hook]) -> dict[str, Any]:
    """What an installation means."""
    table = dict(before.get("hooks", {}))
    for event, hook in hooks.items():
        table[event] = [*table.get(event, []), {"hooks": [hook]}]
    return {**before, "hooks": table}


@pytest.fixture
def file(tmp_path: Path) -> SettingsFile:
    folder = tmp_path / ".claude"
    folder.mkdir()
    return SettingsFile(folder / "settings.json")


@few
@given(written())
def test_installing_and_removing_leaves_the_file_as_it_was(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = SettingsFile(Path(folder) / "settings.json")
        before = text.encode()
        file.path.write_bytes(before)

        assert file.install(HOOKS)
        installed = file.path.read_bytes()
        assert json.dumps(parsed(installed)) == json.dumps(with_hooks(parsed(before), HOOKS))
        assert file.backup.read_bytes() == before
        assert not file.install(HOOKS)
        assert file.path.read_bytes() == installed

        assert file.install(MOVED)
        assert json.dumps(parsed(file.path.read_bytes())) == json.dumps(
            with_hooks(parsed(before), MOVED)
        )
        assert file.uninstall()
        assert file.path.read_bytes() == before
        assert os.listdir(folder) == ["settings.json"]  # noqa: PTH208  # names are enough


@few
@given(written())
def test_of_a_file_edited_since_only_the_hooks_are_taken(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = SettingsFile(Path(folder) / "settings.json")
        before = text.encode()
        file.path.write_bytes(before)
        file.install(HOOKS)
        edited = {"new": 1, **parsed(file.path.read_bytes())}
        file.path.write_text(json.dumps(edited, indent=3))

        assert file.uninstall()
        expected = {"new": 1, **parsed(before)}
        assert json.dumps(parsed(file.path.read_bytes())) == json.dumps(expected)
        assert not file.backup.exists()


def test_what_is_written_by_hand_is_not_written_anew(file: SettingsFile) -> None:
    file.path.write_text(HAND_WRITTEN)
    file.install(HOOKS)
    text = file.path.read_text()
    stop_begin, stop_end = HAND_WRITTEN.split(" ],\n", 1)
    assert text.startswith(stop_begin)
    assert text.endswith(stop_end[stop_end.index("\n    },") :])

    file.path.write_text(text.replace('"opus"', '"sonnet"'))
    file.uninstall()
    assert file.path.read_text() == HAND_WRITTEN.replace('"opus"', '"sonnet"')


def test_a_new_file_is_indented_and_goes_again(file: SettingsFile) -> None:
    assert file.install(HOOKS)
    text = file.path.read_text()
    assert text == json.dumps(with_hooks({}, HOOKS), indent=2) + "\n"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert file.uninstall()
    assert list(file.path.parent.iterdir()) == []


def test_a_new_file_that_others_came_to_use_stays(file: SettingsFile) -> None:
    file.install(HOOKS)
    edited = {"model": "opus", **parsed(file.path.read_bytes())}
    file.path.write_text(json.dumps(edited, indent=2))
    file.uninstall()
    assert file.path.read_text() == '{\n  "model": "opus"\n}'


def test_a_new_file_that_claude_code_wrote_anew_goes_too(file: SettingsFile) -> None:
    file.install(HOOKS)
    file.path.write_text(json.dumps(parsed(file.path.read_bytes()), indent=2))
    file.uninstall()
    assert list(file.path.parent.iterdir()) == []


def test_a_folder_that_was_made_goes_again(tmp_path: Path) -> None:
    file = SettingsFile(tmp_path / ".claude" / "settings.json")
    file.install(HOOKS)
    file.uninstall()
    assert list(tmp_path.iterdir()) == []

    file.install(HOOKS)
    (file.path.parent / "history.jsonl").touch()
    file.uninstall()
    assert [path.name for path in file.path.parent.iterdir()] == ["history.jsonl"]


def test_a_link_stays_a_link(file: SettingsFile, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles"
    dotfiles.mkdir()
    target = dotfiles / "claude.json"
    target.write_text(HAND_WRITTEN)
    file.path.symlink_to(target)
    file.install(HOOKS)
    assert "kmctl.hook" in target.read_text()
    assert file.path.is_symlink()
    file.uninstall()
    assert file.path.is_symlink()
    assert target.read_text() == HAND_WRITTEN
    assert list(dotfiles.iterdir()) == [target]


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o444])
def test_the_mode_is_kept(file: SettingsFile, mode: int) -> None:
    file.path.write_text(HAND_WRITTEN)
    file.path.chmod(mode)
    file.install(HOOKS)
    assert stat.S_IMODE(file.path.stat().st_mode) == mode
    assert stat.S_IMODE(file.backup.stat().st_mode) == mode
    file.uninstall()
    assert stat.S_IMODE(file.path.stat().st_mode) == mode
    assert file.path.read_text() == HAND_WRITTEN


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "// comment\n{}",
        '{"a": NaN}',
        "[]",
        "[" * 100_000,
        '{"hooks": []}',
        '{"hooks": null}',
        '{"hooks": {"Stop": {}}}',
        '{"hooks": {"Stop": ["x"]}}',
        '{"hooks": {"Stop": [{"command": "x"}]}}',
        '{"hooks": {"PreCompact": [{"hooks": ["x"]}]}}',
        "\udce9",
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_what_is_no_settings_file_is_left_alone(file: SettingsFile, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
    file.path.write_bytes(data)
    for attempt in (lambda: file.install(HOOKS), file.uninstall, file.hooks):
        with pytest.raises(InvalidParams, match="is left as it is"):
            attempt()
    assert file.path.read_bytes() == data
    assert list(file.path.parent.iterdir()) == [file.path]


def test_hooks_taken_out_by_hand_are_out(file: SettingsFile) -> None:
    file.path.write_text("{}")
    file.install(HOOKS)
    file.path.write_text('{"model": "opus"}')
    assert file.hooks() == {}
    assert not file.uninstall()
    assert not file.backup.exists()
    file.install(HOOKS)
    file.uninstall()
    assert file.path.read_text() == '{"model": "opus"}'


def test_our_hook_among_others_leaves_them(file: SettingsFile) -> None:
    file.install(HOOKS)
    edited = parsed(file.path.read_bytes())
    edited["hooks"]["Stop"][0]["hooks"].insert(0, OTHERS)
    edited["hooks"]["Stop"][0]["hooks"].append(OTHERS)
    edited["hooks"]["PreCompact"] *= 2
    file.path.write_text(json.dumps(edited))
    file.uninstall()
    assert parsed(file.path.read_bytes()) == {"hooks": {"Stop": [{"hooks": [OTHERS, OTHERS]}]}}


def test_a_backup_that_is_lost_or_spoilt(file: SettingsFile) -> None:
    file.path.write_text(HAND_WRITTEN)
    file.install(HOOKS)
    file.backup.write_text("spoilt")
    with pytest.raises(InvalidParams, match="Delete it"):
        file.uninstall()
    file.backup.unlink()
    file.uninstall()
    assert file.path.read_text() == HAND_WRITTEN
