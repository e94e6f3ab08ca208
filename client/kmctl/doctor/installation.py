"""What is installed and configured: Python, packages, settings, the model, the hooks."""

import importlib.metadata
import os
import platform
import re
import resource
import sys
from pathlib import Path

from cco_knowledge.errors import StartRefused
from cco_knowledge_client import InvalidParams
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup
from kmctl.hook_settings import interpreter_of
from kmctl.installed_service import of_this_system
from kmctl.service_manager import Places
from kmctl.settings_file import SettingsFile

OLDEST_PYTHON = (3, 11)
_DISTRIBUTION = "cco-knowledge"
_FEW_FILES = 1024
_INSTALL = "scripts/setup    # or: pip install --force-reinstall cco-knowledge"
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?:==(?P<version>[\w.]+))?")


def python(_: Setup) -> Finding:
    what = f"Python {platform.python_version()} at {sys.executable}."
    if sys.version_info < OLDEST_PYTHON:
        return error(f"{what} It must be 3.11 or newer.", _INSTALL)
    return Finding(what)


def dependencies(_: Setup) -> Finding:
    needed = needed_packages()
    if not needed:
        return warning("cco-knowledge runs without being installed.", _INSTALL)
    wrong = [fault for name, pinned in needed if (fault := _fault(name, pinned))]
    if wrong:
        return error(f"{'; '.join(wrong)}.", _INSTALL)
    return Finding(f"{len(needed)} packages are installed, the pinned ones in their versions.")


def needed_packages() -> list[tuple[str, str | None]]:
    """Names, with the version where one is pinned; empty where this is not installed itself."""
    try:
        lines = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = (_REQUIREMENT.match(line) for line in lines if "extra ==" not in line)
    return [(line["name"], line["version"]) for line in found if line]


def installed_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _fault(name: str, pinned: str | None) -> str | None:
    """Of a range only the presence is judged: what the daemon pins is what it depends on most."""
    installed = installed_version(name)
    if installed is None:
        return f"{name} is missing"
    if pinned and installed != pinned:
        return f"{name} {installed} is installed and {pinned} is needed"
    return None


def configuration(setup: Setup) -> Finding:
    if setup.config is None:
        variable = re.search(r"\((?:environment )?(CCO_KNOWLEDGE_\w+)\)", setup.refusal) or (
            re.search(r"(CCO_KNOWLEDGE_\w+) \(environment\)", setup.refusal)
        )
        edit = f"${{EDITOR:-vi}} {setup.home.config}"
        return error(setup.refusal, f"unset {variable[1]}" if variable else edit)
    n_set = sum(setting.source != "default" for setting in setup.config.settings)
    return Finding(f"The settings are valid; {n_set} are not the defaults.")


def model(setup: Setup) -> Finding:
    from cco_knowledge.models import KNOWN_MODELS, resolve_model

    if setup.config is None:
        return Finding("Not judged: the settings are refused.")
    name = setup.config.config.model.name
    try:
        spec = resolve_model(name, setup.home.models)
    except StartRefused as refused:
        fix = f"model pull {name}" if name in KNOWN_MODELS else "model list"
        return error(refused.message, setup.kmctl(fix))
    return Finding(f"{spec.name} is there, sha256 {spec.sha256[:12]}….")


def open_files(setup: Setup) -> Finding:
    """Of the daemon, where the system tells; else of this shell, which a daemon would inherit.

    A service does not, and its manager allows it enough.
    """
    limit, whose = _open_files_of_daemon(setup), "the daemon"
    if limit is None and of_this_system().places() == Places(setup.home.path, setup.socket):
        return Finding("The service has a limit of its own.")
    if limit is None:
        limit, whose = resource.getrlimit(resource.RLIMIT_NOFILE)[0], "this shell"
    what = f"{limit} open files are allowed to {whose}."
    if limit != resource.RLIM_INFINITY and limit < _FEW_FILES:
        return warning(what, f"ulimit -n 4096; {setup.kmctl('restart')}")
    return Finding(what)


def _open_files_of_daemon(setup: Setup) -> int | None:
    limits = Path(f"/proc/{setup.status['pid']}/limits") if setup.status else None
    if limits is None or not limits.exists():
        return None
    found = re.search(r"^Max open files +(\d+)", limits.read_text(), re.MULTILINE)
    return int(found[1]) if found else None


def hooks(_: Setup) -> Finding:
    file = SettingsFile(Path.home() / ".claude" / "settings.json")
    try:
        found = file.hooks()
    except InvalidParams as refused:
        return warning(refused.message, f"${{EDITOR:-vi}} {file.path}")
    broken = [
        event for event, hook in found.items() if not os.access(interpreter_of(hook), os.X_OK)
    ]
    if broken:
        return warning(f"The interpreter of {', '.join(broken)} is gone.", "kmctl hooks install")
    return Finding(f"{len(found)} hooks are in {file.path}." if found else "No hooks installed.")
