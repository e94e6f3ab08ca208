"""Scenes on a small disk. Run by test_full_disk.py in a mount namespace: `MODULE SCENE MODEL`."""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np  # noqa: F401  # before the daemon's modules, as in conftest

from entries import query_ids, store_all
from process import Daemon, refused_start
from prometheus_text import measured
from wire import RpcError

_SIZE = "48m"
_SIZE_TO_FILL = "16m"
_rng = random.Random(1)
FULL = "cco_knowledge_storage_full"


class Disk:
    """A file system in memory, with what somebody else has written on it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._filler = place / "filler"

    @property
    def free_bytes(self) -> int:
        facts = os.statvfs(self.place)
        return facts.f_bavail * facts.f_bsize

    def leave(self, n_bytes: int) -> None:
        """Fill it until only so much is left."""
        with contextlib.suppress(OSError), self._filler.open("ab") as filler:
            os.posix_fallocate(filler.fileno(), 0, self._used() + self.free_bytes - n_bytes)
        if n_bytes == 0:
            with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))

    def empty(self) -> None:
        self._filler.unlink()

    def _used(self) -> int:
        return self._filler.stat().st_size


def full(disk: Disk, start: Callable[..., Daemon]) -> None:
    """Somebody else fills it: up to the reserve, then wholly; then there is room again."""
    daemon = start()
    ids = store_all(daemon, "p", *[{}] * 200)
    ballast = daemon.home / "knowledge" / ".ballast"
    assert ballast.stat().st_blocks > 0
    disk.leave(2 << 20)
    assert measured(daemon.socket_path).value(FULL) == 1
    for method, params in [
        ("knowledge.store", {"text": "refused"}),
        ("knowledge.store_batch", {"items": [{"text": "refused"}]}),
        ("knowledge.update", {"id": ids[0], "text": "refused"}),
    ]:
        refused = daemon.refusal(method, params)
        assert (refused.reason, refused.data["retryable"]) == ("storage_full", True), method
    assert b'"stores":"refused"' in ready(daemon)
    assert daemon.call("knowledge.search", {"query": "text 7"})["count"] == 10
    assert done(daemon, "system.optimize")["state"] == "done"
    assert ballast.exists()

    disk.leave(0)
    assert disk.free_bytes == 0
    assert daemon.call("knowledge.delete", {"ids": ids[:50]})["deleted"] == 50
    assert not ballast.exists()
    assert done(daemon, "system.optimize")["state"] == "done"
    assert set(query_ids(daemon)) == set(ids[50:])
    job = done(daemon, "system.backup")
    assert job["state"] == "done" or job["error"]["reason"] == "storage_full"

    disk.empty()
    new = daemon.call("knowledge.store", {"text": "there is room again"})
    assert measured(daemon.socket_path).value(FULL) == 0
    assert b"refused" not in ready(daemon)
    assert ballast.stat().st_blocks > 0
    assert done(daemon, "system.verify")["result"]["problems"] == []
    assert daemon.stop() == 0
    again = start()
    assert set(query_ids(again)) == {*ids[50:], new["id"]}


def start_on_a_full_disk(disk: Disk, start: Callable[..., Daemon]) -> None:
    daemon = start()
    ids = store_all(daemon, "p", *[{}] * 50)
    disk.leave(0)
    daemon.kill()
    again = start()
    assert set(query_ids(again)) == set(ids)
    assert again.refusal("knowledge.store", {"text": "refused"}).reason == "storage_full"
    assert again.call("knowledge.delete", {"ids": ids[:10]})["deleted"] == 10
    disk.empty()
    assert again.call("knowledge.store", {"text": "stored"})["stored"]


def filled_by_its_own(disk: Disk, start: Callable[..., Daemon]) -> None:
    """By stores, and by an import whose parts are spooled: no half of anything is left."""
    daemon = start()
    n_stored = 0
    with contextlib.suppress(RpcError):
        while True:
            items = [large(n_stored + n) for n in range(50)]
            batch = daemon.call("knowledge.store_batch", {"items": items})
            n_stored += batch["stored"]
    assert disk.free_bytes > 0
    assert daemon.call("knowledge.stats")["total_records"] == n_stored
    params: dict[str, Any] = {"items": [large(n) for n in range(50)], "more": True}
    job = daemon.call("knowledge.import", params | {"items": [large(0)]})["id"]
    refusal = None
    while refusal is None:
        try:
            daemon.call("knowledge.import", params | {"job": job})
        except RpcError as error:
            refusal = error
    assert refusal.reason == "storage_full"
    assert daemon.call("job.cancel", {"id": job})["state"] == "cancelled"
    assert list((daemon.home / "jobs").glob("*.items")) == []
    assert daemon.call("knowledge.delete", {"expect": n_stored, "type": "general"})
    assert done(daemon, "system.optimize")["state"] == "done"


def read_only(disk: Disk, start: Callable[..., Daemon]) -> None:
    """The folder of the table becomes read-only while the daemon runs, and writable again."""
    daemon = start()
    ids = store_all(daemon, "p", {}, {})
    data = daemon.home / "knowledge"
    daemon.stop()
    mount("--bind", data, data)
    daemon = start()
    mount("-o", "remount,bind,ro", data)
    for method, params in [
        ("knowledge.store", {"text": "refused"}),
        ("knowledge.delete", {"ids": ids[:1]}),
    ]:
        refused = daemon.refusal(method, params)
        assert (refused.reason, refused.data["retryable"]) == ("unavailable", True), refused
        assert "read-only" in refused.message
    assert set(query_ids(daemon)) == set(ids)
    daemon.kill()
    daemon = start()
    assert set(query_ids(daemon)) == set(ids)
    assert daemon.refusal("knowledge.store", {"text": "refused"}).reason == "unavailable"
    mount("-o", "remount,bind,rw", data)
    assert daemon.call("knowledge.store", {"text": "stored"})["stored"]
    daemon.stop()
    mount("-o", "remount,ro", disk.place)
    assert "ead-only" in refused_start(daemon.home, *daemon.arguments)


def large(number: int) -> dict[str, Any]:
    """What no compression makes smaller."""
    return {"text": f"text {number}", "metadata": {"filler": _rng.randbytes(30_000).hex()}}


def done(daemon: Daemon, method: str) -> dict[str, Any]:
    job: dict[str, Any] = daemon.call("job.wait", {"id": daemon.call(method)["id"]})
    return job


def ready(daemon: Daemon) -> bytes:
    with daemon.raw() as raw:
        raw.send(b"GET /readyz HTTP/1.1\r\nHost: cco\r\nConnection: close\r\n\r\n")
        return raw.http_reply().body


def mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


SCENES = (full, start_on_a_full_disk, filled_by_its_own, read_only)


@contextlib.contextmanager
def daemons(home: Path, model: str) -> Iterator[Callable[..., Daemon]]:
    started: list[Daemon] = []

    def start() -> Daemon:
        started.append(Daemon(home, "--model", model).start())
        return started[-1].wait_ready()

    try:
        yield start
    finally:
        for daemon in started:
            daemon.discard()


def main() -> None:
    scene, model = sys.argv[1:]
    size = _SIZE_TO_FILL if scene == filled_by_its_own.__name__ else _SIZE
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(
            tempfile.TemporaryDirectory(dir="/tmp")
        )  # short, for the socket
        mount("-t", "tmpfs", "-o", f"size={size}", "cco", place)
        stack.callback(subprocess.run, ["umount", "-l", place], check=True)
        home = Path(place) / "home"
        home.mkdir(mode=0o700)
        with daemons(home, model) as start:
            {one.__name__: one for one in SCENES}[scene](Disk(Path(place)), start)


if __name__ == "__main__":
    main()
