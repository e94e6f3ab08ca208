"""Taking secrets out of a home: of its store, its backups and its other files, and the proof.

What was found is looked for at the end, in every row that is left and in every byte of the home
but those of models.
The values themselves are in no result, no log and no file.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cco_knowledge.backing_up import Backups
from cco_knowledge.backups import files, shelf, swap
from cco_knowledge.backups.manifest import TABLE_FOLDER
from cco_knowledge.backups.shelf import UNFINISHED, Backup
from cco_knowledge.errors import KnowledgeError
from cco_knowledge.jobs import Advance
from cco_knowledge.paths import Home
from cco_knowledge.scrubbing.files_with import blot_out, count_in, files_below, forms_of
from cco_knowledge.scrubbing.secrets_in import Secrets
from cco_knowledge.scrubbing.table import Cleaner, clean, holding, look
from cco_knowledge.store.backup import rebuilt
from cco_knowledge.store.lance import LanceStore

_COPY_CACHE_BYTES = 16 << 20
_BLOTTED = ("logs", "jobs", "migrations")
"""Folders of the home with files that tell of the work, and nothing that the work needs."""
_QUARANTINE = "quarantine"
_MODELS = "models"
"""They are what was downloaded: their sha256 is proved at each start."""
_MOST_IDS = 10_000


@dataclass(frozen=True, slots=True)
class FileWith:
    path: str
    """Below the home."""
    places: int
    blotted: bool


@dataclass(frozen=True, slots=True)
class CopyWith:
    """A backup, or a store that a restore has put aside."""

    path: str
    entries: int
    """That hold secrets, or did."""
    rebuilt: bool


@dataclass(frozen=True, slots=True)
class Left:
    path: str
    what: str


@dataclass(slots=True)
class Scrubbed:
    dry_run: bool
    entries: int = 0
    """That were looked at in the store."""
    secrets: int = 0
    """Different ones, in all places."""
    ordinary: int = 0
    """Of them, too short or too common to be looked for as bytes."""
    places: dict[str, int] = field(default_factory=dict)
    """In how many entries each field held one, copies included."""
    changed: list[str] = field(default_factory=list)
    """The ids of the entries that were changed, or would be; the first 10,000."""
    copies: list[CopyWith] = field(default_factory=list)
    files: list[FileWith] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    """What is not clean, or could not be looked into."""


class Scrub:
    """One run over one home, whose store is open."""

    def __init__(self, home: Home, store: LanceStore, backups: Backups, cleaner: Cleaner) -> None:
        self._home = home
        self._store = store
        self._backups = backups
        self._cleaner = cleaner
        self._secrets = Secrets(cleaner.policy)
        self._found: dict[Path, list[str]] = {}
        """The ids of the entries of each table in which the detector found something."""

    async def run(self, advance: Advance, *, dry_run: bool) -> Scrubbed:
        """Searches and stores go on meanwhile; stores wait while the table is written anew.

        Raises:
            KeyUnusable: a credential cannot be sealed; nothing was changed in that entry.
            StorageFull, StoreFailed: it can be run again.
        """
        done = Scrubbed(dry_run)
        async with self._backups.at_rest():
            copies = await self._look_everywhere(done, advance)
            if dry_run:
                self._tell_found(done, copies)
            else:
                await self._clean_everything(done, copies if self._secrets.values else [])
            await self._search_files(done)
        return done

    async def _look_everywhere(self, done: Scrubbed, advance: Advance) -> list[Path]:
        """Before anything is changed: a secret of one place may stand in another unrecognised."""
        paths = await asyncio.to_thread(self._copies)
        advance(0, len(paths) + 1)
        done.entries, found = await look(self._store, self._secrets)
        self._found[self._home.data] = found
        readable = []
        for number, path in enumerate(paths, 1):
            advance(number, len(paths) + 1)
            try:
                async with self._opened_copy(path) as copy:
                    _, ids = await look(copy, self._secrets)
            except KnowledgeError:
                what = "It cannot be opened, so nobody knows what it holds. Remove it."
                done.left.append(Left(self._name(path), what))
            else:
                self._found[path] = ids
                readable.append(path)
        self._count(done)
        held = await holding(self._store, self._secrets)
        done.changed = list(dict.fromkeys([*found, *held]))[:_MOST_IDS]
        return readable

    async def _clean_everything(self, done: Scrubbed, copies: Sequence[Path]) -> None:
        """The store's files go in any case: nobody knows what was deleted before."""
        changed, n_left = await clean(
            self._store, self._found[self._home.data], self._secrets, self._cleaner
        )
        await self._store.renew()
        done.changed = sorted(changed)[:_MOST_IDS]
        if n_left:
            done.left.append(Left("knowledge", f"{n_left} entries hold secrets. Run it again."))
        backups = {backup.path: backup for backup in shelf.backups_in(self._home.backups)}
        for path in copies:
            try:
                n_changed = await self._clean_copy(path, backups.get(path), done)
            except KnowledgeError as error:
                done.left.append(Left(self._name(path), error.message))
            else:
                done.copies.append(CopyWith(self._name(path), n_changed, rebuilt=True))

    async def _clean_copy(self, path: Path, backup: Backup | None, done: Scrubbed) -> int:
        counts = [0, 0]

        async def work(folder: Path) -> None:
            """Also where no row holds one: it may have rows that were deleted, and old versions."""
            async with self._opened(folder) as copy:
                changed, counts[1] = await clean(
                    copy, self._found[path], self._secrets, self._cleaner
                )
                counts[0] = len(changed)
                await copy.renew()

        if backup is None:
            await work(path)
        else:
            await rebuilt(backup, work)
        if counts[1]:
            what = f"{counts[1]} entries hold secrets. Run it again."
            done.left.append(Left(self._name(path), what))
        return counts[0]

    async def _search_files(self, done: Scrubbed) -> None:
        forms = await asyncio.to_thread(forms_of, self._secrets.pieces)
        for path in await asyncio.to_thread(lambda: list(files_below(self._home.path))):
            name = path.relative_to(self._home.path)
            if name.parts[0] == _MODELS:
                continue
            is_blotted = name.parts[0] in _BLOTTED and not done.dry_run
            work = blot_out if is_blotted else count_in
            n_places = await asyncio.to_thread(work, path, forms)
            if n_places:
                done.files.append(FileWith(str(name), n_places, is_blotted))
            if n_places and not is_blotted:
                done.left.append(Left(str(name), f"{n_places} places hold a secret."))
        done.left += [
            Left(self._name(path), "Nobody knows what it holds: only its bytes were searched.")
            for path in await asyncio.to_thread(self._unreadable)
        ]

    def _tell_found(self, done: Scrubbed, copies: Sequence[Path]) -> None:
        if done.changed:
            done.left.append(Left("knowledge", f"{len(done.changed)} entries hold secrets."))
        for path in copies:
            name, n_entries = self._name(path), len(self._found[path])
            if n_entries:
                done.copies.append(CopyWith(name, n_entries, rebuilt=False))
                done.left.append(Left(name, f"{n_entries} entries hold secrets."))

    def _count(self, done: Scrubbed) -> None:
        done.secrets = len(self._secrets.values)
        done.ordinary = self._secrets.n_without_pieces
        done.places = {name: n for name, n in sorted(self._secrets.places.items()) if n}

    def _unreadable(self) -> list[Path]:
        """What was put aside, and, where any secret was found, tables and copies of others."""
        quarantine = self._home.path / _QUARANTINE
        found = [quarantine] if any(files_below(quarantine)) else []
        if self._secrets.values:
            backups, data = self._home.backups, self._home.data
            known = {*self._copies(), data / TABLE_FOLDER}
            places = [*(backups.iterdir() if backups.is_dir() else ()), *data.iterdir()]
            folders = (path for path in places if path.is_dir() and not path.name.startswith("."))
            found += [path for path in folders if path not in known and any(files_below(path))]
        return found

    def _copies(self) -> list[Path]:
        aside = self._home.data.glob(f"{swap.KEPT}*")
        return [
            *(backup.path for backup in shelf.backups_in(self._home.backups)),
            *(path for path in sorted(aside) if (path / TABLE_FOLDER).exists()),
        ]

    @contextlib.asynccontextmanager
    async def _opened_copy(self, path: Path) -> AsyncIterator[LanceStore]:
        """Beside it: opening a table of an older version changes it."""
        self._home.backups.mkdir(mode=0o700, exist_ok=True)
        with files.unfinished_folder(self._home.backups, UNFINISHED) as folder:
            names = await asyncio.to_thread(files.table_files, path)
            await asyncio.to_thread(files.link_all, path, names, folder)
            async with self._opened(folder) as copy:
                yield copy

    @contextlib.asynccontextmanager
    async def _opened(self, folder: Path) -> AsyncIterator[LanceStore]:
        model = self._cleaner.embedder.identity
        copy = await LanceStore.open(folder, model, _COPY_CACHE_BYTES, is_copy=True)
        try:
            yield copy
        finally:
            await copy.close()

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._home.path))
