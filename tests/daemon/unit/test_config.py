"""Settings: who wins, what is refused."""

from pathlib import Path

import pytest

from cco_knowledge.config import Config, LoadedConfig, load_config, setting_keys
from cco_knowledge.errors import StartRefused


def load(
    tmp_path: Path,
    toml: str = "",
    environ: dict[str, str] | None = None,
    flags: dict[str, str] | None = None,
) -> LoadedConfig:
    (tmp_path / "knowledge.toml").write_text(toml)
    return load_config({"home": str(tmp_path)} | (flags or {}), environ or {})


def source_of(loaded: LoadedConfig, key: str) -> str:
    (source,) = [setting.source for setting in loaded.settings if setting.key == key]
    return source


TOML = "[limits]\ndeadline_s = 3\n"
ENVIRON = {"CCO_KNOWLEDGE_LIMITS_DEADLINE_S": "2"}
FLAGS = {"limits.deadline_s": "1"}


def test_defaults(tmp_path: Path) -> None:
    loaded = load_config({"home": str(tmp_path)}, {})
    assert loaded.config == Config()
    assert {setting.source for setting in loaded.settings} == {"default"}
    assert [setting.key for setting in loaded.settings] == list(setting_keys())
    assert loaded.socket_path == tmp_path / "knowledge.sock"


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    key = "limits.deadline_s"
    for deadline_s, source, loaded in (
        (1.0, "flag", load(tmp_path, TOML, ENVIRON, FLAGS)),
        (2.0, "environment CCO_KNOWLEDGE_LIMITS_DEADLINE_S", load(tmp_path, TOML, ENVIRON)),
        (3.0, str(tmp_path / "knowledge.toml"), load(tmp_path, TOML)),
        (60.0, "default", load(tmp_path)),
    ):
        assert loaded.config.limits.deadline_s == deadline_s
        assert source_of(loaded, key) == source


@pytest.mark.parametrize("key", setting_keys())
def test_every_setting_can_be_set_by_the_environment(tmp_path: Path, key: str) -> None:
    section, _, name = key.partition(".")
    value = {"path": "/s", "name": "m", "extra_types": "a, b", "level": "error"}.get(
        name, "1048576"
    )
    value = {
        "embedding.threads": "4",
        "backup.every_hours": "12",
        "auth.require_token": "true",
        "store.durability": "process",
        "secrets.policy": "allow",
    }.get(key, value)
    variable = f"CCO_KNOWLEDGE_{section}_{name}".upper()
    loaded = load(tmp_path, environ={variable: value})
    assert source_of(loaded, key) == f"environment {variable}"
    assert getattr(getattr(loaded.config, section), name) != getattr(
        getattr(Config(), section), name
    )


def test_short_names_and_the_clients_variables(tmp_path: Path) -> None:
    environ = {
        "CCO_KNOWLEDGE_SOCKET": "/run/s",
        "CCO_KNOWLEDGE_MODEL": "m.gguf",
        "CCO_KNOWLEDGE_TOKEN": "of-a-client",
        "CCO_PROJECT": "p",
        "PATH": "/bin",
    }
    loaded = load(tmp_path, environ=environ)
    assert loaded.socket_path == Path("/run/s")
    assert loaded.config.model.name == "m.gguf"
    assert "of-a-client" not in repr(loaded)


def test_an_empty_variable_is_not_given(tmp_path: Path) -> None:
    loaded = load(tmp_path, environ={"CCO_KNOWLEDGE_SOCKET": "", "CCO_KNOWLEDGE_LOG_LEVEL": ""})
    assert loaded.config == Config()


def test_the_home(tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert load_config({}, {"CCO_HOME": str(other)}).home.path == other
    flags = {"home": str(tmp_path)}
    assert load_config(flags, {"CCO_HOME": str(other)}).home.path == tmp_path


@pytest.mark.parametrize(
    ("toml", "environ", "flags", "words"),
    [
        ("[limits]\ndeadlin_s = 1", {}, {}, ["limits.deadlin_s", "Did you mean limits.deadline_s"]),
        ("[limit]\ndeadline_s = 1", {}, {}, ["limit.deadline_s", "limits.deadline_s"]),
        ("", {"CCO_KNOWLEDGE_MODLE": "x"}, {}, ["CCO_KNOWLEDGE_MODLE", "CCO_KNOWLEDGE_MODEL"]),
        ("", {}, {"log.lvl": "info"}, ["log.lvl", "log.level", "flag"]),
        ("[log]\nlevel = 5", {}, {}, ["log.level"]),
        ("[log]\nlevel = 'loud'", {}, {}, ["log.level"]),
        ("[embedding]\nthreads = '2'", {}, {}, ["embedding.threads"]),
        ("[embedding]\nthreads = 65", {}, {}, ["embedding.threads"]),
        ("", {}, {"embedding.threads": "2.5"}, ["embedding.threads"]),
        ("", {}, {"limits.drain_s": "nan"}, ["limits.drain_s"]),
        ("", {}, {"limits.deadline_s": "-1"}, ["limits.deadline_s"]),
        ("[knowledge]\nextra_types = 'a'", {}, {}, ["knowledge.extra_types"]),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path,
    toml: str,
    environ: dict[str, str],
    flags: dict[str, str],
    words: list[str],
) -> None:
    with pytest.raises(StartRefused) as refused:
        load(tmp_path, toml, environ, flags)
    assert [word for word in words if word not in refused.value.message] == []


def test_extra_types_from_everywhere(tmp_path: Path) -> None:
    file = load(tmp_path, "[knowledge]\nextra_types = ['a', 'b']")
    variable = load(tmp_path, environ={"CCO_KNOWLEDGE_KNOWLEDGE_EXTRA_TYPES": "a, b,"})
    assert file.config.knowledge.extra_types == ("a", "b")
    assert variable.config.knowledge.extra_types == ("a", "b")
