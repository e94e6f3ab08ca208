"""scripts/formula: the source archive of a release, and the Homebrew formula that installs it."""

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import cco_knowledge

ROOT = Path(__file__).parents[2]
ARCHIVE = f"cco_knowledge-{cco_knowledge.__version__}.tar.gz"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("release")
    script = str(ROOT / "scripts" / "formula")
    subprocess.run([sys.executable, script, "https://example.org/cco/", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


def test_the_formula_names_the_archive_and_its_hash(release: Path) -> None:
    assert {path.name for path in release.iterdir()} == {ARCHIVE, "cco-knowledge.rb"}
    fields = dict(re.findall(r'^  (\w+) "(.+)"$', formula(release), re.MULTILINE))
    assert fields["url"] == f"https://example.org/cco/{ARCHIVE}"
    assert fields["sha256"] == hashlib.sha256((release / ARCHIVE).read_bytes()).hexdigest()
    assert re.findall(r'"{\w+}"', formula(release)) == []


def test_what_the_formula_uses_is_in_the_archive(release: Path) -> None:
    named = re.findall(r"\b(?:requirements|scripts)/[\w.]+", formula(release))
    with tarfile.open(release / ARCHIVE) as archive:
        folder = ARCHIVE.removesuffix(".tar.gz")
        assert {f"{folder}/{name}" for name in named} <= set(archive.getnames())
    assert len(named) > 3


def test_what_the_formula_installs_is_locked() -> None:
    locked = (ROOT / "requirements" / "test.txt").read_text("utf-8")
    for name in ("hatchling", "mcp", "lancedb", "llama-cpp-python"):
        assert re.search(rf"^{name}==[\d.]+ .*\\\n    --hash=sha256:", locked, re.MULTILINE), name


def test_ruby_understands_the_formula(release: Path) -> None:
    if shutil.which("ruby") is None:
        pytest.skip("ruby is not installed")
    subprocess.run(["ruby", "-wc", str(release / "cco-knowledge.rb")], check=True)


def formula(release: Path) -> str:
    return (release / "cco-knowledge.rb").read_text("utf-8")
