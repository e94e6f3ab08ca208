"""Where everything lies: one home folder, private to its user."""

import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge.errors import StartRefused

SOCKET_PATH_MAX_BYTES = 107 if sys.platform == "linux" else 103
"""What fits into `sockaddr_un.sun_path` beside its NUL (unix(7))."""

_PRIVATE_MODE = 0o700


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one daemon. Two homes share nothing."""

    path: Path

    @property
    def socket(self) -> Path:
        return self.path / "knowledge.sock"

    @property
    def config(self) -> Path:
        return self.path / "knowledge.toml"

    @property
    def lock(self) -> Path:
        return self.path / "knowledge.lock"

    @property
    def data(self) -> Path:
        """The LanceDB directory."""
        return self.path / "knowledge"

    @property
    def credential_key(self) -> Path:
        """Opens the sealed values; in no backup."""
        return self.path / "credential.key"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def backups(self) -> Path:
        return self.path / "backups"

    @property
    def quarantine(self) -> Path:
        """Tables as they were found damaged."""
        return self.path / "quarantine"

    @property
    def tokens(self) -> Path:
        """There once the first token was made."""
        return self.path / "api_token"

    @property
    def log(self) -> Path:
        """Of a detached daemon, or of one that launchd runs; systemd keeps the log of its own."""
        return self.path / "logs" / "knowledge.log"


def default_home_path(environ: dict[str, str]) -> Path:
    """`$CCO_HOME`, else `~/.cco`."""
    configured = environ.get("CCO_HOME")
    return Path(configured).absolute() if configured else Path.home() / ".cco"


def prepare_home(home: Home) -> None:
    """Make the home and its folders, mode 0700; refuse one that others own or can reach.

    Refuses also a link in it that another user made.

    Raises:
        StartRefused: with the command that mends it.
    """
    try:
        home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = home.path.stat()
    except OSError as error:
        raise StartRefused(
            f"The home {home.path} cannot be used: {error.strerror}. "
            "Choose another one with --home or CCO_HOME."
        ) from error
    if facts.st_uid != os.geteuid():
        raise StartRefused(
            f"The home {home.path} belongs to another user (uid {facts.st_uid}). "
            f"Choose your own with --home or CCO_HOME, or run: chown {os.geteuid()} {home.path}"
        )
    mode = stat.S_IMODE(facts.st_mode)
    if mode != _PRIVATE_MODE:
        raise StartRefused(
            f"The home {home.path} has mode {mode:04o}; it must be private to you and writable. "
            f"Run: chmod 700 {home.path}"
        )
    _check_links(home)


def _check_links(home: Home) -> None:
    """A link of yours may lead to another disk. One of another user would let us write there."""
    for path in (*home.path.iterdir(), home.log.parent, home.log):
        with contextlib.suppress(FileNotFoundError):
            facts = path.lstat()
            if stat.S_ISLNK(facts.st_mode) and facts.st_uid != os.geteuid():
                raise StartRefused(
                    f"{path} is a link that another user (uid {facts.st_uid}) made. "
                    f"Look where it leads, then run: rm {path}"
                )


def check_socket_path(path: Path) -> None:
    """Raises StartRefused when the kernel could not bind so long a path."""
    length_bytes = len(os.fsencode(path))
    if length_bytes > SOCKET_PATH_MAX_BYTES:
        raise StartRefused(
            f"The socket path is {length_bytes} bytes long and the system allows "
            f"{SOCKET_PATH_MAX_BYTES}: {path}. Choose a shorter one with --socket or "
            "CCO_KNOWLEDGE_SOCKET."
        )
