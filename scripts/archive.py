"""The body of scripts/archive: header and zip file as one executable file."""

import argparse
import hashlib
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO

import installation
from cco_knowledge import __version__

HEADER = Path(__file__).with_name("archive_header.sh")
UNPACKER = Path(__file__).with_name("archive_unpacker.py")
_EXECUTABLE = 0o755
_DEFLATE_LEVEL = 6
_CHUNK_BYTES = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/archive", description=__doc__)
    parser.add_argument("output", type=Path, help="the file to write")
    parser.add_argument("--native", action="store_true", help="only for CPUs like this one")
    output: Path = parser.parse_args().output
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "installation")
        installation.install(folder, sys.executable)
        pack(folder, output)
    print(f"{output}: {output.stat().st_size / 1e6:.0f} MB")


def pack(folder: Path, output: Path, level: int = _DEFLATE_LEVEL) -> None:
    """The installation in `folder` as `output`; `level` 0 does not compress."""
    (library,) = (folder / "lib").glob("python*")
    header = HEADER.read_text("utf-8").replace("{python}", library.name)
    with output.open("wb") as file:
        file.write(header.replace("{identity}", _identity("")).encode())
        contents = _append_zip(folder, file, level)
        file.seek(0)
        file.write(header.replace("{identity}", _identity(contents)).encode())
    output.chmod(_EXECUTABLE)


def _identity(contents: str) -> str:
    """Names what is packed, and so the folder that it is unpacked into; always as long."""
    return f"{__version__}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"


def _append_zip(folder: Path, file: BinaryIO, level: int) -> str:
    """The names of what is packed, with checksums."""
    method = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
    programs = [folder / "bin" / name for name in installation.COMMANDS]
    packages = sorted(path for path in (folder / "lib").rglob("*") if path.is_file())
    with zipfile.ZipFile(file, "w", method, compresslevel=level or None) as archive:
        archive.writestr("__main__.py", UNPACKER.read_bytes())
        for path in [*programs, *packages]:
            entry = zipfile.ZipInfo(str(path.relative_to(folder)))  # of 1980: no time decides
            mode = path.stat().st_mode
            entry.external_attr = (0o755 if mode & 0o100 else 0o644) << 16  # whatever the umask
            entry.compress_type = method
            with path.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, _CHUNK_BYTES)
        return "\n".join(f"{each.filename} {each.CRC:x}" for each in archive.infolist())


if __name__ == "__main__":
    main()
