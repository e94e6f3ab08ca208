"""The daemon: is it the one that the home has, and is it well? Nothing here starts or stops it."""

import shlex
import socket
import stat
from pathlib import Path
from typing import Any

from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import Home, check_socket_path
from cco_knowledge_client import KnowledgeError, Unauthorized
from kmctl import versions
from kmctl.daemon_log import last_refusal
from kmctl.doctor.finding import Finding, error, warning
from kmctl.doctor.setup import Setup
from kmctl.home_lock import hold, holder
from kmctl.scrape import samples_of, scrape

_PROBE_S = 1.0
_SLOW_MS = 1000.0
_MUCH_MEMORY_BYTES = 1 << 30
_FULL = 0.9
_MANY_FILES = 600
_MANY_VERSIONS = 2000
_MANY_ROWS = 20_000
_DISK_FACTOR = 3
_DISK_SPARE_BYTES = 64 << 20
"""More than upkeep leaves at its worst: 256 files, 1,100 versions, a quarter of the rows, a second
copy."""
_LIVE_BYTES = "cco_knowledge_table_live_bytes"
_UNJUDGED = Finding("Not judged: no daemon answers.")
_NOT_READY = Finding("Not judged: no daemon is ready.")
_NOT_SHOWN = Finding("Not judged: the token in CCO_KNOWLEDGE_TOKEN is limited to projects.")


def socket_length(setup: Setup) -> Finding:
    try:
        check_socket_path(setup.socket)
    except StartRefused as refused:
        short = "export CCO_KNOWLEDGE_SOCKET=~/.cco.sock"
        return error(refused.message, short)
    return Finding(f"{setup.socket} is short enough.")


def socket_file(setup: Setup) -> Finding:
    path, quoted = setup.socket, shlex.quote(str(setup.socket))
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return Finding(f"There is no socket at {path}; no daemon listens there.")
    if not stat.S_ISSOCK(facts.st_mode):
        return error(f"{path} exists and is no socket.", f"mv {quoted} {quoted}.moved")
    mode = stat.S_IMODE(facts.st_mode)
    if mode & 0o077:
        what = f"{path} has mode {mode:04o} and not 0600."
        return warning(what, f"chmod 600 {quoted}", lambda: _close(path))
    if setup.sleeps_at is not None:
        return Finding(f"{setup.sleeps_at} listens at {path}, mode 0600.")
    if _is_stale(path):
        what = f"{path} is left over: nobody listens there."
        return warning(what, f"rm {quoted}", lambda: _remove_stale(setup.home, path))
    return Finding(f"Somebody listens at {path}, mode 0600.")


def _close(path: Path) -> str:
    path.chmod(0o600)
    return f"{path} has mode 0600 now."


def _is_stale(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
    return False


def _remove_stale(home: Home, path: Path) -> str:
    """Under the lock of the home: a daemon that starts now does not lose its socket."""
    with hold(home) as is_free:
        if is_free and _is_stale(path):
            path.unlink(missing_ok=True)
            return f"{path} is removed."
    return f"{path} stays: a daemon has the home."


def lock(setup: Setup) -> Finding:
    home, status = setup.home, setup.status
    if status is not None and status["home"] != str(home.path):
        what = f"The daemon at {setup.socket} has the home {status['home']}, not {home.path}."
        return error(what, f"kmctl status --socket {shlex.quote(str(home.socket))}")
    pid = holder(home)
    if status is None and pid is None:
        return Finding("No daemon has the home.")
    if status is None:
        what = f"A daemon (pid {pid}) has the home and does not answer at {setup.socket}."
        return error(what, f"kill {pid}    # it stops cleanly, or listens elsewhere")
    if pid != str(status["pid"]):
        what = f"The daemon that answers (pid {status['pid']}) does not hold the lock ({pid})."
        return error(what, setup.kmctl("restart"))
    return Finding(f"The daemon (pid {pid}) has the home, alone.")


def answers(setup: Setup) -> Finding:
    if isinstance(setup.silence, Unauthorized):
        what = f"A daemon answers at {setup.socket}, and not to you. {setup.silence.message}"
        return error(what, "unset CCO_KNOWLEDGE_TOKEN    # or put one into it that may do more")
    if setup.silence is not None:
        what = f"A daemon listens at {setup.socket} and does not answer. {setup.silence.message}"
        return error(what, f"kill {holder(setup.home) or 'PID'}    # then: kmctl start --detach")
    if setup.sleeps_at is not None:
        return Finding(f"No daemon runs; {setup.sleeps_at} starts it at the next request.")
    if setup.status is None:
        return _absent(setup)
    if not setup.status["ready"]:
        return warning("The daemon is still loading.", setup.kmctl("health"))
    return Finding(f"The daemon (pid {setup.status['pid']}) is ready.")


def _absent(setup: Setup) -> Finding:
    fix, refusal = setup.kmctl("start --detach"), last_refusal(setup.home.log)
    if refusal is not None:
        return error(f"No daemon runs; the last start failed: {refusal}", fix)
    return warning(f"No daemon answers at {setup.socket}.", fix)


def version(setup: Setup) -> Finding:
    if setup.status is None:
        return _UNJUDGED
    theirs = setup.status["version"]
    difference = versions.difference(theirs)
    if difference is not None:
        return warning(difference, setup.kmctl("restart"))
    return Finding(f"The daemon and kmctl are both {theirs}.")


def latency(setup: Setup) -> Finding:
    if setup.status is None:
        return _UNJUDGED
    waiting = setup.status["queue"]
    if waiting is None:
        return _NOT_SHOWN
    what = f"It answers in {setup.ping_ms:.1f} ms; {waiting} texts wait for the model."
    size = setup.config.config.embedding.queue_size if setup.config else None
    if setup.ping_ms > _SLOW_MS or (size is not None and waiting > _FULL * size):
        return warning(what, setup.kmctl("status"))
    return Finding(what)


def memory(setup: Setup) -> Finding:
    if setup.status is None:
        return _UNJUDGED
    rss_bytes = setup.status["rss_bytes"]
    if rss_bytes is None:
        return _NOT_SHOWN
    what = f"The daemon holds {rss_bytes / 1e6:.0f} MB."
    if rss_bytes > _MUCH_MEMORY_BYTES + _model_bytes(setup):
        return warning(what, setup.kmctl("restart"))
    return Finding(what)


def _model_bytes(setup: Setup) -> int:
    if not setup.home.models.is_dir():
        return 0
    return max((file.stat().st_size for file in setup.home.models.glob("*.gguf")), default=0)


def maintenance(setup: Setup) -> Finding:
    upkeep = setup.status.get("maintenance") if setup.status else None
    if upkeep is None:
        return _NOT_READY
    failed = upkeep["failures_in_a_row"]
    if failed:
        what = f"The last tries failed: {failed}, with {upkeep['last_failure']}."
        full = upkeep["last_failure"] == "storage_full"
        return warning(
            what, f"df -h {shlex.quote(str(setup.home.path))}" if full else setup.kmctl("logs")
        )
    return Finding(f"{upkeep['compactions']} times since the start, and none failed since then.")


def files(setup: Setup) -> Finding:
    facts = _counted(setup)
    if isinstance(facts, Finding):
        return facts
    storage = facts["storage"]
    if storage is None:
        return _NOT_SHOWN
    live_bytes = _live_bytes(setup, unless_told=storage["bytes"])
    what = (
        f"{storage['fragments']} files, {storage['versions']} versions, "
        f"{storage['unindexed_rows']} rows without index, {storage['bytes'] / 1e6:.1f} MB for "
        f"{live_bytes / 1e6:.1f} MB in use."
    )
    if (
        storage["fragments"] > _MANY_FILES
        or storage["versions"] > _MANY_VERSIONS
        or storage["unindexed_rows"] > max(_MANY_ROWS, facts["total_records"] / 2)
        or storage["bytes"] > _DISK_FACTOR * live_bytes + _DISK_SPARE_BYTES
    ):
        return warning(what, setup.kmctl("optimize"))
    return Finding(what)


def _live_bytes(setup: Setup, *, unless_told: float) -> float:
    try:
        samples = samples_of(scrape(setup.socket, _PROBE_S))
        told = [each.value for each in samples if each.name == _LIVE_BYTES]
    except KnowledgeError:
        return unless_told
    return told[0] if told else unless_told


def store(setup: Setup) -> Finding:
    facts = _counted(setup)
    if isinstance(facts, Finding):
        return facts
    if facts["storage"] is None:
        return _NOT_SHOWN
    size_bytes = facts["storage"]["bytes"]
    return Finding(f"{facts['total_records']} entries in {size_bytes / 1e6:.1f} MB.")


def _counted(setup: Setup) -> dict[str, Any] | Finding:
    """`knowledge.stats`, or why it is not to be had."""
    if setup.status is None or not setup.status["ready"]:
        return _NOT_READY
    try:
        facts: dict[str, Any] = setup.ask("knowledge.stats")
    except KnowledgeError as failure:
        return error(f"The store cannot be counted: {failure.message}", setup.kmctl("logs"))
    return facts
