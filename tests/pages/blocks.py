"""The fenced blocks of a page, and what each of them asks of a shell.

`console`: lines that begin with `$ ` are commands (one that ends with a backslash goes on in the
next line, behind `> `); below stands what they print. A block that shows no output at all is
only run. `sh` and `python` are run; a `text` block right below one is what it prints. `json` and
`toml` are data, `text` and `mermaid` are for people. `<!-- not run: why -->` above a block keeps
it from being run.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

LANGUAGES = frozenset({"console", "sh", "python", "json", "toml", "text", "mermaid"})
_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>.+?) -->\n+)?"
    r"^```(?P<language>\S*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_RUN = ("console", "sh", "python")


@dataclass(frozen=True, slots=True)
class Block:
    language: str
    text: str
    not_run: str | None
    directly_below: bool
    """Nothing but an empty line parts it from the block above."""


@dataclass(frozen=True, slots=True)
class Step:
    command: str
    output: tuple[str, ...] | None
    """The lines that the page shows; None: it shows none, and any will do."""


def blocks_of(page: str) -> list[Block]:
    found = list(_FENCE.finditer(page))
    ends = [0, *(match.end() for match in found)]
    return [
        Block(match["language"], match["text"], match["why"], not page[end : match.start()].strip())
        for match, end in zip(found, ends, strict=False)
    ]


def steps_of(blocks: list[Block]) -> Iterator[Step]:
    nothing = Block("", "", None, directly_below=False)
    for block, below in pairwise([*blocks, nothing]):
        if block.language not in _RUN or block.not_run:
            continue
        if block.language == "console":
            yield from _console_steps(block.text)
            continue
        shown = below.language == "text" and below.directly_below
        output = tuple(below.text.splitlines()) if shown else None
        yield Step(_as_command(block), output)


def _as_command(block: Block) -> str:
    if block.language == "python":
        return f"python -c {shlex.quote(block.text)}"
    return f"(set -e\n{block.text})"


def _console_steps(text: str) -> Iterator[Step]:
    commands: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line.removeprefix("$ "), []))
            continue
        command, output = commands[-1]
        if command.endswith("\\") and not output:
            commands[-1] = (f"{command}\n{line.removeprefix('> ')}", [])
        else:
            output.append(line)
    shows_any = any(output for _, output in commands)
    for command, output in commands:
        yield Step(command, tuple(output) if shows_any else None)
