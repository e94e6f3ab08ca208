"""From the options to the daemon that they mean."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import Home, default_home_path
from cco_knowledge_client import InvalidParams, KnowledgeClient, Unreachable
from kmctl.options import Invocation

if TYPE_CHECKING:
    from cco_knowledge.config import LoadedConfig

CALL_LIMIT_S = 30.0
BULK_LIMIT_S = 900.0
"""What the daemon itself allows for work on many entries."""


def home_of(invocation: Invocation) -> Home:
    if invocation.home:
        return Home(Path(invocation.home))
    return Home(default_home_path(dict(os.environ)))


def load_settings(invocation: Invocation) -> "LoadedConfig":
    """Raises InvalidParams where the daemon would refuse to start."""
    from cco_knowledge.config import load_config

    flags = {"home": invocation.home or "", "socket.path": invocation.socket or ""}
    try:
        return load_config({key: value for key, value in flags.items() if value}, os.environ)
    except StartRefused as error:
        raise InvalidParams(error.message) from error


def socket_path(invocation: Invocation) -> Path:
    """As `LoadedConfig.socket_path`; the configuration is loaded only where it can matter."""
    if invocation.socket:
        return Path(invocation.socket)
    home = home_of(invocation)
    if "CCO_KNOWLEDGE_SOCKET_PATH" in os.environ or home.config.exists():
        return load_settings(invocation).socket_path
    configured = os.environ.get("CCO_KNOWLEDGE_SOCKET")
    return Path(configured).expanduser().absolute() if configured else home.socket


def connect(invocation: Invocation, limit_s: float = CALL_LIMIT_S) -> KnowledgeClient:
    return KnowledgeClient(socket_path(invocation), timeout_s=invocation.timeout_s or limit_s)


def ask(
    invocation: Invocation,
    method: str,
    params: Mapping[str, Any] | None = None,
    limit_s: float = CALL_LIMIT_S,
) -> Any:
    """One call; the result as the daemon sent it, so that `--json` shows all of it."""
    with connect(invocation, limit_s) as knowledge:
        return knowledge.call(method, params)


def running_status(invocation: Invocation) -> dict[str, Any] | None:
    """`system.status`, or None where no daemon answers."""
    try:
        status: dict[str, Any] = ask(invocation, "system.status")
    except Unreachable:
        return None
    return status
