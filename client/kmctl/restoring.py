"""A backup becomes the store: made ready beside it, checked, and moved in while no daemon runs."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge.backups import files, swap
from cco_knowledge.errors import BackupUnusable, DeadlineExceeded
from cco_knowledge.errors import KnowledgeError as LocalError
from cco_knowledge.models import resolve_model
from cco_knowledge.paths import Home, prepare_home
from cco_knowledge_client import Conflict
from kmctl.backup_copies import Contents, Draw, Source, scan, take_over
from kmctl.home_lock import hold, holder


@dataclass(frozen=True, slots=True)
class DaemonOfHome:
    """How it is stopped and started here."""

    stop: Callable[[], bool]
    """Whether one was running, or waited for to be started by a request."""
    start: Callable[[], int]
    """Its process id, once it is ready."""


@dataclass(frozen=True, slots=True)
class Restored:
    contents: Contents
    kept: Path | None
    """Where the store is that was there before; None: there was none."""
    pid: int | None
    """Of the daemon that was started again."""


def try_out(source: Source, home: Home, model_name: str, draw: Draw) -> Contents:
    """All that `restore` does before it stops the daemon. Raises as that does."""
    home.data.mkdir(mode=0o700, exist_ok=True)
    with files.unfinished_folder(home.data, swap.STAGING) as staged:
        return _made_ready(source, home, model_name, staged, draw)


def restore(
    source: Source, home: Home, model_name: str, daemon: DaemonOfHome, draw: Draw
) -> Restored:
    """Bring exactly the backup's entries back. A daemon that was running runs again at the end.

    Raises:
        BackupUnusable: it is damaged, of another model or of a newer version; or the daemon
            refused to start with it. The store is what it was.
        Conflict: a daemon that kmctl does not reach has the home.
    """
    prepare_home(home)
    home.data.mkdir(mode=0o700, exist_ok=True)
    files.sweep(home.data, swap.STAGING)
    with files.unfinished_folder(home.data, swap.STAGING) as staged:
        contents = _made_ready(source, home, model_name, staged, draw)
        was_running = daemon.stop()
        try:
            kept = _swap(home, staged)
        except BaseException:
            if was_running:
                daemon.start()
            raise
    pid = _start_or_undo(home, kept, daemon) if was_running else None
    return Restored(contents, kept, pid)


def _made_ready(source: Source, home: Home, model_name: str, staged: Path, draw: Draw) -> Contents:
    _refuse_other_model(source, home, model_name, None)
    take_over(source, staged, draw)
    contents = scan(source, staged)
    if contents.schema_version > contents.known_schema_version:
        raise BackupUnusable(
            f"The backup {source.path} has schema version {contents.schema_version} and this "
            f"version of cco-knowledge knows {contents.known_schema_version}. Restore it with the "
            "version that made it, or a newer one."
        )
    _refuse_other_model(source, home, model_name, contents)
    return contents


def _refuse_other_model(
    source: Source, home: Home, model_name: str, contents: Contents | None
) -> None:
    """Before anything is copied where the manifest tells; after the scan in any case."""
    if contents is not None:
        name, sha256 = contents.model["name"], contents.model["sha256"]
    elif source.manifest is not None:
        name, sha256 = source.manifest.model.name, source.manifest.model.sha256
    else:
        return
    configured = resolve_model(model_name, home.models)
    if (configured.name, configured.sha256) != (name, sha256):
        raise BackupUnusable(
            f"The backup {source.path} holds vectors of the model {name} (sha256 {sha256[:12]}…), "
            f"and {configured.name} (sha256 {configured.sha256[:12]}…) is configured. Vectors of "
            f'two models are never mixed. Set name = "{name}" in the section [model] of '
            f"{home.config}, then try again. To get the entries into a store of another model, "
            "restore into a home of its own, and: kmctl export, kmctl import."
        )


def _swap(home: Home, staged: Path) -> Path | None:
    with hold(home) as is_free:
        if not is_free:
            raise Conflict(
                f"A daemon (pid {holder(home) or 'unknown'}) has the home {home.path} and does "
                "not answer at its socket. Stop it, then try again."
            )
        swap.settle(home.data)
        return swap.swap_in(home.data, staged)


def _start_or_undo(home: Home, kept: Path | None, daemon: DaemonOfHome) -> int:
    try:
        return daemon.start()
    except DeadlineExceeded:  # an upgrade of a large store takes its time
        raise
    except LocalError as error:
        if kept is None:
            raise
        daemon.stop()
        with files.unfinished_folder(home.data, swap.STAGING) as staged:
            files.link_all(kept, files.table_files(kept), staged)
            files.sync_folders(staged)
            refused = _swap(home, staged)
        daemon.start()
        for folder in filter(None, (kept, refused)):
            shutil.rmtree(folder, ignore_errors=True)
        raise BackupUnusable(
            "The daemon did not start with the restored store, so the store is what it was again. "
            f"The daemon said: {error.message}"
        ) from error
