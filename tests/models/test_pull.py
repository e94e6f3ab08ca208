import dataclasses
import hashlib
import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cco_knowledge.errors import InvalidInput, StartRefused, StorageFull
from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS, KnownModel, model_path, pull_model
from cco_knowledge.models.catalog import Checkpoint

MINILM = KNOWN_MODELS[DEFAULT_MODEL]
CONTENT = bytes(range(256)) * 4096 * 3
"""3 MB, so that it comes in several chunks."""


def ignore_progress(_done_bytes: int, _total_bytes: int) -> None:
    pass


def known(content: bytes, name: str = "tiny") -> KnownModel:
    sha256 = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(
        MINILM,
        name=name,
        source_sha256=sha256,
        source_bytes=len(content),
        sha256=sha256,
        bytes=len(content),
        checkpoint=None,
    )


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "home/models"


@pytest.fixture
def source_file(tmp_path: Path) -> Path:
    path = tmp_path / "downloaded"
    path.write_bytes(CONTENT)
    return path


def files_in(models_dir: Path) -> list[str]:
    return sorted(str(path.relative_to(models_dir)) for path in models_dir.rglob("*"))


def test_the_conversion_gives_the_pinned_file(models_dir: Path, model_archive: Path) -> None:
    path = pull_model(MINILM, models_dir, ignore_progress, model_archive)
    assert path == model_path(MINILM, models_dir)
    assert path.stat().st_size == MINILM.bytes
    assert hashlib.sha256(path.read_bytes()).hexdigest() == MINILM.sha256
    assert files_in(models_dir) == ["all-MiniLM-L6-v2.gguf"]


def test_a_finished_file_from_another_machine(models_dir: Path, model_file: Path) -> None:
    path = pull_model(MINILM, models_dir, ignore_progress, model_file)

    assert path.read_bytes() == model_file.read_bytes()


def test_a_file_from_elsewhere(models_dir: Path, source_file: Path) -> None:
    progress: list[tuple[int, int]] = []
    path = pull_model(
        known(CONTENT),
        models_dir,
        lambda *done_and_total: progress.append(done_and_total),
        source_file,
    )
    assert path.read_bytes() == CONTENT
    assert files_in(models_dir) == ["tiny.gguf"]
    assert progress == [(n << 20, len(CONTENT)) for n in (1, 2, 3)]
    assert source_file.exists()


def test_folders_and_file_are_private_whatever_the_umask(
    models_dir: Path, source_file: Path
) -> None:
    umask = os.umask(0o000)
    try:
        path = pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    finally:
        os.umask(umask)
    modes = [entry.stat().st_mode & 0o777 for entry in (models_dir.parent, models_dir, path)]
    assert modes == [0o700, 0o700, 0o600]


def test_what_is_there_and_right_is_not_fetched_again(
    models_dir: Path, source_file: Path, tmp_path: Path
) -> None:
    path = pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    assert pull_model(known(CONTENT), models_dir, ignore_progress, tmp_path / "absent") == path


def test_what_is_there_and_wrong_is_replaced(models_dir: Path, source_file: Path) -> None:
    models_dir.mkdir(parents=True)
    model_path(known(CONTENT), models_dir).write_bytes(b"old")
    path = pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content", [b"", CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x"], ids=len
)
def test_another_file_is_refused(models_dir: Path, source_file: Path, content: bytes) -> None:
    source_file.write_bytes(content)
    with pytest.raises(InvalidInput, match="is not the file that tiny is made from"):
        pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    assert files_in(models_dir) == []


def test_an_unreadable_source_is_refused(models_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        pull_model(known(CONTENT), models_dir, ignore_progress, tmp_path / "absent")
    assert files_in(models_dir) == []


def test_what_was_there_survives_a_failure(models_dir: Path, source_file: Path) -> None:
    models_dir.mkdir(parents=True)
    model_path(known(CONTENT), models_dir).write_bytes(b"old")
    source_file.write_bytes(b"wrong")
    with pytest.raises(InvalidInput):
        pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    assert model_path(known(CONTENT), models_dir).read_bytes() == b"old"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_nothing(
    models_dir: Path, source_file: Path, interruption: type[BaseException]
) -> None:
    def interrupt(_done_bytes: int, _total_bytes: int) -> None:
        raise interruption

    with pytest.raises(interruption):
        pull_model(known(CONTENT), models_dir, interrupt, source_file)
    assert files_in(models_dir) == []


@pytest.fixture
def small_files_only(source_file: Path) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files_only")
def test_no_room(models_dir: Path, source_file: Path) -> None:
    with pytest.raises(StorageFull, match="Make room"):
        pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    assert files_in(models_dir) == []


def test_a_folder_that_cannot_be(tmp_path: Path, source_file: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartRefused, match="cannot be written"):
        pull_model(known(CONTENT), tmp_path / "file/models", ignore_progress, source_file)


def archive_of(model: KnownModel, path: Path, weights: bytes) -> KnownModel:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "vocab.txt", "model.safetensors"):
            archive.writestr(f"folder/{name}", weights)
    content = path.read_bytes()
    return dataclasses.replace(
        model,
        source_sha256=hashlib.sha256(content).hexdigest(),
        source_bytes=len(content),
        checkpoint=Checkpoint("folder", hashlib.sha256(b"original").hexdigest()),
    )


def test_other_weights_in_the_archive_are_refused(models_dir: Path, source_file: Path) -> None:
    model = archive_of(MINILM, source_file, b"changed")
    with pytest.raises(InvalidInput, match="original weights"):
        pull_model(model, models_dir, ignore_progress, source_file)
    assert files_in(models_dir) == []


def test_another_result_of_the_conversion_is_refused(models_dir: Path, model_archive: Path) -> None:
    model = dataclasses.replace(MINILM, sha256="0" * 64)
    with pytest.raises(StartRefused, match=r"requirements/run\.txt"):
        pull_model(model, models_dir, ignore_progress, model_archive)
    assert files_in(models_dir) == []


PULL_AND_PAUSE = """
import sys
from pathlib import Path
from cco_knowledge.models import pull_model
sys.path.insert(0, sys.argv[1])
from test_pull import CONTENT, known

paused = False
def pause(done_bytes, total_bytes):
    global paused
    if not paused:
        paused = True
        print("paused", flush=True)
        sys.stdin.readline()

pull_model(known(CONTENT, "slow"), Path(sys.argv[2]), pause, Path(sys.argv[3]))
"""


@pytest.fixture
def paused_pull(models_dir: Path, source_file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of a pull; a line lets it go on."""
    arguments = [str(Path(__file__).parent), str(models_dir), str(source_file)]
    with subprocess.Popen(
        [sys.executable, "-c", PULL_AND_PAUSE, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "paused\n"
        yield process
        process.kill()


def test_two_pulls_at_once_do_not_disturb_each_other(
    models_dir: Path, source_file: Path, paused_pull: subprocess.Popen[str]
) -> None:
    for name in ("slow", "quick"):
        pull_model(known(CONTENT, name), models_dir, ignore_progress, source_file)
    paused_pull.communicate("go on\n", timeout=30)
    assert paused_pull.returncode == 0
    assert files_in(models_dir) == ["quick.gguf", "slow.gguf"]


def test_what_a_killed_pull_left_is_swept_by_the_next(
    models_dir: Path, source_file: Path, paused_pull: subprocess.Popen[str]
) -> None:
    paused_pull.kill()
    paused_pull.wait()
    assert any(name.endswith("/source") for name in files_in(models_dir))
    pull_model(known(CONTENT), models_dir, ignore_progress, source_file)
    assert files_in(models_dir) == ["tiny.gguf"]


def test_the_package_imports_nothing_heavy() -> None:
    heavy = {"numpy", "gguf", "safetensors", "urllib.request", "ssl", "zipfile", "subprocess"}
    code = f"import sys, cco_knowledge.models; print(*{heavy!r} & set(sys.modules))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip() == ""
