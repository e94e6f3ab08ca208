"""The work of scripts/install-wrapper; only the standard library."""

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = ROOT / ".venv" / "bin" / "knowledge-manager"
MARK = "Written by CCO Knowledge, scripts/install-wrapper; it takes it away again with --remove."
STANDS_IN = "# Runs in place of "
KEPT_SUFFIX = ".before-cco"
MODE = 0o755

WRAPPER = """\
#!/bin/sh
# {mark}
{stands_in}exec {command} "$@"
"""
# Old code also loads the file as a module: it gets the class that it knows.
SHIM = """\
#!/usr/bin/env node
// {mark}
"use strict";
if (require.main === module) {{
  const {{ spawnSync }} = require("child_process");
  const ended = spawnSync({wrapper}, process.argv.slice(2), {{ stdio: "inherit" }});
  if (ended.error) console.error(`❌ ${{ended.error.message}}`);
  process.exit(ended.status === null ? 1 : ended.status);
}}
module.exports = require({kept});
"""


class Refused(Exception):
    """Nothing was changed; the message says what to do."""


def main() -> None:
    options = _options(sys.argv[1:])
    wrapper = Path(os.path.abspath(options.into), "knowledge-manager")  # noqa: PTH100  # keeps links
    try:
        if options.remove:
            _remove(wrapper)
        else:
            _install(wrapper, options.node)
    except Refused as refusal:
        sys.exit(f"install-wrapper: {refusal}")
    except OSError as error:
        sys.exit(f"install-wrapper: {error.filename}: {error.strerror}")


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/install-wrapper", description=__doc__)
    parser.add_argument("--into", metavar="FOLDER", default=str(Path.home() / ".claude" / "bin"))
    parser.add_argument("--node", metavar="FILE", type=_script, help="the old knowledge-manager.js")
    parser.add_argument("--remove", action="store_true", help="undo what was installed")
    return parser.parse_args(words)


def _script(word: str) -> Path:
    path = Path(word).resolve()
    if "\n" in str(path):
        raise argparse.ArgumentTypeError("a line break in the path")
    return path


def _install(wrapper: Path, script: Path | None) -> None:
    _check_ours(wrapper)
    scripts = _scripts_of(wrapper)
    if script is not None:
        _check_script(script)
        scripts = sorted({*scripts, script})
    stands_in = "".join(f"{STANDS_IN}{path}\n" for path in scripts)
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    command = shlex.quote(str(COMMAND))
    _write(wrapper, WRAPPER.format(mark=MARK, stands_in=stands_in, command=command), MODE)
    print(f"{wrapper} runs {COMMAND}.")
    if script is not None:
        _replace(script, wrapper)


def _check_ours(path: Path) -> None:
    if os.path.lexists(path) and not _is_ours(path):
        raise Refused(
            f"{path} is there, and this script did not write it. Move it away, or choose another "
            "folder with --into."
        )


def _is_ours(path: Path) -> bool:
    return path.is_file() and MARK.encode() in path.read_bytes()


def _scripts_of(wrapper: Path) -> list[Path]:
    """The old scripts that run it."""
    lines = wrapper.read_text("utf-8").splitlines() if wrapper.exists() else []
    return [Path(line.removeprefix(STANDS_IN)) for line in lines if line.startswith(STANDS_IN)]


def _check_script(script: Path) -> None:
    if not script.is_file():
        raise Refused(f"{script} is no file. --node names the old knowledge-manager.js.")
    if not _is_ours(script) and os.path.lexists(_kept(script)):
        raise Refused(f"{_kept(script)} is there already. Move it away first.")


def _kept(script: Path) -> Path:
    return script.with_name(script.name + KEPT_SUFFIX)


def _replace(script: Path, wrapper: Path) -> None:
    kept = _kept(script)
    if not _is_ours(script):
        shutil.copy2(script, kept)
    shim = SHIM.format(
        mark=MARK, wrapper=json.dumps(str(wrapper)), kept=json.dumps(f"./{kept.name}")
    )
    _write(script, shim, script.stat().st_mode & 0o777)
    print(f"{script} runs it too; the old one is kept as {kept.name}.")


def _remove(wrapper: Path) -> None:
    if not os.path.lexists(wrapper):
        print(f"{wrapper} is not there.")
        return
    _check_ours(wrapper)
    for script in _scripts_of(wrapper):
        if _is_ours(script) and _kept(script).is_file():
            _kept(script).replace(script)
            print(f"{script} is the old one again.")
    wrapper.unlink()
    print(f"{wrapper} is removed.")


def _write(path: Path, text: str, mode: int) -> None:
    """All or nothing: somebody may be running what is there."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, "utf-8")
    new.chmod(mode)
    new.replace(path)


if __name__ == "__main__":
    main()
