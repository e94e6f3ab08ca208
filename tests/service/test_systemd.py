"""The service under a real `systemd --user`, from its installation to its end."""

import json
import shlex

import pytest

from process import wait_until
from service.private_systemd import PrivateSystemd

UNITS = ["cco-knowledge.service", "cco-knowledge.socket"]


def files_below(systemd: PrivateSystemd) -> list[str]:
    folder = systemd.home / ".config" / "systemd" / "user"
    return sorted(path.name for path in folder.rglob("*") if not path.is_dir())


def test_the_first_request_starts_it_and_none_is_refused_when_it_dies(
    systemd: PrivateSystemd,
) -> None:
    installed = systemd.json("kmctl service install")
    assert (installed["listening"], len(installed["written"])) == (True, 2)
    assert systemd.main_pid() == 0
    for looking in ("kmctl status", "kmctl top --once"):
        asleep = systemd.sh(looking)
        assert (asleep.code, "the next request starts it" in asleep.out) == (3, True)
        assert systemd.main_pid() == 0
    examined = json.loads(systemd.sh("kmctl doctor --json").out)
    found = {check["name"]: (check["state"], check["what"]) for check in examined["checks"]}
    assert found["daemon"] == ("ok", "No daemon runs; systemd starts it at the next request.")
    assert found["open-files"] == ("ok", "The service has a limit of its own.")
    assert found["socket"][0] == "ok"
    assert "until you log out; loginctl enable-linger keeps it" in found["service"][1]
    assert systemd.main_pid() == 0

    entry = systemd.json("kmctl store 'The night shift starts at ten'")["id"]
    first = systemd.main_pid()
    assert first != 0
    checks = json.loads(systemd.sh("kmctl doctor --json").out)["checks"]
    (sandbox,) = [check["what"] for check in checks if check["name"] == "sandbox"]
    assert sandbox == "The kernel holds the service to its sandbox."
    assert "cco-knowledge.service, active (running), 0 restarts" in systemd.sh("kmctl status").out
    state = systemd.json("kmctl service status")
    assert (state["installed"], state["enabled"], state["hardened"]) == (True, True, False)
    assert state["status"] == "ready, with the model all-MiniLM-L6-v2"

    systemd.sh(f"kill -9 {first}")
    assert systemd.json("kmctl search 'when does the night shift start'")["count"] == 1
    assert systemd.main_pid() not in (0, first)
    assert systemd.json("kmctl service status")["restarts"] == 1

    assert systemd.log.count("ready") >= 2
    gone = systemd.json("kmctl service uninstall")
    assert (len(gone["removed"]), files_below(systemd)) == (2, [])
    assert systemd.sh("kmctl status").code == 3
    assert systemd.json("kmctl start --detach")["started"] is True  # without the manager
    assert systemd.json(f"kmctl get {entry}")["missing"] == []
    assert systemd.sh("kmctl stop").code == 0


def test_start_stop_and_restart_act_through_systemd_and_say_so(systemd: PrivateSystemd) -> None:
    by_hand = systemd.json("kmctl start --detach")["pid"]
    assert systemd.json("kmctl service install")["stopped_pid"] == by_hand

    started = systemd.json("kmctl start --detach")
    assert (started["started"], started["service"]) == (True, "cco-knowledge.service")
    assert started["pid"] == systemd.main_pid()
    assert systemd.json("kmctl start") == {**started, "started": False}
    restarted = systemd.sh("kmctl restart")
    assert "systemd has restarted cco-knowledge.service" in restarted.out
    assert systemd.sh("kmctl restart --model other.gguf").code == 2

    systemd.sh("rm ~/.cco/knowledge.sock")
    systemd.json("kmctl start")  # the daemon may have made one of its own meanwhile
    assert systemd.sh("kmctl health").out == "ready\n"

    stopped = systemd.sh("kmctl stop")
    assert "systemd has stopped cco-knowledge.service and its socket" in stopped.out
    assert systemd.main_pid() == 0
    assert not (systemd.home / ".cco" / "knowledge.sock").exists()
    state = json.loads(systemd.sh("kmctl service status --json").out)
    assert (state["result"], state["listening"]) == ("success", False)
    assert systemd.sh("kmctl health").code == 3


def test_a_daemon_that_hangs_is_replaced_and_the_request_is_answered(
    systemd: PrivateSystemd,
) -> None:
    systemd.sh(
        "echo WatchdogSec=1 >> $XDG_RUNTIME_DIR/systemd/user/cco-knowledge.service.d/log.conf"
    )
    systemd.sh("kmctl service install; kmctl store 'The late shift starts at two'")
    hung = systemd.main_pid()
    systemd.sh(f"kill -STOP {hung}")
    assert systemd.json("kmctl search 'when does the late shift start'")["count"] == 1
    assert systemd.main_pid() not in (0, hung)
    assert systemd.json("kmctl service status")["restarts"] == 1


@pytest.mark.usefixtures("_sees_the_interpreter")
def test_a_hardened_service_sees_no_other_part_of_the_disk(systemd: PrivateSystemd) -> None:
    home = systemd.home / "my 50%h $home"  # as systemd would read it, were it not quoted
    systemd.sh(f"mv ~/.cco '{home}'; export CCO_HOME='{home}'")
    assert len(systemd.json("kmctl service install --hardened")["written"]) == 3
    assert systemd.json("kmctl service install --hardened")["written"] == []
    assert systemd.json("kmctl store 'The day shift starts at six'")["stored"] is True
    assert systemd.json("kmctl search 'when does the day shift start'")["count"] == 1
    assert systemd.json("kmctl status")["home"] == str(home)
    mounts = systemd.sh(f"cat /proc/{systemd.main_pid()}/mountinfo").out.splitlines()
    options = {line.split()[4]: line.split()[5].split(",")[0] for line in mounts}
    assert options["/"] == "ro"
    assert options[str(home).replace(" ", "\\040")] == "rw"
    state = systemd.sh(f"cat /proc/{systemd.main_pid()}/status").out
    assert "NoNewPrivs:\t1" in state
    assert "Seccomp:\t2" in state
    softened = systemd.json("kmctl service install")
    assert (len(softened["written"]), len(softened["removed"])) == (0, 1)
    assert files_below(systemd) == sorted([*UNITS, "cco-knowledge.socket"])  # enabled by a link


def test_a_start_that_fails_says_why(systemd: PrivateSystemd) -> None:
    systemd.sh("mv ~/.cco/models/*.gguf ~; kmctl service install")
    failed = systemd.sh("kmctl start")
    assert failed.code == 1
    assert "kmctl model pull" in failed.out
    assert systemd.sh("kmctl service status").code in (0, 3)
    systemd.sh("mv ~/*.gguf ~/.cco/models")
    assert systemd.sh("kmctl start").code == 0
    assert systemd.sh("kmctl health").out == "ready\n"


def test_a_crash_loop_ends_and_says_what_to_do(systemd: PrivateSystemd) -> None:
    systemd.sh("mv ~/.cco/models/*.gguf ~; kmctl service install")
    systemd.sh("kmctl store 'Nobody keeps this'")
    wait_until(lambda: systemd.sh("systemctl --user is-failed cco-knowledge.socket").code == 0)
    asked = systemd.sh("kmctl service status")
    assert asked.code == 3
    assert "kmctl model pull" in asked.out
    assert "kmctl service logs" in asked.out
    told = systemd.sh("kmctl status")
    assert (told.code, "has given up" in told.out, "kmctl start" in told.out) == (3, True, True)
    checks = json.loads(systemd.sh("kmctl doctor --json").out)["checks"]
    (service,) = [check for check in checks if check["name"] == "service"]
    assert (service["state"], service["fix"]) == ("error", "kmctl start")
    systemd.sh("mv ~/*.gguf ~/.cco/models")
    assert systemd.json("kmctl start")["started"] is True
    assert systemd.json("kmctl store 'It is kept'")["stored"] is True


def test_a_stop_asks_the_daemon_alone(systemd: PrivateSystemd) -> None:
    """Its children get no signal before it has ended; then what is left of them is killed."""
    folder = systemd.home / ".config" / "systemd" / "user"
    folder.mkdir(parents=True)
    child = "trap 'echo asked >> %h/child' TERM; echo begun > %h/child; while :; do sleep 0.1; done"
    main = f'trap "exit 0" TERM; sh -c "{child}" & wait'
    (folder / "family.service").write_text(
        f"[Service]\nKillMode=mixed\nExecStart=sh -c {shlex.quote(main)}\n"
    )
    systemd.sh("systemctl --user start family.service")
    wait_until((systemd.home / "child").exists)
    assert systemd.sh("systemctl --user stop family.service").code == 0
    assert (systemd.home / "child").read_text() == "begun\n"


def test_what_others_wrote_stays_and_a_second_home_is_refused(systemd: PrivateSystemd) -> None:
    folder = systemd.home / ".config" / "systemd" / "user"
    folder.mkdir(parents=True)
    foreign = folder / "cco-knowledge.socket"
    foreign.write_text("[Socket]\nListenStream=/nowhere\n")
    refused = systemd.sh("kmctl service install")
    assert (refused.code, "was not written by kmctl" in refused.out) == (6, True)
    assert files_below(systemd) == ["cco-knowledge.socket"]
    assert systemd.json("kmctl service uninstall")["removed"] == []
    foreign.unlink()
    assert systemd.json("kmctl service install --no-start")["listening"] is False
    refused = systemd.sh("kmctl service install --home ~/other")
    assert (refused.code, "kmctl service uninstall --home" in refused.out) == (6, True)
    systemd.sh("kmctl service uninstall")
