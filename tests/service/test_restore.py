"""kmctl restore where the daemon is a service: systemd stops it and starts it again."""

from pathlib import Path

import pytest

from cco_knowledge.backups.manifest import NAME
from service.private_systemd import PrivateSystemd
from tables import rewrite


@pytest.mark.usefixtures("_sees_the_interpreter")
def test_a_restore_acts_through_systemd(systemd: PrivateSystemd) -> None:
    systemd.json("kmctl service install --hardened")
    kept = systemd.json("kmctl store 'Before the backup'")["id"]
    made = systemd.json("kmctl backup --to ~/disk")
    systemd.json("kmctl store 'After the backup'")
    restored = systemd.json(f"kmctl restore {made['name']}")
    assert restored["pid"] == systemd.main_pid()
    assert [e["id"] for e in systemd.json("kmctl query")["results"]] == [kept]

    systemd.sh("systemctl --user stop cco-knowledge.service")  # asleep: its socket listens
    restored = systemd.json(f"kmctl restore {made['copy']}")
    assert restored["pid"] == systemd.main_pid()

    systemd.sh("kmctl stop")
    assert systemd.json(f"kmctl restore {made['copy']}")["pid"] is None
    assert systemd.main_pid() == 0
    systemd.sh("kmctl start")
    assert [e["id"] for e in systemd.json("kmctl query")["results"]] == [kept]


def test_what_the_service_refuses_is_undone(systemd: PrivateSystemd) -> None:
    systemd.json("kmctl service install")
    systemd.json("kmctl store 'Before the backup'")
    copy = Path(systemd.json("kmctl backup --to ~/disk")["copy"])
    after = systemd.json("kmctl store 'After the backup'")["id"]
    (copy / NAME).unlink()
    rewrite(copy, without="content_digest")
    refused = systemd.sh(f"kmctl restore {copy}")
    assert refused.code == 1
    assert "the store is what it was again" in refused.out
    assert after in [e["id"] for e in systemd.json("kmctl query")["results"]]
    assert systemd.main_pid() != 0
