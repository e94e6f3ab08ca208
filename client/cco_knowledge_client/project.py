"""The project that a working directory belongs to."""

import os
from pathlib import Path


def project_of(path: str | os.PathLike[str] | None = None) -> str:
    """`$CCO_PROJECT`, else the name of the path's git repository, else of its folder.

    A repository is called as its main worktree is, so all its worktrees are one project. A bare
    repository `x.git` is `x`; a submodule is a project of its own. Reads files only: git itself
    is not needed.
    """
    configured = os.environ.get("CCO_PROJECT")
    if configured:
        return configured
    folder = Path.cwd() if path is None else Path(path).resolve()
    if folder.is_file():
        folder = folder.parent
    name = _repository_name(folder) or folder.name
    # A name that is no UTF-8 cannot travel as JSON.
    return os.fsencode(name).decode("utf-8", "replace") or "default"


def _repository_name(folder: Path) -> str | None:
    for candidate in (folder, *folder.parents):
        link = candidate / ".git"
        if link.is_file():
            return _linked_name(link)
        if _is_git_folder(link) or _is_git_folder(candidate):
            return _git_folder_name(link if _is_git_folder(link) else candidate)
    return None


def _is_git_folder(folder: Path) -> bool:
    """See gitrepository-layout(5)."""
    return (
        (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir()
    )


def _git_folder_name(git_folder: Path) -> str:
    """`shop/.git` and `shop/.bare` are of `shop`; so is `shop.git`."""
    if git_folder.name.startswith("."):
        return git_folder.parent.name
    return git_folder.name.removesuffix(".git")


def _linked_name(link: Path) -> str:
    """The name behind a `.git` file: of a linked worktree, a submodule or a separate folder."""
    own_folder = link.parent.name
    target = link.read_text("utf-8", "surrogateescape").removeprefix("gitdir:").strip()
    git_folder = link.parent / target
    common = git_folder / "commondir"
    if common.is_file():
        common_folder = git_folder / common.read_text("utf-8", "surrogateescape").strip()
        return _git_folder_name(common_folder.resolve())
    return own_folder
