"""What systemd adds where something goes wrong: the next request is served."""

from pathlib import Path

from cco_knowledge_client import KnowledgeClient
from faulty import Faults
from process import wait_until
from service.private_systemd import PrivateSystemd

AFTER_THE_START = 300


def socket_of(systemd: PrivateSystemd) -> Path:
    return systemd.home / ".cco" / "knowledge.sock"


def test_a_model_that_aborts_the_daemon_costs_nobody_an_entry(systemd: PrivateSystemd) -> None:
    faults = Faults(systemd.home / "faults").set(f"embedding.call abort {AFTER_THE_START}")
    (variable,) = (f"{name}={value}" for name, value in faults.environment.items())
    systemd.sh(f"systemctl --user set-environment {variable}; kmctl service install")
    with KnowledgeClient(socket_of(systemd), timeout_s=60) as knowledge:
        ids = [knowledge.store(f"text {n}", id=f"e{n}").id for n in range(5)]
        for first in range(0, AFTER_THE_START, 30):
            knowledge.embed([f"word {n}" for n in range(first, first + 30)])
        assert not knowledge.get(ids).missing
    assert systemd.json("kmctl service status")["restarts"] == 1


def test_a_socket_of_systemd_that_went_is_stood_in_for(systemd: PrivateSystemd) -> None:
    systemd.sh("kmctl service install; kmctl store 'before'")
    pid = systemd.main_pid()
    socket_of(systemd).unlink()
    wait_until(lambda: systemd.sh("kmctl health").code == 0)
    assert systemd.main_pid() == pid
    assert "restart the unit of the socket" in systemd.log
    systemd.sh("systemctl --user stop cco-knowledge.service cco-knowledge.socket")
    assert not socket_of(systemd).exists()
    systemd.sh("systemctl --user start cco-knowledge.socket")
    assert systemd.json("kmctl search before")["count"] == 1
