"""One report: its parts, cleaned and packed."""

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from cco_knowledge_client import KnowledgeError
from kmctl.bugreport import parts
from kmctl.bugreport.privacy import Privacy, privacy_of
from kmctl.doctor.checks import Result, run_checks
from kmctl.doctor.setup import Setup, observe
from kmctl.options import Invocation

_FOLDER = "kmctl-bugreport"
_MODE = 0o600


def report_files(invocation: Invocation) -> dict[str, bytes]:
    """By their names."""
    setup = observe(invocation)
    privacy = privacy_of(setup.home.path, parts.private_words(setup))
    values = {
        "versions.json": parts.versions(),
        "configuration.json": parts.configuration(setup),
        "doctor.json": _examination(invocation),
        "daemon.json": parts.daemon(setup),
        "statistics.json": _statistics(setup),
        "files.json": parts.home_files(setup.home),
        "log.json": parts.log_lines(setup.home.log),
    }
    return {name: _encoded(_cleaned(value, privacy)) for name, value in values.items()}


def packed(contents: Mapping[str, bytes]) -> bytes:
    """A tar.gz whose headers name nobody."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name, data in contents.items():
            header = tarfile.TarInfo(f"{_FOLDER}/{name}")
            header.size, header.mode = len(data), _MODE
            tar.addfile(header, io.BytesIO(data))
    return archive.getvalue()


def _examination(invocation: Invocation) -> list[dict[str, str]]:
    return [
        {
            "name": result.check.name,
            "state": result.finding.state,
            "what": "(not shown)" if _quotes(result) else result.finding.what,
        }
        for result in run_checks(invocation, fix=False)
    ]


def _quotes(result: Result) -> bool:
    """Refusals quote keys that a user made up, and those of the log what was configured once."""
    return result.finding.state == "error" and result.check.name in ("configuration", "daemon")


def _statistics(setup: Setup) -> dict[str, Any]:
    facts: dict[str, Any] = {"schema_version": parts.schema_version(setup.home)}
    if setup.status is None or not setup.status["ready"]:
        return facts
    try:
        return facts | parts.statistics(setup.ask("knowledge.stats"))
    except KnowledgeError as error:
        return facts | {"failed": error.reason}


def _cleaned(value: Any, privacy: Privacy) -> Any:
    """Keys are ours."""
    if isinstance(value, str):
        return privacy.scrub(value)
    if isinstance(value, Mapping):
        return {key: _cleaned(inner, privacy) for key, inner in value.items()}
    return [_cleaned(inner, privacy) for inner in value] if isinstance(value, list) else value


def _encoded(value: Any) -> bytes:
    if isinstance(value, list):
        lines = ",\n".join(json.dumps(line, ensure_ascii=False) for line in value)
        return f"[\n{lines}\n]\n".encode()
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
