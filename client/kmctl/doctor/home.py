"""The home: whose it is, what lies in it, and on which disk."""

import contextlib
import os
import shlex
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path

from cco_knowledge import tokens
from cco_knowledge.backups.files import abandoned
from cco_knowledge.backups.shelf import UNFINISHED
from cco_knowledge.backups.swap import STAGING
from cco_knowledge.credentials.vault import KeyUnusable, read_key
from cco_knowledge.errors import TokensUnusable
from cco_knowledge.models import abandoned_pulls, sweep_abandoned_pulls
from cco_knowledge.paths import Home
from kmctl.doctor.file_systems import kind_of, synchroniser_of
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup, files

SET_CLOCK = {"darwin": "sudo sntp -sS time.apple.com"}.get(
    sys.platform, "sudo timedatectl set-ntp true"
)
_PRIVATE = 0o700
_OTHERS = 0o077
_LITTLE_BYTES = 500 << 20
_TOO_LITTLE_BYTES = 64 << 20
"""Below it the daemon refuses stores: `store/room.py`."""
_LONG_LOG_BYTES = 100 << 20
_SURELY_UNFINISHED_S = 3600
_NETWORK = frozenset(
    {"9p", "afpfs", "afs", "ceph", "cifs", "fuse.sshfs", "nfs", "nfs4", "smb3", "smbfs", "webdav"}
)


def private(setup: Setup) -> Finding:
    path, quoted = setup.home.path, shlex.quote(str(setup.home.path))
    try:
        facts = path.stat()
    except FileNotFoundError:
        return warning(f"There is no home at {path} yet.", setup.kmctl("start --detach"))
    if not stat.S_ISDIR(facts.st_mode):
        return error(f"{path} is not a folder.", f"mv {quoted} {quoted}.moved")
    if facts.st_uid != os.geteuid():
        what = f"{path} belongs to another user (uid {facts.st_uid})."
        return error(what, f"sudo chown -R {os.geteuid()} {quoted}")
    mode = stat.S_IMODE(facts.st_mode)
    if mode != _PRIVATE:
        what = f"{path} has mode {mode:04o} and not 0700; the daemon refuses to start."
        return error(what, f"chmod 700 {quoted}", lambda: _close(path))
    return Finding(f"{path} is yours, mode 0700.")


def _close(path: Path) -> str:
    path.chmod(_PRIVATE)
    return f"{path} has mode 0700 now."


def private_files(setup: Setup) -> Finding:
    found, quoted = list(files(setup.home)), shlex.quote(str(setup.home.path))
    foreign = [path for path, facts in found if facts.st_uid != os.geteuid()]
    if foreign:
        what = f"{len(foreign)} files belong to another user, the first is {foreign[0]}."
        return error(what, f"sudo chown -R {os.geteuid()} {quoted}")
    is_open = [(path, facts.st_mode) for path, facts in found if facts.st_mode & _OTHERS]
    if is_open:
        what = f"{len(is_open)} files are open to others, the first is {is_open[0][0]}."
        return warning(what, f"chmod -R go= {quoted}", lambda: _close_files(is_open))
    return Finding(f"{len(found)} files, all of them yours and closed to others.")


def _close_files(is_open: list[tuple[Path, int]]) -> str:
    for path, mode in is_open:
        with contextlib.suppress(FileNotFoundError):  # a daemon may have removed it
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    return f"{len(is_open)} files are closed to others now."


def token_file(setup: Setup) -> Finding:
    path = setup.home.tokens
    try:
        found = tokens.listed(path)
    except TokensUnusable as unusable:
        quoted = shlex.quote(str(path))
        return error(unusable.message, f"mv {quoted} {quoted}.moved    # then make new tokens")
    expired = [token.name for token in found if token.is_expired]
    if expired:
        what = f"{len(expired)} of {len(found)} tokens have expired, the first is {expired[0]}."
        return warning(what, setup.kmctl(f"token revoke {expired[0]}"))
    return Finding(f"{len(found)} tokens let somebody in." if found else "There are no tokens.")


def credential_key(setup: Setup) -> Finding:
    """Whether a copy of it is kept elsewhere cannot be known here."""
    path = setup.home.credential_key
    state = setup.status.get("credential_key") if setup.status else None
    if state == "missing":
        what = f"{path} is missing, and values are sealed with it. Bring its copy back."
        return error(what, f"cp COPY {shlex.quote(str(path))}")
    if state == "other":
        what = f"{path} is not the key that the stored values were sealed with."
        return error(f"{what} Bring that one back.", f"cp COPY {shlex.quote(str(path))}")
    try:
        key = read_key(path)
    except KeyUnusable as unusable:
        return error(f"{path}: {unusable.message}", f"ls -l {shlex.quote(str(path))}")
    if key is None:
        return Finding("There is none yet; it is made with the first sealed credential.")
    return Finding(f"{path} is yours, mode 0600. Keep a copy elsewhere: no backup holds it.")


def disk_space(setup: Setup) -> Finding:
    home, temporary = _existing(setup.home.path), Path(tempfile.gettempdir())
    free = {place: shutil.disk_usage(place).free for place in (home, temporary)}
    place = min(free, key=lambda place: free[place])
    what = " and ".join(f"{free[place] / 1e6:.0f} MB free in {place}" for place in free)
    fix = f"du -sk {shlex.quote(str(place))}/* | sort -n"
    if free[home] < _TOO_LITTLE_BYTES:
        return error(f"{what}: too little.", fix)
    if free[place] < _LITTLE_BYTES:
        return warning(f"{what}: little.", fix)
    return Finding(f"{what}.")


def file_system(setup: Setup) -> Finding:
    kind = kind_of(_existing(setup.home.path))
    if kind in _NETWORK:
        return warning(f"The home is on a network file system ({kind}).", _move(setup))
    return Finding(f"The home is on a local file system ({kind}).")


def synchronised_folder(setup: Setup) -> Finding:
    name = synchroniser_of(setup.home.path)
    if name is not None:
        return warning(f"The home is in a folder that {name} synchronises.", _move(setup))
    return Finding("No known program synchronises the home.")


def _move(setup: Setup) -> str:
    here = shlex.quote(str(setup.home.path))
    return f"{setup.kmctl('stop')}; mv {here} ~/.cco-local; export CCO_HOME=~/.cco-local"


def unfinished_files(setup: Setup) -> Finding:
    home = setup.home
    found = [*abandoned_pulls(home.models), *_unfinished(home), *_unfinished_copies(home)]
    if not found:
        return Finding("Nothing unfinished is left over.")
    named = shlex.join(map(str, found))
    what = f"{len(found)} unfinished files or folders are left over."
    return warning(what, f"rm -r {named}", lambda: _sweep(home))


def _sweep(home: Home) -> str:
    n_pulls, unfinished = len(abandoned_pulls(home.models)), _unfinished(home)
    copies = _unfinished_copies(home)
    sweep_abandoned_pulls(home.models)
    for path in unfinished:
        path.unlink(missing_ok=True)
    for folder in copies:
        shutil.rmtree(folder, ignore_errors=True)
    n_removed = n_pulls + len(unfinished) + len(copies)
    return f"{n_removed} unfinished files or folders are removed."


def _unfinished(home: Home) -> list[Path]:
    """As `kmctl.whole_file` names them, and too old to be still written."""
    before = time.time() - _SURELY_UNFINISHED_S
    reports = home.path.joinpath("migrations").glob(".*.json.????????")
    return [path for path in reports if path.stat().st_mtime < before]


def _unfinished_copies(home: Home) -> list[Path]:
    """Of a backup, or of one that was being restored, whose process is gone."""
    return [*abandoned(home.backups, UNFINISHED), *abandoned(home.data, STAGING)]


def log_size(setup: Setup) -> Finding:
    log = setup.home.log
    if not log.exists():
        return Finding("The home holds no log.")
    size_bytes = log.stat().st_size
    what = f"{log} has {size_bytes / 1e6:.1f} MB."
    if size_bytes > _LONG_LOG_BYTES:
        return warning(what, f": > {shlex.quote(str(log))}")
    return Finding(what)


def clock(setup: Setup) -> Finding:
    newest_s = max((facts.st_mtime for _, facts in files(setup.home)), default=0.0)
    ahead_s = newest_s - time.time()
    if ahead_s > 60:  # noqa: PLR2004  # a minute: clocks of two machines may differ
        what = f"A file in the home is from {ahead_s:.0f} s in the future."
        return warning(what, SET_CLOCK)
    return Finding("No file in the home is from the future.")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
