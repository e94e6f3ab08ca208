"""SIGKILL at each point of a write: nothing acknowledged is lost, and a retry does no harm."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge.faults import POINTS
from cco_knowledge_client import KnowledgeClient, Unreachable
from conftest import MakeHome, assert_healthy
from entries import listed
from faulty import Faults
from process import Daemon
from reliability.expected import Act, Expected

_numbers = itertools.count()
UPKEEP = {"maintenance": "system.optimize", "backup": "system.backup"}


def store() -> Act:
    one = f"e{next(_numbers)}"
    return Act("knowledge.store", {"id": one, "text": f"text of {one}"}, {one: f"text of {one}"})


def supersede(older: str) -> Act:
    new = store()
    return Act(new.method, {**new.params, "supersedes": [older]}, new.stores, supersedes=older)


def update(one: str) -> Act:
    text = f"changed {next(_numbers)}"
    return Act("knowledge.update", {"id": one, "text": text}, {one: text})


def delete(*ids: str) -> Act:
    return Act("knowledge.delete", {"ids": list(ids)}, deletes=ids)


class Killed:
    """A home whose daemon is killed again and again, and what it has to hold."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.expected = Expected()
        self._faults = Faults(home / "faults").set()
        self.daemon = self._start()

    def play(self, act: Act) -> None:
        self.daemon.call(act.method, act.params)
        self.expected.apply(act)

    def stored(self) -> str:
        act = store()
        self.play(act)
        (one,) = act.stores
        return one

    def superseded(self) -> tuple[str, str]:
        """An entry, and the one that has replaced it."""
        older = self.stored()
        act = supersede(older)
        self.play(act)
        (newer,) = act.stores
        return older, newer

    def die(self, point: str, method: str, params: dict[str, Any]) -> None:
        self._faults.set(f"{point} kill")
        with KnowledgeClient(self.daemon.socket_path) as knowledge, suppress(Unreachable):
            begun = knowledge.call(method, params)
            knowledge.call("job.wait", {"id": begun["id"]})  # where it is a job
        assert self.daemon.wait() == -9
        self._faults.set()
        self.end()
        self.daemon = self._start()

    def faults(self, *doubts: Act) -> list[str]:
        found = listed(self.daemon, limit=1000, include_superseded=True)
        return self.expected.faults(found, doubts)

    def done(self, method: str) -> dict[str, Any]:
        job: dict[str, Any] = self.daemon.call("job.wait", {"id": self.daemon.call(method)["id"]})
        assert job["state"] == "done"
        return job

    def end(self) -> None:
        log = self.daemon.stderr
        self.daemon.discard()
        assert_healthy(log)

    def _start(self) -> Daemon:
        return Daemon(self.home, environment=self._faults.environment).start().wait_ready()


@pytest.fixture(scope="module")
def killed(new_home: MakeHome) -> Iterator[Killed]:
    made = Killed(new_home())
    yield made
    made.end()


Make = Callable[[Killed], Act]
ACTS: dict[str, Make] = {
    "store": lambda _: store(),
    "supersede": lambda killed: supersede(killed.stored()),
    "update": lambda killed: update(killed.stored()),
    "delete": lambda killed: delete(killed.stored(), killed.superseded()[1]),
}
AT: dict[str, tuple[str, ...]] = {
    "store.append": ("store",),
    "store.appended": ("store",),
    "store.synced": ("store", "update", "delete"),
    "store.upsert": ("update", "supersede"),
    "store.upserted": ("update", "supersede"),
    "store.repointed": ("delete",),
    "store.delete": ("delete",),
    "store.deleted": ("delete",),
    "embedding.call": ("store", "update"),
}


@pytest.mark.parametrize(
    ("point", "kind"), [(point, kind) for point, kinds in AT.items() for kind in kinds]
)
def test_a_kill_in_a_change(killed: Killed, point: str, kind: str) -> None:
    act = ACTS[kind](killed)
    killed.die(point, act.method, act.params)
    assert killed.faults(act) == []
    killed.play(act)
    assert killed.faults() == []


@pytest.mark.parametrize("point", sorted(p for p in POINTS if p.partition(".")[0] in UPKEEP))
def test_a_kill_in_upkeep(killed: Killed, point: str) -> None:
    killed.stored()
    method = UPKEEP[point.partition(".")[0]]
    killed.die(point, method, {})
    assert killed.faults() == []
    assert list((killed.home / "backups").glob(".*")) == []
    killed.done(method)
    assert killed.done("system.verify")["result"]["problems"] == []


def test_every_point_of_a_write_is_tried() -> None:
    others = {point for point in POINTS if point.partition(".")[0] not in {*UPKEEP, "start"}}
    assert others - {"store.sync"} == AT.keys()
