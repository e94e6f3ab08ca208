"""A daemon is stopped, restarted or upgraded under load; what of it anybody noticed."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import older_store
from cco_knowledge_client import KnowledgeClient
from outcome import Kmctl
from restarts.load import PROJECT, Client, ten_clients, working
from service.private_systemd import PrivateSystemd

KINDS: Final = ("restart", "stop", "upgrade")
_OLDER = 2
"""The schema version that an upgrade begins with."""
_ANSWERS_BEFORE = 4
_ANSWERS_AFTER = 3
_PAGE = 1000


class Administrator(Protocol):
    home: Path

    def kmctl(self, *arguments: str) -> None:
        """Raises AssertionError where it fails."""


class Detached:
    """Of a daemon that no service manager knows."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._kmctl = Kmctl(home)

    def kmctl(self, *arguments: str) -> None:
        ended = self._kmctl(*arguments)
        assert ended.code == 0, ended


class OfService:
    """Of a daemon that is a service of systemd."""

    def __init__(self, user: PrivateSystemd) -> None:
        self.home = user.home / ".cco"
        self._user = user

    def kmctl(self, *arguments: str) -> None:
        ended = self._user.sh(f"kmctl {shlex.join(arguments)}")
        assert ended.code == 0, ended


@dataclass(slots=True)
class Faults:
    """Nothing of it may be."""

    unanswered: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Acknowledged, and not there."""
    twice: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    """Another content than the one that was acknowledged last."""
    uncalled_for: list[str] = field(default_factory=list)
    """There, although it was said that they were not sent, or the daemon was stopping."""

    def __bool__(self) -> bool:
        return any(asdict(self).values())


@dataclass(slots=True)
class Round:
    kind: str
    outcomes: Counter[str]
    n_acknowledged: int
    faults: Faults

    def as_json(self) -> dict[str, Any]:
        found = {name: value for name, value in asdict(self.faults).items() if value}
        facts = {"kind": self.kind, "acknowledged": self.n_acknowledged, **self.outcomes}
        return {name.replace(" ", "_"): value for name, value in facts.items()} | found


def play(administrator: Administrator, kinds: Iterable[str]) -> Iterable[Round]:
    """Begins and ends with a daemon that runs. All that was ever acknowledged is looked for."""
    everybody: list[Client] = []
    socket = administrator.home / "knowledge.sock"
    for number, kind in enumerate(kinds):
        clients = ten_clients(socket, f"{number}-{kind}")
        everybody += clients
        with working(clients) as load:
            load.wait_for_answers(_ANSWERS_BEFORE)
            _ACTIONS[kind](administrator)
            load.wait_for_answers(_ANSWERS_AFTER)
        outcomes = sum((client.outcomes for client in clients), Counter[str]())
        n_acknowledged = sum(len(client.notes) for client in clients)
        yield Round(kind, outcomes, n_acknowledged, _faults(clients, everybody, socket))


def _restart(administrator: Administrator) -> None:
    administrator.kmctl("restart")


def _stop(administrator: Administrator) -> None:
    administrator.kmctl("stop")
    administrator.kmctl("start", "--detach")


def _upgrade(administrator: Administrator) -> None:
    """What this daemon wrote becomes what an older one had written."""
    backups = administrator.home / "backups"
    n_backups = len(list(backups.glob("*-upgrade*")))
    administrator.kmctl("stop")
    older_store.write_as_version(administrator.home / "knowledge", _OLDER)
    administrator.kmctl("start", "--detach")
    assert len(list(backups.glob("*-upgrade*"))) == n_backups + 1


_ACTIONS: Final = {"restart": _restart, "stop": _stop, "upgrade": _upgrade}


def _faults(clients: Sequence[Client], everybody: Sequence[Client], socket: Path) -> Faults:
    stored = _stored(socket)
    counted = Counter(entry["id"] for entry in stored)
    notes = {entry_id: notes for one in everybody for entry_id, notes in one.notes.items()}
    in_doubt = {entry_id for client in everybody for entry_id in client.in_doubt}
    return Faults(
        unanswered=[line for client in clients for line in client.unanswered],
        failed=[line for client in clients for line in client.failed],
        lost=sorted(set(notes) - set(counted)),
        twice=sorted(entry_id for entry_id, count in counted.items() if count > 1),
        changed=sorted(
            entry["id"]
            for entry in stored
            if entry["metadata"]["note"] not in notes.get(entry["id"], {entry["metadata"]["note"]})
        ),
        uncalled_for=sorted(set(counted) - set(notes) - in_doubt),
    )


def _stored(socket: Path) -> list[dict[str, Any]]:
    """All entries of the clients, page by page."""
    entries: list[dict[str, Any]] = []
    cursor = None
    with KnowledgeClient(socket) as knowledge:
        while True:
            params = {"project_id": PROJECT, "limit": _PAGE, "cursor": cursor}
            page = knowledge.call("knowledge.query", params)
            entries += page["results"]
            cursor = page["next_cursor"]
            if cursor is None:
                assert page["total"] == len(entries)
                return entries
