"""Where the daemon listens, and what shows who calls, when nobody says."""

import os
from collections.abc import Mapping
from pathlib import Path


def default_socket_path(environ: Mapping[str, str]) -> Path:
    """`$CCO_KNOWLEDGE_SOCKET`, else `knowledge.sock` in `$CCO_HOME`, else in `~/.cco`."""
    configured = environ.get("CCO_KNOWLEDGE_SOCKET")
    if configured:
        return Path(configured).expanduser().absolute()
    home = environ.get("CCO_HOME")
    return (Path(home).absolute() if home else Path.home() / ".cco") / "knowledge.sock"


def token_of(given: str | None) -> str | None:
    """`$CCO_KNOWLEDGE_TOKEN` where none is given; None, or an empty one: without a token."""
    return (os.environ.get("CCO_KNOWLEDGE_TOKEN") if given is None else given) or None


def socket_path_of(given: str | os.PathLike[str] | None) -> Path:
    return default_socket_path(os.environ) if given is None else Path(given)
