"""A daemon that outlives its shell: the only importer of python-daemon.

`launch_detached` starts this module as a small process of its own, which detaches and only then
becomes `cco_knowledge` (exec), so nothing heavy is imported, and no thread runs, at a fork. The
daemon says through a pipe how its start went.
"""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from cco_knowledge.errors import DeadlineExceeded, StartRefused
from cco_knowledge.paths import Home, prepare_home

_LOG_TAIL_BYTES = 4096
_READ_BYTES = 65536
# -P: a random.py in the current folder is not the standard library's.
_PYTHON = (sys.executable, "-P", "-m")


def launch_detached(
    home: Home, arguments: Sequence[str], timeout_s: float, listening_fd: int | None = None
) -> int:
    """The pid of a daemon that has become ready.

    `arguments` are the daemon's own; paths in them are absolute, because it works in its home.
    `listening_fd`: the socket that it is to serve, where there is one already.

    Raises:
        StartRefused: with the daemon's own message, or the end of its log if it left none.
        DeadlineExceeded: it goes on starting.
    """
    prepare_home(home)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb", buffering=0) as outcome:
        with os.fdopen(writer, "wb", buffering=0), _open_log(home.log) as log:
            log_start_bytes = log.tell()
            kept = {"--ready-fd": writer, "--listening-fd": listening_fd}
            _spawn(home, {flag: fd for flag, fd in kept.items() if fd is not None}, log, arguments)
        message = _read_message(outcome, timeout_s, home.log)
    return _pid_from(message, home.log, log_start_bytes)


def _open_log(path: Path) -> BinaryIO:
    """Appends, and only its owner reads it."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartRefused(f"The log {path} cannot be written: {error.strerror}.") from error
    return os.fdopen(descriptor, "ab")


def _spawn(home: Home, kept: Mapping[str, int], log: BinaryIO, arguments: Sequence[str]) -> None:
    """Returns when the process in between has detached.

    `kept`: descriptors that the daemon gets, by its flag for each.
    """
    command = [*_PYTHON, "cco_knowledge.daemonize", str(home.path), json.dumps(kept), *arguments]
    subprocess.run(
        command,
        pass_fds=list(kept.values()),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        check=False,
    )


def _read_message(reader: FileIO, timeout_s: float, log: Path) -> bytes:
    """One line, or less if every holder of the pipe's other end is gone."""
    end_s = time.monotonic() + timeout_s
    message = b""
    while not message.endswith(b"\n"):
        readable, _, _ = select.select([reader], [], [], max(0.0, end_s - time.monotonic()))
        if not readable:
            raise DeadlineExceeded(
                f"The daemon is not ready after {timeout_s:g} s and goes on starting. "
                f"kmctl health shows when it is ready; its log is {log}."
            )
        part = reader.read(_READ_BYTES)
        if not part:
            break
        message += part
    return message


def _pid_from(message: bytes, log: Path, log_start_bytes: int) -> int:
    if not message.endswith(b"\n"):
        raise StartRefused(
            f"The daemon ended before it was ready. Its log {log} ends with:\n"
            f"{_log_tail(log, log_start_bytes)}"
        )
    outcome = json.loads(message)
    if "error" in outcome:
        raise StartRefused(outcome["error"]["message"])
    pid: int = outcome["pid"]
    return pid


def _log_tail(log: Path, log_start_bytes: int) -> str:
    """The end of what was logged since this start."""
    with log.open("rb") as file:
        end_bytes = file.seek(0, os.SEEK_END)
        if end_bytes < log_start_bytes:  # it has begun a new file
            log_start_bytes = 0
        file.seek(max(log_start_bytes, end_bytes - _LOG_TAIL_BYTES))
        return file.read().decode("utf-8", "replace").strip() or "(nothing)"


def _detach_and_become_daemon() -> None:
    from daemon import DaemonContext  # only here: the launching process has no use for it

    home_path, kept_text, *arguments = sys.argv[1:]
    kept: dict[str, int] = json.loads(kept_text)
    context = DaemonContext(
        detach_process=True,
        working_directory=home_path,
        umask=0o077,
        files_preserve=list(kept.values()),
        # Our own, which the launcher chose: python-daemon's /dev/null would be closed by exec.
        stdin=sys.stdin,
        stdout=sys.stdout,
        stderr=sys.stderr,
    )
    context.open()
    own = [word for flag, descriptor in kept.items() for word in (flag, str(descriptor))]
    log = ["--log-file", str(Home(Path(home_path)).log)]
    command = [*_PYTHON, "cco_knowledge", *own, *log, *arguments]
    os.execv(sys.executable, command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    _detach_and_become_daemon()
