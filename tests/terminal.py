"""kmctl on a terminal of its own, and what is on its screen."""

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping
from pathlib import Path

from outcome import import_path
from process import clean_environment, wait_until

ENTERED, LEFT, CURSOR_SHOWN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
COLOUR = re.compile(rb"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7]|38;[0-9;]+)m")
_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")
_HOME = b"\x1b[H"
_ON_ITS_TERMINAL = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "from kmctl.__main__ import main; main()"
)


class Terminal:
    """A pseudo-terminal with one run of kmctl."""

    def __init__(
        self,
        home: Path,
        *arguments: str,
        size: tuple[int, int] = (100, 40),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._ours, self._theirs = os.openpty()
        self.resize(*size)
        self.modes_before = self.modes()
        self.written = b""
        os.set_blocking(self._ours, False)
        own = {"PYTHONPATH": import_path(), "CCO_HOME": str(home), "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_ITS_TERMINAL, *arguments],
            env=clean_environment(home) | own | dict(environment or {}),
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
        )

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def modes(self) -> list[object]:
        return list(termios.tcgetattr(self._theirs))

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def screen(self) -> list[str]:
        """The lines of the last frame, as far as it has been drawn."""
        self._read()
        frame = self.written.rpartition(_HOME)[2]
        text = _SEQUENCE.sub(b"", frame).decode(errors="replace")
        return [line.rstrip() for line in text.splitlines()]

    def text(self) -> str:
        return "\n".join(self.screen())

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda: words in self.text())

    def wait_until(self, holds: Callable[[], object]) -> None:
        """Fails with what the screen shows."""
        try:
            wait_until(lambda: bool(holds()))
        except AssertionError as error:
            raise AssertionError(f"{error}; the terminal shows:\n{self.text()}") from error

    def wait_end(self) -> int:
        """The exit code."""

        def has_ended() -> bool:
            self._read()
            return self.process.poll() is not None

        wait_until(has_ended)
        self._read()
        return self.process.returncode

    def is_restored(self) -> bool:
        leaving = self.written.rpartition(ENTERED)[2]
        return LEFT in leaving and CURSOR_SHOWN in leaving and self.modes() == self.modes_before

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._ours, 1 << 16):
                self.written += data
