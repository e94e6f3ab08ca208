"""ARCHITECTURE.md: its tree and its diagrams name what there is."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages.blocks import blocks_of
from pages.shell import ROOT

BLOCKS = blocks_of((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
DIAGRAMS = [block.text for block in BLOCKS if block.language == "mermaid"]
OUTSIDE = {
    "Claude Code",
    "LanceDB",
    "MCP client",
    "Python program",
    "Unix socket",
    "any program",
    "coding agent",
    "hits and covered",
    "llama.cpp",
    "old tables",
    "query",
}
"""What a diagram may name beside the files of this repository."""
SOURCE_ROOTS = [ROOT / "client", ROOT / "daemon", ROOT / "daemon" / "cco_knowledge"]

_NODE = r'\w+(?:\["([^"\]]+)"\])?'
_FLOW_LINE = re.compile(rf'  {_NODE} -(?:- "[^"]+" -)?-> {_NODE}')
_PARTICIPANT = re.compile(r"  participant (\w+) as (.+)")
_MESSAGE = re.compile(r"  (\w+)--?>>(\w+): [^;#]+")


def test_the_tree_names_what_exists() -> None:
    (tree,) = [block.text for block in BLOCKS if block.language == "text"]
    named = list(paths_in(tree))
    assert len(named) > 60
    assert [str(path) for path in named if not (ROOT / path).exists()] == []


def test_the_tree_names_every_part_of_the_daemon() -> None:
    """Of `kmctl` the tree names folders: its files are many and small."""
    (tree,) = [block.text for block in BLOCKS if block.language == "text"]
    named = {ROOT / path for path in paths_in(tree)}
    daemon = ROOT / "daemon" / "cco_knowledge"
    parts = [path for path in daemon.iterdir() if path.is_dir() or path.suffix == ".py"]
    hidden = {"__init__.py", "__pycache__"}
    assert [path.name for path in parts if path not in named and path.name not in hidden] == []


def paths_in(tree: str) -> Iterator[Path]:
    """Two spaces a level; a line names a folder, or files, and then says what they are for."""
    folders: list[Path] = []
    for line in tree.splitlines():
        names = re.match(r"( *)((?:[\w/]+(?:\.py|/) *)+)", line)
        assert names, line
        depth = len(names[1]) // 2
        del folders[depth:]
        parent = folders[-1] if folders else Path()
        for name in names[2].split():
            yield parent / name
            if name.endswith("/"):
                folders.append(parent / name)


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=[text.split("\n")[0] for text in DIAGRAMS])
def test_a_diagram_is_drawn_of_what_there_is(diagram: str) -> None:
    kind, *lines = diagram.splitlines()
    if kind == "sequenceDiagram":
        names = participants(lines)
    else:
        assert kind in {"flowchart LR", "flowchart TD"}
        names = labels(lines)
    assert len(names) > 5
    known = OUTSIDE.union(layers_of_the_linter())
    assert [name for name in names if name not in known and not is_a_part(name)] == []


def labels(lines: list[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        arrow = _FLOW_LINE.fullmatch(line)
        assert arrow, line
        found += [label for label in arrow.groups() if label]
    return found


def participants(lines: list[str]) -> list[str]:
    named = {match[1]: match[2] for line in lines if (match := _PARTICIPANT.fullmatch(line))}
    for line in lines[len(named) :]:
        message = _MESSAGE.fullmatch(line)
        assert message, line
        assert {message[1], message[2]} <= named.keys(), line
    return list(named.values())


def is_a_part(name: str) -> bool:
    return any((root / name).exists() for root in SOURCE_ROOTS)


def test_the_diagram_of_the_layers_is_what_the_linter_checks() -> None:
    (diagram,) = [text for text in DIAGRAMS if "__main__" in text]
    assert labels(diagram.splitlines()[1:]) == layers_of_the_linter()
    arrows = re.findall(r"l(\d+)\S* --> l(\d+)", re.sub(r'\["[^"]+"\]', "", diagram))
    assert all(int(below) == int(above) + 1 for above, below in arrows)
    assert len(arrows) == len(layers_of_the_linter()) - 1


def layers_of_the_linter() -> list[str]:
    """From the top."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (layers,) = [
        contract["layers"]
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    return list(layers)
