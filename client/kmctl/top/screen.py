"""The live screen: it draws, a thread asks, and a key ends it."""

import os
import select
import sys
import termios
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from cco_knowledge.errors import KnowledgeError as LocalError
from cco_knowledge_client import KnowledgeError
from kmctl.top.layout import PLAIN, Line, lines_of, notice
from kmctl.top.reading import Seen
from kmctl.top.source import Source

_POLL_S = 0.1
_LATE_S = 2.0
_HOW_TO_END = "q ends"
_LOCAL_FLAGS = 3
_CONTROL_CHARACTERS = 6


def can_show() -> bool:
    """Whether somebody sees a screen that can be drawn on, and can press a key."""
    return sys.stdin.isatty() and sys.stdout.isatty() and not Console().is_dumb_terminal


def show(source: Source, interval_s: float) -> None:
    """Until q, Ctrl-C or the end of the terminal's input."""
    asking = _Asking(source, interval_s)
    console = Console()
    screen = Live(
        console=console,
        screen=True,
        auto_refresh=False,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    with suppress(KeyboardInterrupt), _single_keys(), screen:
        asking.start()
        drawn: object = None
        while not _is_ended():
            looked, late_s = asking.looked, asking.late_s()
            frame = (looked, late_s, console.size)
            if frame != drawn:
                screen.update(_drawn(_lines(looked, late_s, console)), refresh=True)
                drawn = frame


class _Asking(threading.Thread):
    """Asks at every interval, so that the screen hears keys while the daemon hangs.

    It ends with the process: nothing can interrupt it while it waits for an answer.
    """

    def __init__(self, source: Source, interval_s: float) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._interval_s = interval_s
        self._asked_at_s: float | None = None
        self.looked: Seen | Exception | None = None

    def run(self) -> NoReturn:
        while True:
            self._asked_at_s = time.monotonic()
            try:
                self.looked = self._source.look()
            except Exception as error:  # noqa: BLE001  # the screen shows or raises it
                self.looked = error
            self._asked_at_s = None
            time.sleep(self._interval_s)

    def late_s(self) -> int:
        """For how many seconds an answer has been awaited, where it is long in coming, else 0."""
        asked_at_s = self._asked_at_s
        waited_s = 0.0 if asked_at_s is None else time.monotonic() - asked_at_s
        return int(waited_s) if waited_s >= _LATE_S else 0


def _lines(looked: Seen | Exception | None, late_s: int, console: Console) -> Sequence[Line]:
    width, height = console.size
    note = f"no answer for {late_s} s, {_HOW_TO_END}" if late_s else _HOW_TO_END
    if looked is None:
        return notice("Asking the daemon.", width, style=PLAIN, note=note)
    if isinstance(looked, Seen):
        return lines_of(looked, width, height, note=note)
    if isinstance(looked, KnowledgeError | LocalError):
        return notice(looked.message, width, note=note)
    raise looked


def _drawn(lines: Sequence[Line]) -> Group:
    return Group(
        *(
            Text.assemble(
                *((span.text, span.style) for span in line), no_wrap=True, overflow="crop"
            )
            for line in lines
        )
    )


@contextmanager
def _single_keys() -> Iterator[None]:
    """Keys come one by one, and are not shown. Ctrl-C goes on to interrupt.

    Ctrl-Z does nothing: it would leave the shell on our screen, without a cursor.
    """
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    changed = termios.tcgetattr(keyboard)
    changed[_LOCAL_FLAGS] &= ~(termios.ECHO | termios.ICANON)
    changed[_CONTROL_CHARACTERS][termios.VMIN] = 1
    changed[_CONTROL_CHARACTERS][termios.VTIME] = 0
    disabled = bytes([os.fpathconf(keyboard, "PC_VDISABLE")])
    changed[_CONTROL_CHARACTERS][termios.VSUSP] = disabled
    termios.tcsetattr(keyboard, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)


def _is_ended() -> bool:
    """After a moment in which a key can be pressed."""
    ready, _, _ = select.select([sys.stdin], [], [], _POLL_S)
    if not ready:
        return False
    keys = os.read(sys.stdin.fileno(), 64)
    return not keys or b"q" in keys.lower()
