"""A settings file of Claude Code on the disk: our hooks into it, and out again.

What it was before lies beside it until the hooks are removed.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge_client import InvalidParams
from kmctl.hook_settings import NO_SETTINGS, Hook, added, installed, parse, removed
from kmctl.whole_file import whole_file

_BACKUP_SUFFIX = ".before-cco-knowledge"
_NEW_FILE_MODE = 0o600
_NO_FILE = "There was no such file before kmctl hooks install.\n"
_NO_FOLDER = "There was no such folder before kmctl hooks install.\n"


@dataclass(frozen=True, slots=True)
class SettingsFile:
    path: Path
    """As the user calls it; it may be a link."""

    @property
    def backup(self) -> Path:
        return self.path.with_name(self.path.name + _BACKUP_SUFFIX)

    def hooks(self) -> dict[str, Hook]:
        """Ours, by event. Raises InvalidParams: nobody can tell."""
        return self._installed(self._text())

    def install(self, hooks: Mapping[str, Hook]) -> bool:
        """Whether anything was left to do. Raises InvalidParams: then nothing has changed."""
        before = self._text()
        is_first = not self._installed(before)
        base = NO_SETTINGS if before is None else before
        after = added(base if is_first else self._without_ours(base), hooks)
        if after == before:
            return False
        if is_first:
            self._back_up(before)
        _write(self._target, after.encode(), _mode(self._target))
        return True

    def uninstall(self) -> bool:
        """Whether any of our hooks were there. Raises InvalidParams: then nothing has changed."""
        before = self._text()
        were_there = bool(self._installed(before))
        if before is not None and were_there:
            self._replace(before, self._without_ours(before))
        self.backup.unlink(missing_ok=True)
        return were_there

    @property
    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _text(self) -> str | None:
        try:
            return self._target.read_bytes().decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise self._refused("It is not valid UTF-8.") from error

    def _installed(self, text: str | None) -> dict[str, Hook]:
        try:
            return {} if text is None else installed(text)
        except InvalidParams as error:
            raise self._refused(error.message) from error

    def _refused(self, why: str) -> InvalidParams:
        return InvalidParams(f"{self.path} is left as it is. {why} Mend it, then try again.")

    def _without_ours(self, text: str) -> str:
        """The original, if nothing but our hooks has changed since."""
        original = self._original()
        return original if added(original, installed(text)) == text else removed(text, original)

    def _replace(self, before: str, after: str) -> None:
        """A file that only our hooks had need of goes, with the folder made for it."""
        noted = self._noted()
        if noted in (_NO_FILE, _NO_FOLDER) and not parse(after):
            self._target.unlink()
            if noted == _NO_FOLDER:
                self.backup.unlink()
                _remove_if_empty(self.path.parent)
        elif after != before:
            _write(self._target, after.encode(), _mode(self._target))

    def _original(self) -> str:
        noted = self._noted()
        return NO_SETTINGS if noted in (None, _NO_FILE, _NO_FOLDER) else noted

    def _noted(self) -> str | None:
        """What lies beside the file; None: somebody has taken it away."""
        try:
            noted = self.backup.read_bytes().decode()
            if noted not in (_NO_FILE, _NO_FOLDER):
                parse(noted)
        except FileNotFoundError:
            return None
        except (UnicodeDecodeError, InvalidParams) as error:
            raise InvalidParams(
                f"{self.backup} is not what kmctl left there. Delete it, then try again."
            ) from error
        return noted

    def _back_up(self, text: str | None) -> None:
        note = text
        if note is None:
            note = _NO_FILE if self.path.parent.is_dir() else _NO_FOLDER
            self.path.parent.mkdir(exist_ok=True)
        _write(self.backup, note.encode(), _mode(self._target))


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else _NEW_FILE_MODE


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _write(path: Path, data: bytes, mode: int) -> None:
    with whole_file(path, mode) as stream:
        stream.write(data)
