"""Settings as one immutable value: flags > environment > TOML file > defaults.

Pure: `load_config` reads nothing but its arguments and the TOML file that they name. Unknown
keys are errors, wherever they come from, and `Setting.source` says who set what.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin, get_type_hints

import msgspec

from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import Home, default_home_path

ENVIRONMENT_PREFIX = "CCO_KNOWLEDGE_"
_SHORT_ENVIRONMENT = {
    "CCO_KNOWLEDGE_SOCKET": "socket.path",
    "CCO_KNOWLEDGE_MODEL": "model.name",
}
_CLIENT_ENVIRONMENT = frozenset({"CCO_KNOWLEDGE_TOKEN"})

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(gt=0)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class SocketConfig(_Section, frozen=True):
    path: str = ""
    """Where to listen, at most 107 bytes (103 on macOS); empty: `knowledge.sock` in the home."""
    max_connections: _Count = 1024
    """In all; one process may have as many as it leaves free. For one more, an idle one goes."""


class ModelConfig(_Section, frozen=True):
    name: str = "all-MiniLM-L6-v2"
    """A known model's name (`kmctl model list`) or the path of a GGUF file."""


class EmbeddingConfig(_Section, frozen=True):
    threads: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0
    """Texts embedded at once, one core each, beside a short one; 0: one per core, at most 4."""
    queue_size: _Count = 1024
    """Passages that may wait; further work is refused with `overloaded`."""
    cache_size: Annotated[int, msgspec.Meta(ge=0)] = 2048
    """Vectors kept for texts that come again; each takes 4 bytes a dimension."""


class StoreConfig(_Section, frozen=True):
    cache_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 32 << 20
    """Upper bound of LanceDB's own caches."""
    durability: Literal["full", "process"] = "full"
    """`full`: what is acknowledged survives a loss of power; `process`: only the daemon's death."""


class KnowledgeConfig(_Section, frozen=True):
    extra_types: tuple[str, ...] = ()
    """Types allowed besides the built-in ones."""


class LimitsConfig(_Section, frozen=True):
    deadline_s: _Seconds = 60.0
    """The longest that one call may take."""
    bulk_deadline_s: _Seconds = 900.0
    """The same for a call that may embed, write or delete much."""
    drain_s: _Seconds = 30.0
    """How long a stopping daemon waits for the calls that it has accepted."""
    calls_per_s: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Of each process, after as many at once; 0: no limit. More is refused with `rate_limited`."""


class LogConfig(_Section, frozen=True):
    level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"
    """`debug`, `info`, `warning` or `error`."""
    max_bytes: Annotated[int, msgspec.Meta(ge=1 << 10)] = 10 << 20
    """A detached daemon begins a new file when its log has this size."""
    backups: _Count = 3
    """Old log files kept: `knowledge.log.1` is the newest."""


class BackupConfig(_Section, frozen=True):
    every_hours: Annotated[float, msgspec.Meta(ge=0, le=24 * 366)] = 24.0
    """A backup each so many hours, if anything has changed since the last one; 0: none."""
    keep: _Count = 7
    """Scheduled backups kept; those that you made yourself always stay."""


class AuthConfig(_Section, frozen=True):
    require_token: bool = False
    """Your own processes need a token too, as those of other users do always."""


class SecretsConfig(_Section, frozen=True):
    policy: Literal["redact", "reject", "allow"] = "redact"
    """What happens to a secret in what is stored: `redact`, `reject` the entry, or `allow` it."""
    reject_types: tuple[str, ...] = ()
    """Types for which it is `reject`, whatever `policy` says."""
    redact_types: tuple[str, ...] = ()
    """The same for `redact`; a type of two lists gets the stricter."""
    allow_types: tuple[str, ...] = ()
    """The same for `allow`."""


class Config(_Section, frozen=True):
    socket: SocketConfig = SocketConfig()
    model: ModelConfig = ModelConfig()
    embedding: EmbeddingConfig = EmbeddingConfig()
    store: StoreConfig = StoreConfig()
    knowledge: KnowledgeConfig = KnowledgeConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    backup: BackupConfig = BackupConfig()
    auth: AuthConfig = AuthConfig()
    secrets: SecretsConfig = SecretsConfig()


@dataclass(frozen=True, slots=True)
class Setting:
    """One key with its value and the place that set it."""

    key: str
    value: object
    source: str


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    home: Home
    config: Config
    settings: tuple[Setting, ...]

    @property
    def socket_path(self) -> Path:
        configured = self.config.socket.path
        return Path(configured).expanduser().absolute() if configured else self.home.socket


def setting_keys() -> dict[str, type]:
    """Every `section.key` with its type, in the order of the documentation."""
    return {
        f"{section}.{key}": hint
        for section, section_type in get_type_hints(Config).items()
        for key, hint in get_type_hints(section_type, include_extras=True).items()
    }


def load_config(flags: Mapping[str, str], environ: Mapping[str, str]) -> LoadedConfig:
    """The settings in force. `flags` has `home` and any `section.key`, as text.

    Raises:
        StartRefused: for an unknown key, a value of the wrong kind, or an unreadable file.
    """
    home = Home(
        Path(flags["home"]).expanduser().absolute()
        if flags.get("home")
        else default_home_path(dict(environ))
    )
    layers = [
        *_file_layer(home.config),
        *_environment_layer(environ),
        *((key, value, "flag") for key, value in flags.items() if key != "home"),
    ]
    chosen: dict[str, tuple[object, str]] = {}
    known = setting_keys()
    for key, value, source in layers:
        if key not in known:
            raise _unknown_key(key, source, known)
        chosen[key] = (_typed(key, value, known[key], source), source)
    return LoadedConfig(home=home, config=_build(chosen), settings=_settings(chosen))


def changed_keys(old: Config, new: Config) -> list[str]:
    """Every `section.key` whose value differs."""
    return [key for key in setting_keys() if _value(old, key) != _value(new, key)]


def with_values_of(config: Config, new: Config, keys: Sequence[str]) -> Config:
    """`config` with what `new` has for these keys."""
    sections: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    for key in keys:
        section, _, name = key.partition(".")
        sections[section][name] = _value(new, key)
    return msgspec.convert(sections, Config)


def _value(config: Config, key: str) -> object:
    section, _, name = key.partition(".")
    return getattr(getattr(config, section), name)


def _file_layer(path: Path) -> Iterator[tuple[str, object, str]]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise StartRefused(f"The configuration {path} cannot be read: {error}") from error
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StartRefused(f"The configuration {path} is not valid TOML: {error}") from error
    for section, keys in document.items():
        if not isinstance(keys, dict):
            raise StartRefused(
                f"The configuration {path} has `{section}` outside of a section. "
                "Write it as, for example: [model] and below it name = ..."
            )
        for key, value in keys.items():
            yield f"{section}.{key}", value, str(path)


def _environment_layer(environ: Mapping[str, str]) -> Iterator[tuple[str, object, str]]:
    keys = {
        ENVIRONMENT_PREFIX + key.replace(".", "_").upper(): key for key in setting_keys()
    } | _SHORT_ENVIRONMENT
    for name in sorted(environ):
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _CLIENT_ENVIRONMENT:
            continue
        if name not in keys:
            raise _unknown_key(name, "environment", keys)
        if environ[name]:
            yield keys[name], environ[name], f"environment {name}"


def _typed(key: str, value: object, hint: type, source: str) -> object:
    """Text from flags and the environment is read as the key's own type; TOML has types."""
    is_text = not source.endswith(".toml")
    try:
        if is_text and get_origin(hint) is tuple:
            value = [part.strip() for part in str(value).split(",") if part.strip()]
        return msgspec.convert(value, hint, strict=not is_text)
    except msgspec.ValidationError as error:
        raise StartRefused(f"The setting {key} ({source}) is wrong: {error}.") from error


def _unknown_key(key: str, source: str, known: Mapping[str, object]) -> StartRefused:
    nearest = difflib.get_close_matches(key, known, n=1)
    hint = f" Did you mean {nearest[0]}?" if nearest else ""
    return StartRefused(f"The setting {key} ({source}) does not exist.{hint}")


def _build(chosen: Mapping[str, tuple[object, str]]) -> Config:
    sections: dict[str, dict[str, Any]] = {}
    for key, (value, _) in chosen.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = value
    return msgspec.convert(sections, Config)


def _settings(chosen: Mapping[str, tuple[object, str]]) -> tuple[Setting, ...]:
    config = _build(chosen)
    return tuple(
        Setting(
            key=key,
            value=_value(config, key),
            source=chosen[key][1] if key in chosen else "default",
        )
        for key in setting_keys()
    )
