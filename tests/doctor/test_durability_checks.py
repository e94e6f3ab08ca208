"""`kmctl doctor` tells of a table that was set back, and of a store that may lose what it holds."""

from pathlib import Path

from cco_knowledge.backups import quarantine
from cco_knowledge.backups.manifest import TABLE_FOLDER
from cco_knowledge.backups.quarantine import PutAside, Report
from doctor.conftest import Command
from doctor.test_doctor import checks, not_ok

REPORT = Report(
    created="2020-01-01T00:00:00.000Z",
    software="0.0.1",
    table_version=7,
    rows=3,
    put_aside=(PutAside(version=8, why="LanceError(IO)", rows=4, missing_ids=("general-1",)),),
)


def test_a_table_that_was_set_back_is_told(command: Command, home: Path) -> None:
    (home / "knowledge" / TABLE_FOLDER).mkdir(mode=0o700, parents=True)
    (home / "knowledge").chmod(0o700)
    place = quarantine.put_in(home / "quarantine", home / "knowledge", REPORT)
    found = checks(command)
    assert not_ok(found) == {"daemon": "warning", "quarantine": "warning"}
    assert "1 entries are known to be missing" in found["quarantine"]["what"]
    assert found["quarantine"]["fix"] == (
        f"cat {place}/report.json    # when nothing of it is needed: rm -r {place}"
    )
    (place / "report.json").write_bytes(b"\xff")
    assert "without a report" in checks(command)["quarantine"]["what"]


def test_a_store_that_forces_nothing_is_told(command: Command, home: Path) -> None:
    (home / "knowledge.toml").touch(0o600)
    (home / "knowledge.toml").write_text('[store]\ndurability = "process"\n')
    found = checks(command)
    assert not_ok(found) == {"daemon": "warning", "durability": "warning"}
