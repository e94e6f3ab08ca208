"""A user with a real `systemd --user`, and what that user runs."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import cco_knowledge
from conftest import place_model
from outcome import Outcome

_NEEDED = ("systemctl", "unshare", "setpriv")
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

    def __exit__(self, *_: object) -> None:
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


def why_none_runs() -> str | None:
    """Why a user manager of one's own cannot be had here; None: it can."""
    missing = [name for name in _NEEDED if shutil.which(name) is None]
    if sys.platform != "linux" or missing:
        return f"needs systemd and util-linux: {', '.join(missing) or sys.platform}"
    if os.geteuid() != 0:
        return "only root can give a systemd of its own the namespaces that it needs"
    with tempfile.TemporaryDirectory() as home:
        tried = subprocess.run(
            PrivateSystemd.command(Path(home), "systemctl", "--user", "show-environment"),
            capture_output=True,
            text=True,
            check=False,
        )
    if tried.returncode == 0:
        return None
    why = (tried.stdout + tried.stderr).strip().splitlines()[-1:]
    return f"no user manager of one's own runs here (exit {tried.returncode}): {why}"


@contextlib.contextmanager
def user_with_systemd(model_file: Path) -> Iterator[PrivateSystemd]:
    """A shell of a user with systemd, whose ~/.cco holds the model."""
    # Not below /tmp or /var/tmp: a hardened service has those of its own.
    home = Path(tempfile.mkdtemp(prefix=".kd-", dir=pwd.getpwuid(os.geteuid()).pw_dir))
    (home / ".cco").mkdir(mode=0o700)
    (home / ".cco" / "models").mkdir()
    place_model(model_file, home / ".cco")
    # The checkout may be in /tmp.
    shutil.copytree(
        Path(cco_knowledge.__file__).parents[1],
        home / "daemon",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    try:
        with PrivateSystemd(home) as user:
            yield user
    finally:
        shutil.rmtree(home)
