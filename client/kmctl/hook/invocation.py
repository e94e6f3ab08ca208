"""From a hook's arguments and input to its answer."""

import getopt
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cco_knowledge_client import KnowledgeClient
from cco_knowledge_client.places import default_socket_path
from kmctl.hook.events import EVENTS


def answer(arguments: Sequence[str], data: bytes) -> str:
    """A text for the agent, or nothing. Raises whatever went wrong."""
    options, (event,) = getopt.gnu_getopt(list(arguments), "", ["home=", "socket=", "verbose"])
    given = dict(options)
    socket_path = _socket_path(given.get("--home"), given.get("--socket"))
    with KnowledgeClient(socket_path) as knowledge:
        return EVENTS[event](json.loads(data), knowledge.call)


def _socket_path(home: str | None, socket: str | None) -> Path:
    """As kmctl finds it, without its imports (20 ms) where no setting can matter."""
    if socket:
        return Path(socket)
    environ: Mapping[str, str] = {**os.environ, "CCO_HOME": home} if home else os.environ
    folder = Path(environ.get("CCO_HOME") or Path.home() / ".cco")
    if "CCO_KNOWLEDGE_SOCKET_PATH" in environ or (folder / "knowledge.toml").exists():
        return _configured_socket_path(home)
    return default_socket_path(environ)


def _configured_socket_path(home: str | None) -> Path:
    from kmctl.options import Invocation
    from kmctl.reach import socket_path

    return socket_path(Invocation(home=home))
