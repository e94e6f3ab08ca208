"""Where the daemon listens when nobody says."""

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


def socket_path_of(given: str | os.PathLike[str] | None) -> Path:
    return default_socket_path(os.environ) if given is None else Path(given)
