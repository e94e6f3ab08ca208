"""The file of tokens: who may read it, what it keeps, and what becomes of a damaged one."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cco_knowledge import tokens
from cco_knowledge.errors import Conflict, NotFound, TokensUnusable
from other_user import NOBODY, as_root


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "api_token"


def test_it_keeps_no_secret_and_is_its_users_alone(path: Path) -> None:
    made, secret = tokens.create(path, role="reader", projects=["shop", "shop"])
    assert made.projects == ("shop",)
    assert path.stat().st_mode & 0o777 == 0o600
    assert secret.split("_", 2)[2].encode() not in path.read_bytes()
    assert [file.name for file in path.parent.iterdir()] == ["api_token"]
    assert tokens.listed(path) == [made]


def test_only_the_whole_secret_shows_a_token(path: Path) -> None:
    file = tokens.TokenFile(path, pytest.fail)
    made, secret = tokens.create(path, role="admin")
    _, other = tokens.create(path, role="admin")
    assert file.presented(secret) == made
    mixed = secret[: len("cco_00000000_")] + other[len("cco_00000000_") :]
    for wrong in ("", "x", secret[:-1], secret + "A", mixed, made.id, made.digest, "\N{SNOWMAN}"):
        assert file.presented(wrong) is None


def test_a_change_is_seen_at_once(path: Path) -> None:
    file = tokens.TokenFile(path, pytest.fail)
    assert file.is_empty
    made, secret = tokens.create(path, role="reader", name="agent")
    assert file.presented(secret) == made
    rotated, new = tokens.rotate(path, "agent")
    assert (file.presented(secret), file.presented(new)) == (None, rotated)
    assert (rotated.id, rotated.role) == (made.id, made.role)
    tokens.revoke(path, made.id)
    assert file.presented(new) is None
    assert file.is_empty


def test_names_are_taken_once_and_unknown_ones_are_told(path: Path) -> None:
    tokens.create(path, role="reader", name="agent")
    with pytest.raises(Conflict):
        tokens.create(path, role="writer", name="agent")
    for change in (tokens.revoke, tokens.rotate):
        with pytest.raises(NotFound):
            change(path, "nobody")
    assert len(tokens.listed(path)) == 1


def test_who_changes_it_at_the_same_time_loses_nothing(path: Path) -> None:
    def make_some() -> None:
        for _ in range(10):
            tokens.create(path, role="reader")

    threads = [threading.Thread(target=make_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens.listed(path)) == 40


def open_to_others(path: Path) -> None:
    path.chmod(0o640)


def damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def with_an_unknown_role(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"reader"', b'"god"'))


def a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def foreign(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize(
    "harm",
    [
        open_to_others,
        damaged,
        with_an_unknown_role,
        a_link,
        a_folder,
        a_pipe,
        pytest.param(foreign, marks=as_root),
    ],
)
def test_a_file_that_cannot_be_trusted_lets_nobody_in(
    path: Path, harm: Callable[[Path], None]
) -> None:
    said: list[str] = []
    file = tokens.TokenFile(path, said.append)
    _, secret = tokens.create(path, role="reader")
    assert file.presented(secret) is not None
    harm(path)
    assert [file.presented(secret), file.presented(secret)] == [None, None]
    assert (file.is_usable, file.is_empty) == (False, True)
    (message,) = said  # once, not with every call
    assert str(path) in message
    for change in (lambda: tokens.create(path, role="reader"), lambda: tokens.revoke(path, "x")):
        with pytest.raises(TokensUnusable):
            change()


def test_a_mended_file_is_used_again(path: Path) -> None:
    file = tokens.TokenFile(path, lambda _: None)
    made, secret = tokens.create(path, role="reader")
    path.chmod(0o644)
    assert file.presented(secret) is None
    path.chmod(0o600)
    assert file.presented(secret) == made


def test_what_a_killed_kmctl_left_over_is_in_nobodys_way(path: Path) -> None:
    path.with_name("api_token.tmp").symlink_to(path.with_name("precious"))
    tokens.create(path, role="reader")
    assert len(tokens.listed(path)) == 1
    assert not path.with_name("precious").exists()
