"""The table of checks, and running them."""

from dataclasses import dataclass

from kmctl.doctor import backups, daemon, home, installation, service
from kmctl.doctor.finding import Check, Finding
from kmctl.doctor.setup import Setup, observe
from kmctl.options import Invocation

CHECKS = (
    Check(
        "home",
        "the home is a folder, yours, mode 0700",
        "Others could read what you stored, so the daemon refuses to start.",
        home.private,
    ),
    Check(
        "home-files",
        "each file in the home is yours and closed to others",
        "A file of another user cannot be written; one that is open stays open where it is copied.",
        home.private_files,
    ),
    Check(
        "tokens",
        "the file of tokens, if there is one, is yours alone and whole, and none has expired",
        "Otherwise no token lets anybody in; what has expired is of no use.",
        home.token_file,
    ),
    Check(
        "disk-space",
        "room in the home and in the folder for temporary files",
        "On a full disk nothing is stored any more.",
        home.disk_space,
    ),
    Check(
        "file-system",
        "the home is not on a network file system",
        "Locks and forced writes are not dependable there, and sockets often do not work.",
        home.file_system,
    ),
    Check(
        "synchronised-folder",
        "no program that synchronises folders has the home",
        "It copies a store in the middle of a change, and may put old files back.",
        home.synchronised_folder,
    ),
    Check(
        "unfinished-files",
        "nothing is left over from a pull, a report, a backup or a restore that was killed",
        "It takes room and is of no use.",
        home.unfinished_files,
    ),
    Check(
        "old-copies",
        "the store from before an upgrade or a restore is not kept longer than 30 days",
        "It keeps what you have deleted since, and the room that it took.",
        backups.old_copies,
    ),
    Check(
        "quarantine",
        "no table that was found damaged is kept",
        "Its report tells what is missing. It keeps the room and the texts of what you delete.",
        backups.quarantine,
    ),
    Check(
        "durability",
        "what is acknowledged is forced to the disk",
        "Otherwise a loss of power takes what was stored last, or more.",
        backups.durability,
    ),
    Check(
        "credential-key",
        "the key of sealed credentials is there, closed to others, and the one that sealed them",
        "Without it their values cannot be read any more, by anybody; no backup holds it.",
        home.credential_key,
    ),
    Check(
        "log-size",
        "the log in the home has less than 100 MB",
        "It rotates at `log.max_bytes`, which is set high.",
        home.log_size,
    ),
    Check(
        "clock",
        "no file in the home is from the future",
        "A clock that was or is wrong spoils the order of entries and what counts as recent.",
        home.clock,
    ),
    Check(
        "python",
        "Python 3.11 or newer",
        "Older ones cannot run the daemon.",
        installation.python,
    ),
    Check(
        "dependencies",
        "each package is installed, and the pinned ones are of the version that is pinned",
        "The daemon uses inner parts of LanceDB and llama.cpp's binding; others may differ there.",
        installation.dependencies,
    ),
    Check(
        "configuration",
        "the daemon would accept its settings",
        "It refuses to start with a setting that does not exist or has a wrong value.",
        installation.configuration,
    ),
    Check(
        "model",
        "the configured model's file is there and has the right sha256",
        "Without it there are no vectors, and the daemon does not start.",
        installation.model,
    ),
    Check(
        "open-files",
        "at least 1024 open files are allowed",
        "Each connection and each file of the store takes one.",
        installation.open_files,
    ),
    Check(
        "hooks",
        "the interpreter of Claude Code's hooks is there",
        "Otherwise every hook fails, and sessions are neither kept nor told anything.",
        installation.hooks,
    ),
    Check(
        "service",
        "systemd listens for the service, if one is installed, and has not given up on it",
        "After five failed starts within a minute it tries no more, and every request is refused.",
        service.service,
    ),
    Check(
        "sandbox",
        "the kernel holds a service of systemd to what its units forbid",
        "Otherwise a fault in the daemon could reach all that you can.",
        service.sandbox,
    ),
    Check(
        "socket-length",
        "the path of the socket is short enough",
        "The operating system limits it.",
        daemon.socket_length,
    ),
    Check(
        "socket",
        "what is at the path of the socket: a socket, mode 0600, with somebody listening",
        'A socket that was left over lets clients fail with "Connection refused".',
        daemon.socket_file,
    ),
    Check(
        "lock",
        "the daemon that answers is the one that holds this home, alone",
        "Two daemons, or one of another home, would answer from another store than you think.",
        daemon.lock,
    ),
    Check(
        "daemon",
        "a daemon answers and is ready, or the last start did not fail",
        "Without one nothing is stored or found.",
        daemon.answers,
    ),
    Check(
        "version",
        "the daemon has the version of kmctl",
        "After an upgrade the old one runs on until it is restarted.",
        daemon.version,
    ),
    Check(
        "latency",
        "the daemon answers within a second and its queue is not nearly full",
        "Agents wait for it; a full queue refuses texts.",
        daemon.latency,
    ),
    Check(
        "memory",
        "the daemon holds less than 1 GiB and the size of the model",
        "It needs far less; the machine may begin to swap.",
        daemon.memory,
    ),
    Check(
        "store",
        "the store can be read and counted",
        "A store that cannot be read finds nothing.",
        daemon.store,
    ),
    Check(
        "maintenance",
        "small files are folded and old versions dropped, without failures",
        "Searches become slower and the disk fuller; the daemon goes on trying.",
        daemon.maintenance,
    ),
    Check(
        "files",
        "the table has few files, rows without index and bytes that nothing needs",
        "Each search opens all files and looks through such rows one by one.",
        daemon.files,
    ),
    Check(
        "backups",
        "what changed is backed up, and the last scheduled backup did not fail",
        "What no backup holds is lost by a mistake or a damaged store.",
        backups.recent,
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    check: Check
    finding: Finding
    """After the mending, if there was any."""
    fixed: str | None
    """What was done."""


def run_checks(invocation: Invocation, *, fix: bool) -> list[Result]:
    """One after the other: what the first ones mend is mended for those that follow."""
    setup = observe(invocation)
    results = []
    for check in CHECKS:
        finding, fixed = _examined(check, setup), None
        if fix and finding.mend is not None:
            fixed = _mended(finding)
            setup = observe(invocation)
            finding = _examined(check, setup)
        results.append(Result(check, finding, fixed))
    return results


def _examined(check: Check, setup: Setup) -> Finding:
    try:
        return check.examine(setup)
    except OSError as error:
        what = f"This cannot be looked at: {error.filename or ''} {error.strerror or error}."
        return Finding(what, "error", setup.kmctl("status"))


def _mended(finding: Finding) -> str | None:
    assert finding.mend is not None  # noqa: S101  # the caller has looked
    try:
        return finding.mend()
    except OSError:  # the finding stays, and its command tells more
        return None
