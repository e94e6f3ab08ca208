"""The body of packaging/debian/build: an installation as a Debian package.

There are no maintainer scripts: dpkg knows every file, .pyc files included, so that a removal
leaves nothing of the program, and never touches what is stored. Users decide on their service.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import installation
import manual
from cco_knowledge import __version__
from kmctl import units

TEMPLATES = installation.ROOT / "packaging" / "debian"
PYTHON = "/usr/bin/python3"
"""Of the distribution, so that it is there wherever the package is."""
PROGRAM = "usr/lib/cco-knowledge"
_REVISION = "1"
_COMPRESSION = ("-Zzstd", "-z9")
"""Every release that has a Python as new as we need reads it; xz takes minutes for as much."""
_DOC = "usr/share/doc/cco-knowledge"
_COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/kmctl",
    "zsh": "usr/share/zsh/vendor-completions/_kmctl",
    "fish": "usr/share/fish/vendor_completions.d/kmctl.fish",
}
_WRAPPER = """\
#!/bin/sh
exec /{program}/bin/python -P /{program}/bin/{name} "$@"
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="packaging/debian/build", description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write the package")
    parser.add_argument("--native", action="store_true", help="only for CPUs like this one")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        installed = Path(work, "installation")
        installation.install(installed, os.path.realpath(PYTHON))
        package = pack(installed, folder)
    print(f"{package}: {package.stat().st_size / 1e6:.0f} MB")


def pack(installed: Path, folder: Path, compression: Sequence[str] = _COMPRESSION) -> Path:
    """The package in `folder`. The installation is moved; `compression` is for dpkg-deb."""
    with tempfile.TemporaryDirectory(dir=installed.parent) as work:
        root = Path(work, "root")
        program = root / PROGRAM
        program.parent.mkdir(parents=True)
        python = (installed / "bin" / "python").resolve().name
        shutil.move(installed, program)
        _write_files(root)
        architecture = _output("dpkg", "--print-architecture")
        version = f"{__version__}-{_REVISION}"
        values = {
            "version": version,
            "architecture": architecture,
            "maintainer": _maintainer(),
            "installed_kib": _output("du", "-sk", "--apparent-size", str(root)).split()[0],
            "python": python,
            "libraries": _libraries(root, python),
        }
        _write(root / "DEBIAN" / "control", _filled(_template("control"), values))
        _write_checksums(root)
        _normalise_modes(root)
        package = folder / f"cco-knowledge_{version}_{architecture}.deb"
        how = ("--root-owner-group", *compression)
        subprocess.run(["dpkg-deb", *how, "--build", str(root), str(package)], check=True)
    return package


def _write_files(root: Path) -> None:
    """What lies outside of the folder of the program."""
    for name in installation.COMMANDS:
        path = root / "usr" / "bin" / name
        _write(path, _WRAPPER.format(program=PROGRAM, name=name))
        path.chmod(0o755)
    for name, text in manual.pages().items():
        _write_compressed(root / f"usr/share/man/man{name[-1]}/{name}.gz", text)
    python, kmctl = (root / PROGRAM / "bin" / name for name in ("python", "kmctl"))
    for shell, place in _COMPLETIONS.items():
        _write(root / place, _output(str(python), "-P", str(kmctl), "completion", shell) + "\n")
    for name, text in packaged_units().items():
        _write(root / units.PACKAGED.relative_to("/") / name, text)
    _write(root / _DOC / "copyright", _template("copyright"))
    changes = installation.ROOT / "CHANGELOG.md"
    _write_compressed(root / _DOC / "changelog.gz", changes.read_text("utf-8"))
    _write_compressed(root / _DOC / "changelog.Debian.gz", _debian_changelog())
    shutil.copytree(installation.ROOT / "docs", root / _DOC / "docs")


def packaged_units() -> dict[str, str]:
    """For every user's default home. systemd puts the home of the user in place of %h."""
    values = {
        "origin": "Part of the package cco-knowledge.",
        "socket": "%h/.cco/knowledge.sock",
        "command": "/usr/bin/cco-knowledged --home %h/.cco",
    }
    templates = installation.ROOT / "packaging" / "systemd"
    names = (units.SOCKET, units.SERVICE)
    return {name: _filled((templates / name).read_text("utf-8"), values) for name in names}


def _debian_changelog() -> str:
    built_s = int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(built_s))
    return (
        f"cco-knowledge ({__version__}-{_REVISION}) unstable; urgency=medium\n\n"
        f"  * See changelog.gz.\n\n -- {_maintainer()}  {date}\n"
    )


def _maintainer() -> str:
    """Whoever builds it, as Debian's own tools learn it."""
    name = os.environ.get("DEBFULLNAME") or "CCO Knowledge"
    return f"{name} <{os.environ.get('DEBEMAIL') or 'root@localhost'}>"


def _libraries(root: Path, python: str) -> str:
    """What llama.cpp, which is compiled here, is linked with.

    All else are wheels of an index: they bring their libraries along, but for those that Python
    itself and these have brought.
    """
    (packages,) = root.glob(f"{PROGRAM}/lib/{python}/site-packages")
    compiled = [str(path) for path in (packages / "llama_cpp" / "lib").glob("*.so")]
    (root / "DEBIAN").mkdir()  # by it dpkg-shlibdeps knows what is part of the package
    with tempfile.TemporaryDirectory() as source:
        # Its input has to look like this; the package of the result has nothing of it.
        _write(Path(source, "debian", "control"), "Source: x\n\nPackage: x\nArchitecture: any\n")
        private = f"-l{packages / 'llama_cpp' / 'lib'}"
        found = _output("dpkg-shlibdeps", "-O", private, *compiled, folder=source)
    return found.removeprefix("shlibs:Depends=")


def _normalise_modes(root: Path) -> None:
    """Readable for all, writable for root, whatever the umask was, here and of uv's cache."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            if path.stat().st_mode & 0o7777 != mode:
                path.chmod(mode)


def _write_checksums(root: Path) -> None:
    lines = []
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not path.is_symlink() and name.parts[0] != "DEBIAN":
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            lines.append(f"{digest.hexdigest()}  {name}\n")
    _write(root / "DEBIAN" / "md5sums", "".join(lines))


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


def _filled(template: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _write_compressed(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def _output(*command: str, folder: str | None = None) -> str:
    ended = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
    return ended.stdout.strip()


if __name__ == "__main__":
    main()
