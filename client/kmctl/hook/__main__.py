"""One hook: JSON on standard input, at most a text for the agent on standard output.

Whatever happens, it ends within its time with exit code 0 and nothing on standard error: Claude
Code shows what a hook complains of, and takes exit code 2 as a veto. Hence everything that can
fail, imports too, happens in `main`.
"""

import os
import signal
import sys

_LIMIT_S = 1.5
"""Of the 2 s that a hook may take: a busy machine needs some for starting the interpreter."""


def main() -> None:
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, _LIMIT_S)
    try:
        from kmctl.hook.invocation import answer

        _say(answer(sys.argv[1:], sys.stdin.buffer.read()))
    except BaseException as error:  # noqa: BLE001  # the session goes on, whatever happened here
        _complain(f"{type(error).__name__}: {error}")


def _say(text: str) -> None:
    """Unbuffered, so that nothing is left that could fail when the interpreter ends."""
    if text:
        os.write(1, text.encode())


def _give_up(*_: object) -> None:
    _complain(f"This takes longer than {_LIMIT_S} s.")
    os._exit(0)


def _complain(problem: str) -> None:
    if "--verbose" in sys.argv:
        os.write(2, f"kmctl.hook: {problem}\n".encode(errors="replace"))


if __name__ == "__main__":
    main()
