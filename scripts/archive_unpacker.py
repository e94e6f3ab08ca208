"""What Python runs in the zip file of scripts/archive: unpack it, if need be, and go on there.

Standard library only. A virtual environment is what becomes of it, because the daemon and the hooks
are started as `python -m …` by programs that know nothing of an archive.
"""

import fcntl
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import NoReturn


def main() -> NoReturn:
    archive, identity, name, *arguments = sys.argv
    programs = _data_folder() / "cco-knowledge"
    program = programs / identity
    umask = os.umask(0o077)
    try:
        programs.mkdir(parents=True, exist_ok=True)
        with (programs / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not program.is_dir():
                _unpack(archive, program)
            _link_python(program)
    except OSError as error:
        sys.exit(f"{name}: {archive} cannot be unpacked into {program}: {error}")
    os.umask(umask)
    python = str(program / "bin" / "python")
    os.execv(python, [python, "-P", str(program / "bin" / name), *arguments])  # noqa: S606


def _data_folder() -> Path:
    """As the header has it; where HOME is not set, that of the user's entry in passwd."""
    configured = os.environ.get("XDG_DATA_HOME") or None
    return Path(configured) if configured else Path.home() / ".local" / "share"


def _unpack(archive: str, program: Path) -> None:
    unfinished = program.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of an unpacking that was killed
    with zipfile.ZipFile(archive) as files:
        size_mb = sum(entry.file_size for entry in files.infolist()) / 1e6
        sys.stderr.write(f"Unpacking {size_mb:.0f} MB into {program}, once.\n")
        for entry in files.infolist():
            path = Path(files.extract(entry, unfinished))
            path.chmod(entry.external_attr >> 16 & 0o777 or 0o644)
    others = [path for path in program.parent.iterdir() if path.is_dir() and path != unfinished]
    if others:
        sys.stderr.write(f"Older ones, which may go: {', '.join(map(str, others))}\n")
    unfinished.rename(program)


def _link_python(program: Path) -> None:
    """To the interpreter that runs this, and never to one in a virtual environment.

    A link that works is left alone: others are starting through it.
    """
    link = program / "bin" / "python"
    if link.exists():
        return
    interpreter = Path(sys.executable).resolve()
    (program / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\n")
    new = link.with_name("python.new")
    new.unlink(missing_ok=True)
    new.symlink_to(interpreter)
    new.replace(link)


if __name__ == "__main__":
    main()
