"""The property list by which launchd runs the daemon: as rendered, and as installed."""

import html
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cco_knowledge.errors import StartRefused
from cco_knowledge_client import Conflict
from kmctl.service_manager import Places, Service
from kmctl.whole_file import whole_file

LABEL = "com.cco.knowledge"
_AFTER_DRAIN_S = 30
"""The daemon takes at most 20 s, once it has drained, to send its last answers and to close."""


def rendered(service: Service) -> str:
    """With absolute paths: launchd expands neither ~ nor variables."""
    log = str(service.home.log)
    values = {
        "{command}": "\n    ".join(
            f"<string>{_text(part)}</string>" for part in (*service.command, "--log-file", log)
        ),
        "{socket}": _text(str(service.socket)),
        "{log}": _text(log),
        "{stop_limit_s}": str(math.ceil(service.drain_s) + _AFTER_DRAIN_S),
    }
    # In one pass: a value that looks like a placeholder stays as it is.
    names = re.compile("|".join(map(re.escape, values)))
    return names.sub(lambda found: values[found[0]], _template().read_text("utf-8"))


def installed_path() -> Path:
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def installed_places() -> Places | None:
    """Of the agent that kmctl installed, or None."""
    agent = _installed()
    return _places_of(agent) if agent is not None else None


def write(service: Service) -> list[Path]:
    """Where it was not there like this already. A file that kmctl did not write stays.

    Raises:
        Conflict: there is a foreign file.
    """
    path, text = installed_path(), rendered(service)
    if path.exists():
        if installed_places() is None:
            raise Conflict(
                f"{path} exists and was not written by kmctl. Move it away, then try again."
            )
        if path.read_text("utf-8") == text:
            return []
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, mode=0o644) as file:
        file.write(text.encode())
    return [path]


def remove() -> list[Path]:
    """The file, if kmctl wrote it."""
    if installed_places() is None:
        return []
    installed_path().unlink()
    return [installed_path()]


def _installed() -> Mapping[str, Any] | None:
    import plistlib
    from xml.parsers.expat import ExpatError

    try:
        agent = plistlib.loads(installed_path().read_bytes())
    except (FileNotFoundError, plistlib.InvalidFileException, ExpatError):
        return None
    return agent if isinstance(agent, dict) else None


def _places_of(agent: Mapping[str, Any]) -> Places | None:
    """None where it is not of the shape that kmctl writes."""
    match agent:
        case {
            "Label": str(label),
            "ProgramArguments": [_, "-P", "-m", "cco_knowledge", "--home", str(home), *_],
            "Sockets": {"rpc": {"SockPathName": str(socket)}},
        } if label == LABEL:
            return Places(Path(home), Path(socket))
    return None


def _template() -> Path:
    """In a wheel beside this module; in a checkout where it is written."""
    name = f"{LABEL}.plist"
    inside = Path(__file__).with_name("_units") / "launchd" / name
    outside = Path(__file__).parents[2] / "packaging" / "launchd" / name
    return inside if inside.is_file() else outside


def _text(value: str) -> str:
    if not value.isprintable():
        raise StartRefused(f"A property list cannot name this path: {value!r}.")
    return html.escape(value, quote=False)
