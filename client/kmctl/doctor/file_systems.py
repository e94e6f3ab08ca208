"""Which file system a path is on, and who else may change what lies there."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

_SYNCHRONISERS = {
    "dropbox": "Dropbox",
    "onedrive": "OneDrive",
    "google drive": "Google Drive",
    "googledrive": "Google Drive",
    "mobile documents": "iCloud",
    "cloudstorage": "a cloud storage",
    "nextcloud": "Nextcloud",
    "owncloud": "ownCloud",
}
_LINUX_MOUNTS = Path("/proc/self/mounts")
_MOUNT_LINE = re.compile(r".+? on (?P<point>/.*) \((?P<kind>\w+)[,)]")
"""As macOS prints it."""


def kind_of(path: Path) -> str:
    """The type that the system's table of mounts gives, or `unknown`."""
    if _LINUX_MOUNTS.exists():
        mounts = linux_mounts(_LINUX_MOUNTS.read_text("utf-8", "replace"))
    else:
        printed = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=False)
        mounts = macos_mounts(printed.stdout)
    return mounted(path.resolve(), mounts)


def linux_mounts(table: str) -> list[tuple[Path, str]]:
    """Mount points with their types, from /proc/self/mounts (proc(5), fstab(5))."""
    fields = [line.split(" ") for line in table.splitlines()]
    return [(Path(_unescaped(point)), kind) for _, point, kind, *_ in fields]


def macos_mounts(table: str) -> list[tuple[Path, str]]:
    """The same from mount(8)."""
    lines = map(_MOUNT_LINE.match, table.splitlines())
    return [(Path(line["point"]), line["kind"]) for line in lines if line]


def mounted(path: Path, mounts: Iterable[tuple[Path, str]]) -> str:
    """Of the longest mount point above the path; the last one hides those before it."""
    above = [mount for mount in mounts if path.is_relative_to(mount[0])]
    longest = max((len(point.parts) for point, _ in above), default=0)
    return next((kind for point, kind in above[::-1] if len(point.parts) == longest), "unknown")


def synchroniser_of(path: Path) -> str | None:
    """By the names of the folders above, or by Syncthing's marker in one of them."""
    for folder in (path, *path.parents):
        for name, synchroniser in _SYNCHRONISERS.items():
            if folder.name.lower().startswith(name):
                return synchroniser
        if (folder / ".stfolder").exists():
            return "Syncthing"
    return None


def _unescaped(point: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)
