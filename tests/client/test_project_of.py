import os
import subprocess
from pathlib import Path

import pytest

from cco_knowledge_client import project_of


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    local = ("-c", "protocol.file.allow=always")
    subprocess.run(
        ["git", *identity, *local, *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull},
    )


def new_repository(folder: Path) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCO_PROJECT", raising=False)


def test_repository_and_folders_in_it(tmp_path: Path) -> None:
    shop = new_repository(tmp_path / "shop")
    inner = shop / "src" / "deep"
    inner.mkdir(parents=True)
    (inner / "file.py").touch()
    assert project_of(shop) == "shop"
    assert project_of(inner) == "shop"
    assert project_of(inner / "file.py") == "shop"
    assert project_of(shop / ".git" / "hooks") == "shop"


def test_all_worktrees_are_one_project(tmp_path: Path) -> None:
    shop = new_repository(tmp_path / "shop")
    git(shop, "worktree", "add", "-q", "../elsewhere/feature")
    git(shop, "worktree", "add", "-q", "inside")
    assert project_of(tmp_path / "elsewhere" / "feature") == "shop"
    assert project_of(shop / "inside") == "shop"


def test_bare_repository_and_its_worktrees(tmp_path: Path) -> None:
    shop = new_repository(tmp_path / "source")
    git(tmp_path, "clone", "-q", "--bare", str(shop), "shop.git")
    git(tmp_path / "shop.git", "worktree", "add", "-q", "../feature", "-b", "feature")
    assert project_of(tmp_path / "shop.git") == "shop"
    assert project_of(tmp_path / "feature") == "shop"


def test_hidden_bare_repository(tmp_path: Path) -> None:
    """The layout with `shop/.bare` and the worktrees beside it."""
    source = new_repository(tmp_path / "source")
    shop = tmp_path / "shop"
    shop.mkdir()
    git(shop, "clone", "-q", "--bare", str(source), ".bare")
    (shop / ".git").write_text("gitdir: ./.bare\n")
    git(shop, "worktree", "add", "-q", "feature", "-b", "feature")
    assert project_of(shop) == "shop"
    assert project_of(shop / "feature") == "shop"


def test_submodule_is_its_own_project(tmp_path: Path) -> None:
    library = new_repository(tmp_path / "library")
    shop = new_repository(tmp_path / "shop")
    git(shop, "submodule", "add", "-q", str(library), "vendor/lib")
    assert project_of(shop / "vendor" / "lib") == "lib"
    assert project_of(shop / "vendor") == "shop"


def test_separate_git_folder(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    git(shop, "init", "-q", "--separate-git-dir", str(tmp_path / "store"))
    assert project_of(shop) == "shop"


def test_damaged_link_still_marks_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / ".git").write_text("gitdir: /nowhere\n")
    assert project_of(folder) == "shop"


def test_empty_git_folder_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    plain = tmp_path / "plain"
    plain.mkdir()
    assert project_of(plain) == "plain"


def test_folder_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "notes and plans"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert project_of() == "notes and plans"


def test_root_is_default() -> None:
    assert project_of("/") == "default"


def test_link_to_a_folder_is_the_folder(tmp_path: Path) -> None:
    shop = new_repository(tmp_path / "shop")
    (tmp_path / "alias").symlink_to(shop)
    assert project_of(tmp_path / "alias") == "shop"


def test_name_that_is_no_utf8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    assert project_of(folder) == "caf\N{REPLACEMENT CHARACTER}"


def test_environment_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CCO_PROJECT", "override")
    assert project_of(new_repository(tmp_path / "shop")) == "override"
