"""Things that a hardened service must not do, tried one after the other; and what it sees.

Run as a program, by the interpreter alone: prints one JSON object, each act with what came of it
("ok", the name of an errno or of a signal), and each sight with what was seen. With the number of
a process: only what is seen of that one.
"""

import ctypes
import errno
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

_PTRACE_TRACEME: Final = 0
_ADDR_NO_RANDOMIZE: Final = 0x0040000
_CLONE_NEWUSER: Final = 0x10000000
_SCHED_FIFO: Final = 1
_X32: Final = 0x40000000
_SYS_GETPID: Final = 39
_libc = ctypes.CDLL(None, use_errno=True)


def _called(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "")


def _inet_socket() -> None:
    import socket

    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def _writable_code() -> None:
    import mmap

    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def _setuid_file() -> None:
    path = Path.home() / ".cco" / "setuid"
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def _write(folder: str) -> Callable[[], None]:
    def act() -> None:
        path = Path(os.path.expandvars(folder)) / ".written"
        path.touch()
        path.unlink()

    return act


ACTS: dict[str, Callable[[], None]] = {
    "open an internet socket": _inet_socket,
    "map writable code": _writable_code,
    "change the personality": lambda: _called(_libc.personality(_ADDR_NO_RANDOMIZE)),
    "make a namespace": lambda: _called(_libc.unshare(_CLONE_NEWUSER)),
    # Of priority 0, which the kernel finds invalid before it asks for rights.
    "ask for real time": lambda: _called(_libc.sched_setscheduler(0, _SCHED_FIFO, bytes(4))),
    "set the setuid bit": _setuid_file,
    "make a call of another architecture": lambda: _called(_libc.syscall(_X32 + _SYS_GETPID)),
    "be traced": lambda: _called(_libc.ptrace(_PTRACE_TRACEME, 0, 0, 0)),
    "set a priority": lambda: os.setpriority(
        os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0)
    ),
    "read the adjustment of the clock": lambda: _called(_libc.adjtimex(bytes(512))),
    "write to the system": _write("/var"),
    "write to the home folder": _write("$HOME"),
    "write to the daemon's home": _write("$HOME/.cco"),
}


Sight = Callable[[Path], Any]
"""What can be seen of a process, by its folder in /proc."""


def _status(field: str) -> Sight:
    def sight(process: Path) -> str:
        lines = (process / "status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)[field]

    return sight


def _limit(name: str) -> Sight:
    """What is allowed, and how much it could be raised to."""

    def sight(process: Path) -> list[str]:
        (line,) = [
            line for line in (process / "limits").read_text().splitlines() if line.startswith(name)
        ]
        return line.removeprefix(name).split()[:2]

    return sight


def _namespace(name: str) -> Sight:
    return lambda process: str((process / "ns" / name).readlink())


def _mounts(process: Path) -> dict[str, str]:
    """Each mount point with its options."""
    fields = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
    return {mount[4]: mount[5] for mount in fields}


SIGHTS: dict[str, Sight] = {
    "umask": _status("Umask"),
    "no new privileges": _status("NoNewPrivs"),
    "bounding set": lambda process: int(_status("CapBnd")(process), 16),
    "user namespace": _namespace("user"),
    "network namespace": _namespace("net"),
    "host name namespace": _namespace("uts"),
    "open files": _limit("Max open files"),
    "core size": _limit("Max core file size"),
    "devices": lambda process: [path.name for path in (process / "root" / "dev").iterdir()],
    "mounts": _mounts,
}


def tried(act: Callable[[], None]) -> str:
    """In a process of its own: some acts change or end the one that does them."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        outcome = "ok"
        try:
            act()
        except OSError as error:
            outcome = errno.errorcode.get(error.errno or 0, str(error))
        os.write(writer, outcome.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        outcome = pipe.read()
    _, status = os.waitpid(pid, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else outcome


def main() -> None:
    pid = sys.argv[1] if len(sys.argv) > 1 else None
    outcomes = {} if pid else {name: tried(act) for name, act in ACTS.items()}
    seen = {name: sight(Path("/proc", pid or "self")) for name, sight in SIGHTS.items()}
    sys.stdout.write(json.dumps(outcomes | seen))


if __name__ == "__main__":
    main()
