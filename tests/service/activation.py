"""What a service manager does for a daemon, by hand: a socket that it made, and an ear."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from process import clean_environment, command

_LAUNCH = """
import os, sys
descriptors, *command = sys.argv[1:]
for place, descriptor in enumerate(descriptors.split(",") if descriptors else (), 3):
    os.dup2(int(descriptor), place)
os.environ["LISTEN_PID"] = os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(command[0], command)
"""


class Ear:
    """Hears what a process notifies, at a path or in the abstract namespace."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def wait_for(self, assignment: str, limit_s: float = 30.0) -> list[str]:
        """All lines up to the message with this one, which may end with `*`."""
        heard: list[str] = []
        end = time.monotonic() + limit_s
        while True:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            message = self._socket.recv(4096).decode().split("\n")
            heard += message
            if any(_matches(line, assignment) for line in message):
                return heard

    def forget(self) -> None:
        """What has been said so far."""
        self._socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(4096)

    def close(self) -> None:
        self._socket.close()


def _matches(line: str, assignment: str) -> bool:
    if assignment.endswith("*"):
        return line.startswith(assignment[:-1])
    return line == assignment


class Activated:
    """A daemon process that was given sockets and told where to notify."""

    def __init__(self, home: Path, given: list[socket.socket], **environment: str) -> None:
        self._home, self._given, self._environment = home, given, environment
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        # Beyond the places where they are to be, so that none is overwritten by another one.
        high = [os.dup2(each.fileno(), 40 + place) for place, each in enumerate(self._given)]
        launch = [sys.executable, "-c", _LAUNCH, ",".join(map(str, high)), *command(self._home)]
        activation = {"LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": "rpc"}
        self.process = subprocess.Popen(
            launch,
            env=clean_environment(self._home) | activation | self._environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=high,
        )
        for descriptor in high:
            os.close(descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[int, str]:
        """The exit code and what it said on stderr."""
        self.process.terminate()
        return self.end()

    def end(self) -> tuple[int, str]:
        stderr: IO[bytes] | None = self.process.stderr
        assert stderr is not None
        said = stderr.read().decode()
        return self.process.wait(60), said


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(str(path))
        path.chmod(0o600)
        made.listen(16)
        yield made
