"""A user with a real `systemd --user`, and what that user runs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from outcome import Outcome

_SCRIPT = Path(__file__).with_name("private_systemd.sh")
_KEEP_LOG = """
drop_in=$XDG_RUNTIME_DIR/systemd/user/cco-knowledge.service.d; mkdir -p $drop_in
printf '[Service]\\nStandardError=append:%%h/daemon.log\\n' > $drop_in/log.conf
"""  # no journald runs here
_END = "=== end of the command ==="
_SOURCES = os.pathsep.join(path for path in sys.path if path)


class PrivateSystemd:
    """A shell below the manager: each command is run to its end."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @staticmethod
    def command(home: Path, *command: str) -> list[str]:
        """The manager's user is this one, without any capability."""
        user, group = os.geteuid(), os.getegid()
        script = [str(_SCRIPT), str(user), str(group), str(home)]
        return ["env", f"PYTHONPATH={_SOURCES}", *script, *command]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self.command(self.home, "sh"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            self.sh(f'kmctl() {{ {sys.executable} -m kmctl "$@"; }}; cd')
            self.sh(_KEEP_LOG)
            assert self.sh('systemctl --user set-environment PYTHONPATH="$HOME/daemon"').code == 0
        except BaseException:
            self._process.kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._process.communicate(timeout=30)  # EOF ends the shell, then the manager
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def sh(self, command: str) -> Outcome:
        """Both outputs are in `out`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command}\nended=$?; echo; echo '{_END}' $ended\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.startswith(_END):
                out = "".join(lines).removesuffix("\n")
                return Outcome(int(line.removeprefix(_END)), out, "")
            lines.append(line)
        raise EOFError("".join(lines))

    def json(self, command: str) -> Any:
        ended = self.sh(f"{command} --json")
        assert ended.code == 0, ended
        return json.loads(ended.out)

    def main_pid(self) -> int:
        """Of the daemon, in the manager's own namespace of processes; 0: there is none."""
        return int(self.sh("systemctl --user show -P MainPID cco-knowledge.service").out)

    @property
    def log(self) -> str:
        """Of the daemons that the manager started."""
        log = self.home / "daemon.log"
        return log.read_text("utf-8", "replace") if log.exists() else ""
