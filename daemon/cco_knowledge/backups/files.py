"""Trees of files: linking, copying, reading back, and forcing them to the disk.

LanceDB never writes to a file twice, so that a hard link holds what was there and takes no room
until the table has moved on. What takes long is a generator that yields the bytes of each step.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from cco_knowledge.backups.manifest import TABLE_FOLDER, FileFacts, Manifest
from cco_knowledge.errors import BackupUnusable

_STEP_BYTES = 8 << 20
_CANNOT_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES)
"""Another file system, one without hard links, or too many of them."""


def files_below(folder: Path) -> list[str]:
    """Regular files, sorted, without what LanceDB was still writing when its process ended.

    Raises:
        BackupUnusable: something else lies there, which a copy would not be a copy of.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        for name in (*folders, *names):
            path = Path(parent, name)
            if _is_unfinished(name):
                continue
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                found.append(path.relative_to(folder).as_posix())
            elif not stat.S_ISDIR(mode):
                raise BackupUnusable(f"{path} is neither a file nor a folder. Take it away first.")
    return sorted(found)


def table_files(folder: Path) -> list[str]:
    """Those of the table in a data folder or a backup."""
    return [f"{TABLE_FOLDER}/{name}" for name in files_below(folder / TABLE_FOLDER)]


def link_all(source: Path, names: Iterable[str], target: Path) -> None:
    """Copies where no link can be made."""
    for name in names:
        place = _prepared(target, name)
        try:
            os.link(source / name, place, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            for _ in copy_all(source, [name], target):
                pass


def copy_all(source: Path, names: Iterable[str], target: Path) -> Iterator[int]:
    for name in names:
        descriptor = os.open(source / name, os.O_RDONLY | os.O_NOFOLLOW)
        own = os.open(_prepared(target, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "rb") as original, os.fdopen(own, "wb") as copy:
            while part := original.read(_STEP_BYTES):
                copy.write(part)
                yield len(part)


def read_back(folder: Path, names: Iterable[str], facts: list[FileFacts]) -> Iterator[int]:
    """Appends what each file holds to `facts`, and forces it to the disk."""
    for name in names:
        digest, size = hashlib.sha256(), 0
        with (folder / name).open("rb", buffering=0) as file:
            while part := file.read(_STEP_BYTES):
                digest.update(part)
                size += len(part)
                yield len(part)
            os.fsync(file.fileno())
        facts.append(FileFacts(name, size, digest.hexdigest()))


def size_of(folder: Path, names: Iterable[str]) -> int:
    return sum((folder / name).stat().st_size for name in names)


def checked(folder: Path, manifest: Manifest) -> Iterator[int]:
    """Read every file of a backup, or of a copy of it.

    Raises:
        BackupUnusable: one is missing, was added, or does not hold what it did.
    """
    names = table_files(folder)
    expected = {file.path: file for file in manifest.files}
    if differing := set(names) ^ set(expected):
        what = "missing" if min(differing) in expected else "not of this backup"
        raise _damaged(folder, f"{min(differing)} is {what}")
    facts: list[FileFacts] = []
    yield from read_back(folder, names, facts)
    for file in facts:
        if file != expected[file.path]:
            raise _damaged(folder, f"{file.path} does not hold what was written")


def _damaged(folder: Path, how: str) -> BackupUnusable:
    return BackupUnusable(
        f"The backup {folder} is damaged: {how}. Take another one: kmctl backup --list"
    )


def sync_folders(folder: Path) -> None:
    """The folder and those in it; that of files is `read_back`'s."""
    for parent, _, _ in os.walk(folder, topdown=False):
        sync_folder(Path(parent))


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def unfinished_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end if it is still there; locked, so that no sweep takes it."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def abandoned(parent: Path, prefix: str) -> list[Path]:
    """Unfinished folders whose process is gone."""
    return [folder for folder in sorted(parent.glob(f"{prefix}*")) if _is_abandoned(folder)]


def sweep(parent: Path, prefix: str) -> None:
    for folder in abandoned(parent, prefix):
        shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _prepared(target: Path, name: str) -> Path:
    folder = target
    for part in Path(name).parent.parts:
        folder /= part
        folder.mkdir(mode=0o700, exist_ok=True)
    return target / name


def _is_unfinished(name: str) -> bool:
    """As Lance and the object_store below it name what they write."""
    return name.startswith(".tmp") or "#" in name


def _raise(error: OSError) -> None:
    raise error
