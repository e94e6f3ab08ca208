"""An older daemon goes on while kmctl is upgraded, and is replaced by a restart."""

import os
import shutil
from pathlib import Path

import pytest

import cco_knowledge
from cco_knowledge import __version__
from kmctl.versions import difference
from outcome import Kmctl

OLD = "0.0.9"


@pytest.fixture
def old_kmctl(kmctl: Kmctl, tmp_path: Path) -> Kmctl:
    """What was installed before: all as it is, but for the version."""
    package = tmp_path / "daemon" / "cco_knowledge"
    shutil.copytree(Path(cco_knowledge.__file__).parent, package)
    first = package / "__init__.py"
    first.write_text(first.read_text().replace(__version__, OLD))
    paths = [str(package.parent), str(Path(__file__).parents[2] / "client")]
    return Kmctl(kmctl.home, {"PYTHONPATH": os.pathsep.join(paths)})


def test_a_restart_replaces_a_daemon_of_an_older_version(kmctl: Kmctl, old_kmctl: Kmctl) -> None:
    old_kmctl("start", "--detach")
    assert old_kmctl.json("version") == {"client": OLD, "daemon": OLD}
    entry = kmctl.json("store", "The old daemon serves the new client")["id"]

    assert kmctl.json("version") == {"client": __version__, "daemon": OLD}
    told = difference(OLD)
    assert told is not None
    for command in ("version", "status", "doctor"):
        assert told in kmctl(command).out
    (check,) = [each for each in kmctl.json("doctor")["checks"] if each["name"] == "version"]
    assert (check["state"], check["fix"]) == ("warning", "kmctl restart")

    restarted = kmctl("restart")
    assert f"It was version {OLD} and is {__version__} now." in restarted.out
    assert kmctl.json("version") == {"client": __version__, "daemon": __version__}
    assert "older" not in kmctl("status").out
    assert kmctl.json("get", entry)["missing"] == []
    assert "is newer than kmctl" in old_kmctl("version").out
    assert old_kmctl.json("get", entry)["missing"] == []


def test_versions_are_compared_by_their_numbers() -> None:
    assert difference(__version__) is None
    assert "is older" in str(difference("0.0.10"))
    assert "is newer" in str(difference("0.10.0"))
