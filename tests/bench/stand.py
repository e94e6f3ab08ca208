"""A daemon with a filled store to measure: each part has its own, all from one filling."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import model_cache
from bench.texts import texts
from cco_knowledge_client import KnowledgeClient
from process import Daemon

BATCH = 100
PROJECTS = 50
TYPICAL_WORDS = (20, 60)
"""Of an entry that is there already; 40 on average."""
QUERY_WORDS = (3, 10)
_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Options:
    """How a part is to measure."""

    folder: Path
    """For whatever it makes; of the suite, and short enough for a socket in it."""
    entries: int = 10_000
    seed: int = 1
    short: bool = False

    def count(self, whole: int, short: int) -> int:
        """So many samples, or so many in the short form."""
        return short if self.short else whole


@dataclass(frozen=True, slots=True)
class Stand:
    daemon: Daemon
    knowledge: KnowledgeClient

    @property
    def home(self) -> Path:
        return self.daemon.home

    @property
    def table_folder(self) -> Path:
        return self.home / "knowledge"

    def ids(self, n: int) -> list[str]:
        """Of so many entries, or of all if there are fewer."""
        ids: list[str] = []
        cursor = None
        while len(ids) < n:
            page = self.knowledge.query(limit=min(n, 1_000), order_by="id", cursor=cursor)
            ids += [entry.id for entry in page.results]
            cursor = page.next_cursor
            if cursor is None:
                break
        return ids[:n]


@contextmanager
def stand(options: Options, entries: int | None = None) -> Iterator[Stand]:
    """A daemon that is ready, with `entries` entries; all of it is gone afterwards."""
    home = copied(options, filled(options, options.entries if entries is None else entries))
    daemon = Daemon(home).start().wait_ready()
    try:
        with KnowledgeClient(daemon.socket_path, timeout_s=_LIMIT_S) as knowledge:
            yield Stand(daemon, knowledge)
        daemon.stop()
    finally:
        daemon.discard()
        shutil.rmtree(home, ignore_errors=True)


def copied(options: Options, home: Path) -> Path:
    """A further home with the same content, whose table nothing else has open."""
    number = len(list(options.folder.iterdir()))
    copy = options.folder / f"h{number}"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("*.sock", "backups", "*.lock"))
    copy.chmod(0o700)
    return copy


def filled(options: Options, entries: int) -> Path:
    """A stopped home with so many entries, folded and indexed. Made once a run."""
    home = options.folder / f"filled-{entries}"
    if home.exists():
        return home
    making = new_home(options.folder / "filling")
    daemon = Daemon(making).start().wait_ready()
    try:
        with KnowledgeClient(daemon.socket_path, timeout_s=_LIMIT_S) as knowledge:
            items = [
                {"text": text, "project_id": f"project-{number % PROJECTS}"}
                for number, text in enumerate(
                    texts(entries, words=TYPICAL_WORDS, seed=options.seed)
                )
            ]
            for first in range(0, entries, BATCH):
                knowledge.store_batch(items[first : first + BATCH])
            knowledge.call("job.wait", {"id": knowledge.call("system.optimize")["id"]})
        daemon.stop()
    finally:
        daemon.discard()
    making.rename(home)
    return home


def new_home(path: Path) -> Path:
    """An empty one that has the model."""
    (path / "models").mkdir(mode=0o700, parents=True)
    path.chmod(0o700)
    shutil.copyfile(model(), path / "models" / model().name)
    return path


def model() -> Path:
    return model_cache.make_model(model_cache.ARCHIVE)
