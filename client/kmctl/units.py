"""The systemd units of the daemon: the templates, as rendered for a home, and those installed."""

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cco_knowledge.errors import StartRefused
from cco_knowledge.paths import Home
from cco_knowledge_client import Conflict
from kmctl.service_manager import Places

SOCKET = "cco-knowledge.socket"
SERVICE = "cco-knowledge.service"
HARDENING = f"{SERVICE}.d/10-hardening.conf"
PACKAGED = Path("/usr/lib/systemd/user")
_OF_ALL = Path("/etc/systemd/user")
_ORIGIN = "Written by: kmctl service install"


@dataclass(frozen=True, slots=True)
class Units:
    """What systemd needs to know of one daemon. All paths are absolute."""

    home: Path
    socket: Path
    command: Sequence[str]

    @property
    def origin(self) -> str:
        """The first line of each file; whoever finds it there knows whose it is."""
        flags = ["--home", str(self.home), "--socket", str(self.socket)]
        return f"{_ORIGIN} {shlex.join(flags)}"

    def rendered(self, *, hardened: bool) -> dict[str, str]:
        """The text of each file by its name below systemd/user."""
        names = [SOCKET, SERVICE, *([HARDENING] if hardened else [])]
        values = {
            "{origin}": self.origin,
            "{socket}": _without_specifiers(str(self.socket)),
            "{home}": _word(str(self.home)),
            "{command}": " ".join(_word(part).replace("$", "$$") for part in self.command),
        }
        return {name: _filled((_templates() / name).read_text("utf-8"), values) for name in names}


def installed_folder() -> Path:
    configured = os.environ.get("XDG_CONFIG_HOME")
    base = Path(configured) if configured and Path(configured).is_absolute() else None
    return (base or Path.home() / ".config") / "systemd" / "user"


def installed_places() -> Places | None:
    """The home and the socket of the service that kmctl installed or a package brought, or None.

    That of a package counts once it is enabled.
    """
    line = _origin_of(installed_folder() / SERVICE)
    if line is None:
        home = Home(Path.home() / ".cco")
        return Places(home.path, home.socket) if _is_packaged_and_enabled() else None
    _, home_path, _, socket = shlex.split(line.removeprefix(_ORIGIN))
    return Places(Path(home_path), Path(socket))


def _is_packaged_and_enabled() -> bool:
    """By its user, or by the admin for all users. Asks no manager: there may be none."""
    links = [folder / "sockets.target.wants" / SOCKET for folder in (installed_folder(), _OF_ALL)]
    return (PACKAGED / SOCKET).exists() and any(link.is_symlink() for link in links)


def write(files: Mapping[str, str]) -> list[Path]:
    """Those that were not there like this already. A file that kmctl did not write stays.

    Raises:
        Conflict: there is a foreign file; nothing was written.
    """
    from kmctl.whole_file import whole_file

    paths = {installed_folder() / name: text for name, text in files.items()}
    for path in paths:
        if path.exists() and _origin_of(path) is None:
            raise Conflict(
                f"{path} exists and was not written by kmctl. Move it away, then try again."
            )
    changed = [path for path, text in paths.items() if _text_of(path) != text]
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path, mode=0o644) as file:
            file.write(paths[path].encode())
    return changed


def remove(names: Sequence[str]) -> list[Path]:
    """Those of the files that kmctl wrote."""
    paths = [installed_folder() / name for name in names]
    own = [path for path in paths if _origin_of(path) is not None]
    for path in own:
        path.unlink()
    folder = installed_folder() / f"{SERVICE}.d"
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return own


def _templates() -> Path:
    """In a wheel beside this module; in a checkout where they are written."""
    inside = Path(__file__).with_name("_units") / "systemd"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "packaging" / "systemd"


def _filled(template: str, values: Mapping[str, str]) -> str:
    """In one pass: a value that looks like a placeholder stays as it is."""
    names = re.compile("|".join(map(re.escape, values)))
    return names.sub(lambda found: values[found[0]], template)


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None


def _origin_of(path: Path) -> str | None:
    first = (_text_of(path) or "").partition("\n")[0].removeprefix("# ")
    return first if first.startswith(_ORIGIN) else None


def _word(text: str) -> str:
    """One word of a unit file's command or list of paths: systemd.syntax(7)."""
    escaped = _without_specifiers(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _without_specifiers(text: str) -> str:
    if not text.isprintable():
        raise StartRefused(f"A unit of systemd cannot name this path: {text!r}.")
    return text.replace("%", "%%")
