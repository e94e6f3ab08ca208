"""A daemon as a real process, for tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import cco_knowledge
from wire import Raw, RpcError, answer, request, result_of

_SOURCE_ROOT = Path(cco_knowledge.__file__).parents[1]
_PROGRAM = ("-m", "cco_knowledge")
_STOP_S = 60.0
_POLL_S = 0.01


class DidNotStart(Exception):
    """The message is the daemon's own stderr."""


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of the caller's settings; the interpreter finds this checkout's daemon."""
    return {
        "PATH": os.defpath,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_SOURCE_ROOT),
    }


def command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, *_PROGRAM, "--home", str(home), *arguments]


def refused_start(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What the daemon says on stderr when it does not start. Fails where it does start."""
    ended = subprocess.run(
        command(home, *arguments),
        env=clean_environment(home) | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=_STOP_S,
        check=False,
    )
    assert ended.returncode == 1, ended
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.stderr


class Daemon:
    """One started process. `start` waits for nothing; `wait_ready` for its line on the pipe."""

    program: ClassVar[Sequence[str]] = _PROGRAM

    def __init__(
        self,
        home: Path,
        *arguments: str,
        socket_path: Path | None = None,
        environment: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """`prefix`: a command that becomes the daemon in the end."""
        self.home = home
        self.socket_path = socket_path or home / "knowledge.sock"
        descriptor, stderr_path = tempfile.mkstemp(prefix="kd-", suffix=".stderr")
        os.close(descriptor)
        self.stderr_path = Path(stderr_path)
        self.arguments = arguments
        self.environment: Mapping[str, str] = dict(environment or {})
        self._prefix = prefix
        self._ready_fd = -1
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        self._ready_fd, writer = os.pipe()
        with self.stderr_path.open("ab") as stderr:
            self.process = subprocess.Popen(
                [
                    *self._prefix,
                    *(sys.executable, *self.program),
                    *("--home", str(self.home), "--ready-fd", str(writer)),
                    *self.arguments,
                ],
                env=clean_environment(self.home) | dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                pass_fds=[writer],
            )
        os.close(writer)
        return self

    def wait_ready(self) -> Self:
        with os.fdopen(self._ready_fd, "rb") as starter:
            line = starter.readline()
        if not line or not json.loads(line).get("ready"):
            raise DidNotStart(self.stderr)
        return self

    def wait_listening(self) -> Self:
        """Long before it is ready."""

        def is_listening() -> bool:
            with contextlib.suppress(OSError), self.raw():
                return True
            return False

        wait_until(is_listening)
        return self

    @property
    def stderr(self) -> str:
        return self.stderr_path.read_text("utf-8", "replace")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def raw(self, timeout_s: float = 60.0) -> Raw:
        return Raw(self.socket_path, timeout_s)

    def call(self, method: str, params: object = None, framing: str = "ndjson") -> Any:
        """The result, over a connection of its own. Raises RpcError."""
        return result_of(answer(self.socket_path, framing, request(method, params)))

    def refusal(self, method: str, params: object = None, framing: str = "ndjson") -> RpcError:
        """The error that a call must bring."""
        response = answer(self.socket_path, framing, request(method, params))
        assert "error" in response, response
        return RpcError(response["error"])

    def terminate(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = _STOP_S) -> int:
        assert self.process is not None
        return self.process.wait(timeout_s)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.terminate()
        return self.wait()

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def discard(self) -> None:
        """Ends it, if it still runs, and removes what lies outside of its home."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.stderr_path.unlink(missing_ok=True)


def wait_until(holds: Callable[[], bool], limit_s: float = 30.0) -> None:
    """For what the system tells nobody about. Prefer EOF, an answer, or a process's exit."""
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(_POLL_S)
