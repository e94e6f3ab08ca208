"""The parts of a report, as values for JSON.

What a user could have named is counted or left out: projects, agents, types and models of their
own, paths, values of settings that are texts.
"""

import platform
import re
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cco_knowledge import __version__
from cco_knowledge.models import KNOWN_MODELS
from cco_knowledge.paths import Home
from cco_knowledge.types import ENTRY_TYPES
from kmctl.daemon_log import last_lines, parsed
from kmctl.doctor.installation import installed_version, needed_packages
from kmctl.doctor.setup import Setup, files

KNOWN_NAMES = frozenset(
    {
        *("knowledge.sock", "knowledge.lock", "knowledge.toml", "api_token", "knowledge.log"),
        "credential.key",
        *("knowledge", "models", "backups", "migrations", "logs"),
        *(f"{name}.gguf" for name in KNOWN_MODELS),
    }
)
_OF_THE_DAEMON = ("version", "uptime_s", "ready", "connections", "queue", "embedding", "rss_bytes")
_LOG_LINES = 1000
_LOG_NUMBERS = ("queue_ms", "ms", "bytes_in", "bytes_out")
_LOG_WORDS = ("ts", "level", "method", "outcome")
_WORD = re.compile(r"[\w.:+-]{1,64}")
_SCHEMA = re.compile(rb"cco\.schema_version\x12(.)(.{9})", re.DOTALL)
"""A key, and the length and beginning of its value, in the metadata of a manifest of Lance's: a map
of protobuf."""


def versions() -> dict[str, Any]:
    return {
        "kmctl": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: installed_version(name) for name, _ in needed_packages()},
    }


def configuration(setup: Setup) -> list[dict[str, Any]]:
    settings = setup.config.settings if setup.config else ()
    return [
        {
            "key": setting.key,
            "value": _harmless(setting.key, setting.value),
            "source": "file" if setting.source.endswith(".toml") else setting.source.split()[0],
        }
        for setting in settings
    ]


def _harmless(key: str, value: object) -> object:
    if isinstance(value, bool | int | float) or not value or key == "log.level":
        return value
    if isinstance(value, str):
        return value if value in KNOWN_MODELS else f"({len(value)} characters)"
    return f"({len(value)} values)" if isinstance(value, tuple | list) else "(set)"


def daemon(setup: Setup) -> dict[str, Any]:
    status = setup.status or {}
    facts = {name: status[name] for name in _OF_THE_DAEMON if name in status}
    return facts | {"answers": setup.status is not None, "model": _model(status.get("model"))}


def statistics(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Counts alone; those of projects and agents without their names, the largest first."""
    by_type = stats["by_type"]
    return {
        "total_records": stats["total_records"],
        "by_type": {name: by_type[name] for name in ENTRY_TYPES if name in by_type},
        "other_types": _counts({n: c for n, c in by_type.items() if n not in ENTRY_TYPES}),
        "projects": _counts(stats["by_project"]),
        "agents": _counts(stats["by_agent"]),
        "storage": stats["storage"],
        "model": _model(stats["model"]),
    }


def _counts(by_name: Mapping[str, int]) -> list[int]:
    return sorted(by_name.values(), reverse=True)


def _model(identity: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if identity is None:
        return None
    name = identity["name"] if identity["name"] in KNOWN_MODELS else "(another)"
    return {"name": name, "sha256": identity["sha256"], "dim": identity["dim"]}


def home_files(home: Home) -> dict[str, Any]:
    """What lies in the home under names of ours; the rest and what is below them is summed up."""
    found: dict[str, dict[str, Any]] = {}
    for path, facts in files(home):
        parts = path.relative_to(home.path).parts
        name = parts[0] if parts[0] in KNOWN_NAMES else "(others)"
        row = found.setdefault(name, {"mode": None, "files": 0, "bytes": 0})
        if len(parts) == 1 and name != "(others)":
            row["mode"] = stat.filemode(facts.st_mode)
        if not stat.S_ISDIR(facts.st_mode):
            row["files"] += 1
            row["bytes"] += facts.st_size
    return found


def schema_version(home: Home) -> int | None:
    """As the newest manifest of the table has it; None: there is no table, or it cannot be told."""
    manifests = list(home.data.glob("knowledge.lance/_versions/*.manifest"))
    if not manifests:
        return None
    newest = max(manifests, key=lambda path: path.stat().st_mtime_ns)
    found = _SCHEMA.search(newest.read_bytes())
    return int(found[2][: found[1][0]]) if found else None


def log_lines(log: Path) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    return [dict(_log_fields(parsed(line))) for line in last_lines(log, _LOG_LINES)]


def _log_fields(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Only what the daemon itself writes: the event of a library may hold anything."""
    for name in _LOG_WORDS:
        if isinstance(facts.get(name), str) and _WORD.fullmatch(facts[name]):
            yield name, facts[name]
    for name in _LOG_NUMBERS:
        if isinstance(facts.get(name), int | float):
            yield name, facts[name]
    is_ours = str(facts.get("logger", "")).startswith("cco_knowledge")
    yield "event", facts["event"] if is_ours else "(not shown)"


def private_words(setup: Setup) -> Iterator[str]:
    """Names that messages may quote."""
    yield from (sys.executable, tempfile.gettempdir())
    if setup.socket != setup.home.socket:
        yield str(setup.socket)
    if setup.status is not None and setup.status["home"] != str(setup.home.path):
        yield setup.status["home"]
    if setup.config is not None:
        yield from setup.config.config.knowledge.extra_types
        yield from _own_model(setup.config.config.model.name)
    if setup.status is not None and setup.status["model"]:
        yield from _own_model(setup.status["model"]["name"])
    for path, _ in files(setup.home):
        parts = path.relative_to(setup.home.path).parts
        if not KNOWN_NAMES.issuperset(parts) and parts[0] not in ("knowledge", "backups"):
            yield str(path)


def _own_model(name: str) -> list[str]:
    return [] if name in KNOWN_MODELS else [name, Path(name).stem]
