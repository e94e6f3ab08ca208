"""The knowledge base of the working directory: its project, and the daemon that has it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge_client import KnowledgeClient, KnowledgeError, Status, Unreachable, project_of
from kmctl.knowledge_manager.printing import say


@dataclass(frozen=True, slots=True)
class Base:
    project: str
    knowledge: KnowledgeClient


@contextmanager
def opened() -> Iterator[Base]:
    """Says what it opens. Starts the daemon where none answers.

    Raises:
        KnowledgeError: with the reason why it does not start.
    """
    project = project_of()
    say(f"📦 Knowledge Manager initialized for repository: {project}")
    with KnowledgeClient(_configured_socket()) as knowledge:
        is_new, status = _reach(knowledge)
        say(f"📁 Database path: {Path(status.home, 'knowledge')}")
        if is_new:
            say(f"📝 Creating new knowledge base for {project}")
            say("✅ Knowledge table created successfully")
        else:
            say(f"✅ Connected to existing knowledge base for {project}")
        yield Base(project, knowledge)


def _configured_socket() -> Path | None:
    """None: where the client looks by itself. Settings are read only where there are any."""
    if "CCO_KNOWLEDGE_SOCKET_PATH" in os.environ or (_home() / "knowledge.toml").exists():
        from kmctl.options import Invocation
        from kmctl.reach import socket_path

        return socket_path(Invocation())
    return None


def _home() -> Path:
    """As the daemon finds it."""
    return Path(os.environ.get("CCO_HOME") or Path.home() / ".cco").absolute()


def _reach(knowledge: KnowledgeClient) -> tuple[bool, Status]:
    """Whether this made the table, and the daemon's status."""
    try:
        return False, knowledge.status()
    except Unreachable:
        is_new = not (_home() / "knowledge" / "knowledge.lance").exists()
    refusal = _start_daemon()
    try:
        return is_new, knowledge.status()
    except Unreachable as error:
        raise KnowledgeError(refusal or error.message) from error


def _start_daemon() -> str:
    """Why it was refused; another call may have started one at the same time."""
    import subprocess

    # -P: a random.py in the current folder is not the standard library's.
    started = subprocess.run(
        [sys.executable, "-P", "-m", "kmctl", "start", "--detach"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    return started.stderr.decode("utf-8", "replace").strip().removeprefix("kmctl: ")
