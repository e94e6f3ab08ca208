"""kmctl doctor: each check finds what it is there for, and mends what is safe."""

import fcntl
import json
import os
import resource
import shlex
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cco_knowledge import __version__
from cco_knowledge.backups.manifest import Manifest, write_manifest
from cco_knowledge.types import ModelIdentity
from conftest import StartDaemon
from doctor.conftest import Command
from kmctl.doctor.checks import CHECKS
from kmctl.doctor.file_systems import linux_mounts, macos_mounts, mounted, synchroniser_of
from kmctl.doctor.home import SET_CLOCK
from kmctl.hook_settings import added, hooks_for
from ndjson_peer import Peer, Recorded, serving
from process import Daemon

Check = dict[str, Any]
TOO_LONG = 120 * "x"


def checks(command: Command, *arguments: str) -> dict[str, Check]:
    outcome = command("doctor", "--json", *arguments)
    report = outcome.json
    has_errors = any(check["state"] == "error" for check in report["checks"])
    assert (report["ok"], outcome.code) == (not has_errors, int(has_errors))
    assert [check["name"] for check in report["checks"]] == [check.name for check in CHECKS]
    return {check["name"]: check for check in report["checks"]}


def not_ok(found: dict[str, Check]) -> dict[str, str]:
    return {name: check["state"] for name, check in found.items() if check["state"] != "ok"}


def test_all_is_well_with_a_healthy_daemon(command: Command, shared_daemon: Daemon) -> None:
    outcome = command("doctor", "--home", str(shared_daemon.home))
    assert outcome.code == 0, outcome.out
    assert outcome.out.endswith(f"0 errors, 0 warnings, {len(CHECKS)} checks\n"), outcome.out
    found = checks(command, "--home", str(shared_daemon.home))
    assert f"pid {shared_daemon.pid}" in found["lock"]["what"]
    assert "entries" in found["store"]["what"]


def test_without_a_daemon_that_is_all_that_is_said(command: Command) -> None:
    found = checks(command)
    assert not_ok(found) == {"daemon": "warning"}
    assert found["daemon"]["fix"] == "kmctl start --detach"
    for name in ("version", "latency", "memory", "store", "backups"):
        assert found[name]["what"].startswith("Not judged")


def test_a_home_that_is_not_there_is_not_made(command: Command, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    found = checks(command, "--fix", "--home", str(nowhere))
    assert not_ok(found) == {"home": "warning", "model": "error", "daemon": "warning"}
    assert found["home"]["fix"] == f"kmctl start --detach --home {nowhere}"
    assert not nowhere.exists()


def open_home(home: Path) -> None:
    home.chmod(0o755)


def open_file(home: Path) -> None:
    (home / "knowledge.toml").write_text("")
    (home / "knowledge.toml").chmod(0o644)


def stale_socket(home: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_over:
        left_over.bind(str(home / "knowledge.sock"))
    (home / "knowledge.sock").chmod(0o600)


def killed_pull(home: Path) -> None:
    (home / "models" / ".pull-abcdefgh").mkdir(mode=0o700)


def killed_report(home: Path) -> None:
    (home / "migrations").mkdir(mode=0o700)
    path = home / "migrations" / ".run-1.json.abcdefgh"
    path.touch(0o600)
    os.utime(path, (1, 1))


def killed_restore(home: Path) -> None:
    (home / "knowledge" / ".restoring-x" / "knowledge.lance").mkdir(mode=0o700, parents=True)
    for folder in ("", ".restoring-x"):
        (home / "knowledge" / folder).chmod(0o700)


SAFE = [
    ("home", "error", open_home),
    ("home-files", "warning", open_file),
    ("socket", "warning", stale_socket),
    ("unfinished-files", "warning", killed_pull),
    ("unfinished-files", "warning", killed_report),
    ("unfinished-files", "warning", killed_restore),
]


@pytest.mark.parametrize(("name", "state", "provoke"), SAFE)
def test_what_is_safe_is_mended(
    name: str, state: str, provoke: Callable[[Path], None], command: Command, home: Path
) -> None:
    provoke(home)
    found = checks(command)
    assert not_ok(found) == {name: state, "daemon": "warning"}
    assert found[name]["fix"]
    assert found[name]["fixed"] is None
    mended = checks(command, "--fix")
    assert mended[name]["fixed"]
    assert not_ok(mended) == not_ok(checks(command)) == {"daemon": "warning"}


@pytest.mark.parametrize(("name", "state", "provoke"), SAFE)
def test_the_command_that_is_shown_mends_it_too(
    name: str, state: str, provoke: Callable[[Path], None], command: Command, home: Path
) -> None:
    provoke(home)
    assert os.system(checks(command)[name]["fix"]) == 0  # noqa: S605  # as a user would run it
    assert not_ok(checks(command)) == {"daemon": "warning"}


def unknown_key(home: Path) -> None:
    (home / "knowledge.toml").write_text('[model]\nnmae = "x"\n')
    (home / "knowledge.toml").chmod(0o600)


def no_model(home: Path) -> None:
    (home / "models" / "all-MiniLM-L6-v2.gguf").unlink()


def damaged_model(home: Path) -> None:
    no_model(home)
    (home / "models" / "all-MiniLM-L6-v2.gguf").write_bytes(b"GGUF")
    (home / "models" / "all-MiniLM-L6-v2.gguf").chmod(0o600)


def long_log(home: Path) -> None:
    (home / "logs").mkdir(mode=0o700)
    (home / "logs" / "knowledge.log").touch(0o600)
    os.truncate(home / "logs" / "knowledge.log", 200 << 20)


def failed_start(home: Path) -> None:
    (home / "logs").mkdir(mode=0o700)
    lines = ['{"ts":"2026-11-25T10:00:00.000+00:00","level":"info","event":"ready"}']
    (home / "logs" / "knowledge.log").touch(0o600)
    (home / "logs" / "knowledge.log").write_text(
        "\n".join([*lines, "cco-knowledged: The store cannot be read.", ""])
    )


def old_backup(home: Path) -> None:
    backup = home / "backups" / "20200101T000000Z-upgrade"
    backup.parent.mkdir(mode=0o700)
    backup.mkdir(mode=0o700)
    manifest = Manifest(
        format=1,
        created="2020-01-01T00:00:00.000Z",
        kind="upgrade",
        software="0.0.1",
        schema_version=1,
        model=ModelIdentity("m", "0" * 64, 2),
        table_version=1,
        rows=0,
        bytes=0,
        files=(),
    )
    write_manifest(backup, manifest)


def old_store(home: Path) -> None:
    (home / "knowledge" / "before-restore-20200101T000000Z").mkdir(mode=0o700, parents=True)
    (home / "knowledge").chmod(0o700)


def file_of_tomorrow(home: Path) -> None:
    (home / "knowledge.toml").touch(0o600)
    tomorrow = time.time() + 86400
    os.utime(home / "knowledge.toml", (tomorrow, tomorrow))


def no_socket(home: Path) -> None:
    (home / "knowledge.sock").touch(0o600)


def hooks_of_a_lost_interpreter(_: Path) -> None:
    settings = Path.home() / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(added("{}\n", hooks_for("/gone/python", [])))


@pytest.mark.parametrize(
    ("name", "state", "provoke", "fix"),
    [
        ("model", "error", no_model, "kmctl model pull all-MiniLM-L6-v2"),
        ("model", "error", damaged_model, "kmctl model pull all-MiniLM-L6-v2"),
        ("log-size", "warning", long_log, ": > HOME/logs/knowledge.log"),
        ("daemon", "error", failed_start, "kmctl start --detach"),
        (
            "old-copies",
            "warning",
            old_backup,
            "rm -r HOME/backups/20200101T000000Z-upgrade",
        ),
        (
            "old-copies",
            "warning",
            old_store,
            "rm -r HOME/knowledge/before-restore-20200101T000000Z",
        ),
        ("clock", "warning", file_of_tomorrow, SET_CLOCK),
        ("socket", "error", no_socket, "mv HOME/knowledge.sock HOME/knowledge.sock.moved"),
        ("hooks", "warning", hooks_of_a_lost_interpreter, "kmctl hooks install"),
        ("configuration", "error", unknown_key, "${EDITOR:-vi} HOME/knowledge.toml"),
    ],
)
def test_what_is_not_safe_is_left_to_the_user(
    name: str, state: str, provoke: Callable[[Path], None], fix: str, command: Command, home: Path
) -> None:
    provoke(home)
    before = state_of(home)
    found = checks(command, "--fix")
    assert not_ok(found) == {"daemon": "warning"} | {name: state}
    assert (found[name]["fix"], found[name]["fixed"]) == (fix.replace("HOME", str(home)), None)
    assert state_of(home) == before


def state_of(home: Path) -> dict[Path, tuple[int, int]]:
    return {path: (path.lstat().st_mode, path.lstat().st_mtime_ns) for path in home.rglob("*")}


@pytest.mark.parametrize(
    ("told", "state", "what"),
    [
        ({"next_at": None}, "warning", "There is no backup, and none is scheduled."),
        ({"next_at": "2999-01-01T00:00:00.000Z"}, "ok", "There is none yet; the first is due at "),
        ({"failed_at": "2026-11-27T10:00:00.000Z"}, "error", "The scheduled backup of "),
        ({"newest": "a", "newest_at": "2020-01-01T00:00:00.000Z"}, "warning", "The newest is a."),
        (
            {"newest": "a", "newest_at": "2020-01-01T00:00:00.000Z", "is_current": True},
            "ok",
            "The newest is a. Nothing has changed since.",
        ),
    ],
)
def test_backups_are_judged_by_what_the_daemon_tells(
    told: dict[str, Any], state: str, what: str, command: Command, home: Path
) -> None:
    facts = {"newest": None, "newest_at": None, "is_current": False, "next_at": None}
    status = {
        "version": __version__,
        "pid": os.getpid(),
        "ready": False,
        "home": str(home),
        "queue": 0,
        "rss_bytes": 0,
        "backups": {**facts, "failed_at": None, **told},
    }
    answers = Recorded({"system.ping": "pong", "system.status": status})
    with serving(answers, hang_up) as daemon:
        daemon.path.chmod(0o600)
        found = checks(command, "--socket", str(daemon.path))["backups"]
    assert (found["state"], found["what"].startswith(what)) == (state, True), found
    socket_flag = f" --socket {daemon.path}"
    assert found["fix"] == (None if state == "ok" else f"kmctl backup{socket_flag}")


def test_a_variable_that_is_no_setting(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_KNOWLEDGE_LIMITS_DRAIN", "3")
    found = checks(command)["configuration"]
    assert (found["state"], found["fix"]) == ("error", "unset CCO_KNOWLEDGE_LIMITS_DRAIN")
    monkeypatch.delenv("CCO_KNOWLEDGE_LIMITS_DRAIN")
    monkeypatch.setenv("CCO_KNOWLEDGE_LIMITS_DRAIN_S", "long")
    assert checks(command)["configuration"]["fix"] == "unset CCO_KNOWLEDGE_LIMITS_DRAIN_S"


def test_a_path_that_no_socket_can_have(command: Command, home: Path) -> None:
    found = checks(command, "--socket", str(home / TOO_LONG))
    assert found["socket-length"]["state"] == "error"


def test_a_package_that_is_not_of_the_pinned_version(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lancedb-0.1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: lancedb\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = checks(command)
    assert not_ok(found) == {"dependencies": "error", "daemon": "warning"}
    assert found["dependencies"]["what"].startswith("lancedb 0.1 is installed and ")


def test_a_home_in_a_synchronised_folder(command: Command, tmp_path: Path) -> None:
    home = tmp_path / "Dropbox" / "cco"
    home.mkdir(mode=0o700, parents=True)
    found = checks(command, "--home", str(home))["synchronised-folder"]
    assert (found["state"], "Dropbox" in found["what"]) == ("warning", True)
    assert found["fix"].startswith(f"kmctl stop --home {home}; mv {home} ~/.cco-local; ")


def test_a_damaged_file_of_tokens(command: Command, home: Path) -> None:
    path = home / "api_token"
    path.write_text("{}\n")
    path.chmod(0o600)
    found = checks(command, "--home", str(home))["tokens"]
    assert found["state"] == "error"
    assert found["fix"].startswith(f"mv {path} {path}.moved")


def test_a_daemon_that_refuses_the_token(
    command: Command, shared_daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CCO_KNOWLEDGE_TOKEN", "wrong")
    found = checks(command, "--home", str(shared_daemon.home))["daemon"]
    assert found["state"] == "error"
    assert found["fix"].startswith("unset CCO_KNOWLEDGE_TOKEN")


def test_few_open_files(command: Command) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (500, hard))
    try:
        assert not_ok(checks(command)) == {"open-files": "warning", "daemon": "warning"}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_daemon_that_nobody_reaches(command: Command, home: Path) -> None:
    with held_lock(home):
        stale_socket(home)
        found = checks(command, "--fix")
    assert not_ok(found) == {"socket": "warning", "lock": "error", "daemon": "warning"}
    assert found["lock"]["fix"].startswith("kill 4242 ")
    assert "stays" in found["socket"]["fixed"]


@contextmanager
def held_lock(home: Path) -> Iterator[None]:
    with (home / "knowledge.lock").open("w") as lock:
        os.fchmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4242\n")
        lock.flush()
        yield


def hang_up(peer: Peer) -> None:
    peer.read()


def not_measured(_peer: Peer) -> None:
    """No answer to HTTP."""


def test_a_daemon_of_another_home_and_version(command: Command, home: Path) -> None:
    status = {
        "version": "0.0.1",
        "pid": os.getpid(),
        "ready": False,
        "home": "/elsewhere",
        "queue": 1020,
        "rss_bytes": 3 << 30,
    }
    told = Recorded({"system.ping": "pong", "system.status": status})
    with serving(told, hang_up) as daemon:
        daemon.path.chmod(0o600)
        found = checks(command, "--socket", str(daemon.path))
    assert not_ok(found) == {
        "lock": "error",
        "daemon": "warning",
        "version": "warning",
        "latency": "warning",
        "memory": "warning",
    }
    assert "/elsewhere" in found["lock"]["what"]
    assert __version__ in found["version"]["what"]


def test_a_table_that_is_not_kept_in_order(command: Command, home: Path) -> None:
    status = {
        "version": __version__,
        "pid": 4242,
        "ready": True,
        "home": str(home),
        "queue": 0,
        "rss_bytes": 0,
        "maintenance": {
            "compactions": 1,
            "failures": 4,
            "failures_in_a_row": 4,
            "last_failure": "storage_full",
        },
    }
    storage = {
        "bytes": 400 << 20,
        "fragments": 700,
        "versions": 9,
        "unindexed_rows": 1,
    }
    stats = {"total_records": 9, "storage": storage}
    told = Recorded({"system.ping": "pong", "system.status": status, "knowledge.stats": stats})
    with serving(told, hang_up, told, told, not_measured) as daemon, held_lock(home):
        daemon.path.chmod(0o600)
        found = checks(command, "--socket", str(daemon.path))
    assert not_ok(found) == {"maintenance": "warning", "files": "warning"}
    assert found["maintenance"]["fix"] == f"df -h {home}"
    assert found["files"]["fix"].startswith("kmctl optimize")
    assert "700 files" in found["files"]["what"]


def test_two_daemons_of_one_home(command: Command, home: Path) -> None:
    status = {
        "version": __version__,
        "pid": os.getpid(),
        "ready": False,
        "home": str(home),
        "queue": 0,
        "rss_bytes": 0,
    }
    told = Recorded({"system.ping": "pong", "system.status": status})
    with serving(told, hang_up) as daemon, held_lock(home):
        daemon.path.chmod(0o600)
        found = checks(command, "--socket", str(daemon.path))
    assert not_ok(found) == {"lock": "error", "daemon": "warning"}
    assert "4242" in found["lock"]["what"]


def test_refused_settings_do_not_hide_the_daemon_that_runs(
    command: Command, home: Path, start_daemon: StartDaemon
) -> None:
    start_daemon()
    unknown_key(home)
    assert not_ok(checks(command)) == {"configuration": "error"}


def test_a_daemon_that_does_not_answer(command: Command) -> None:
    with serving(hang_up, hang_up) as daemon:
        daemon.path.chmod(0o660)
        found = checks(command, "--timeout", "0.1", "--socket", str(daemon.path), "--fix")
        assert stat.S_IMODE(daemon.path.stat().st_mode) == 0o600
    assert found["socket"]["fixed"]
    assert found["daemon"]["state"] == "error"


def test_people_see_what_is_wrong_why_it_matters_and_what_mends_it(
    command: Command, home: Path
) -> None:
    open_home(home)
    told = command("doctor", "--fix")
    assert f"Fixed home: {home} has mode 0700 now." in told.out
    no_model(home)
    told = command("doctor")
    assert told.code == 1
    assert "  $ kmctl model pull all-MiniLM-L6-v2\n" in told.out
    assert "Without it there are no vectors" in told.out


def test_a_file_system_is_that_of_the_longest_mount_point_above() -> None:
    linux = linux_mounts("/dev/a / ext4 rw 0 0\nhost:/x /home/my\\040nfs nfs4 rw 0 0\n")
    assert mounted(Path("/home/my nfs/.cco"), linux) == "nfs4"
    assert mounted(Path("/home/mine"), linux) == "ext4"
    macos = macos_mounts("/dev/disk3s1 on / (apfs, local)\n//me@x/y on /Volumes/y (smbfs, nodev)\n")
    assert mounted(Path("/Volumes/y/cco"), macos) == "smbfs"
    assert mounted(Path("/Users/me"), macos) == "apfs"


def test_folders_that_a_program_synchronises(tmp_path: Path) -> None:
    assert synchroniser_of(Path("/home/me/Dropbox (Work)/cco")) == "Dropbox"
    assert synchroniser_of(Path("/home/me/.cco")) is None
    (tmp_path / ".stfolder").mkdir()
    assert synchroniser_of(tmp_path / "cco") == "Syncthing"


def test_every_kmctl_command_that_is_shown_exists(command: Command, home: Path) -> None:
    for name in ("no-model", "stale"):
        no_model(home) if name == "no-model" else stale_socket(home)
    for check in checks(command).values():
        words = shlex.split(check["fix"] or "", comments=True)
        if words[:1] == ["kmctl"]:
            assert command(*words[1:], "--help").code == 0, json.dumps(check)
