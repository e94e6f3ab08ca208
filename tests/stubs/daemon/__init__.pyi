# What we use of python-daemon, which has no types. It also keeps type checkers from taking
# our source root `daemon/` for it.

from collections.abc import Sequence
from typing import TextIO

class DaemonContext:
    def __init__(
        self,
        *,
        detach_process: bool,
        working_directory: str,
        umask: int,
        files_preserve: Sequence[int],
        stdin: TextIO,
        stdout: TextIO,
        stderr: TextIO,
    ) -> None: ...
    def open(self) -> None: ...
