"""What the words after the command mean; pure.

The old command took anything and failed on nothing, and its documents promised options that it
did not have. Here they do what was promised, and what is unknown is named and left out.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cco_knowledge_client import Filters, InvalidParams

_NAMES = ("type", "agent", "limit")
_OPTION = re.compile(r"--([a-z][a-z-]*)(?:=(.*))?", re.DOTALL)
_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,9})")
_IN_QUERY = re.compile(r"(?<!\S)(type|agent):(\S+)")


@dataclass(frozen=True, slots=True)
class Arguments:
    positional: Sequence[str]
    options: Mapping[str, str]
    ignored: Sequence[str]

    def at(self, place: int) -> str:
        """Empty where there is none."""
        return self.positional[place] if place < len(self.positional) else ""

    def option(self, name: str, place: int) -> str:
        """The option, else the positional argument that may stand for it."""
        return self.options.get(name) or self.at(place)


@dataclass(frozen=True, slots=True)
class Asked:
    query: str
    """Without its pseudo filters."""
    types: Sequence[str]
    agents: Sequence[str]

    @property
    def filters(self) -> list[str]:
        """For people."""
        return [
            *(f"type:{name}" for name in self.types),
            *(f"agent:{name}" for name in self.agents),
        ]

    def selections(self, project_id: str) -> list[Filters]:
        """Filters whose results belong together: an unknown type is in the metadata."""
        common = Filters(project_id=project_id)
        if self.agents:
            common["agent"] = self.agents
        if not self.types:
            return [common]
        unknown = [
            Filters(**common, metadata=legacy_metadata(wanted_type)) for wanted_type in self.types
        ]
        return [Filters(**common, type=self.types), *unknown]


def legacy_metadata(wanted_type: str) -> dict[str, dict[str, str]]:
    """Of an entry whose type the daemon does not know."""
    return {"_legacy": {"type": wanted_type}}


def parse(words: Sequence[str]) -> Arguments:
    positional: list[str] = []
    options: dict[str, str] = {}
    ignored: list[str] = []
    left = list(reversed(words))
    while left:
        word = left.pop()
        match = _OPTION.fullmatch(word)
        if match is None:
            positional.append(word)
        elif match[1] not in _NAMES:
            ignored.append(f"--{match[1]}")
        else:
            options[match[1]] = _value(left) if match[2] is None else match[2]
    return Arguments(positional, options, ignored)


def _value(left: list[str]) -> str:
    """The next word, unless it is an option: `--type $TYPE --agent a` with an unset TYPE."""
    return left.pop() if left and not _OPTION.fullmatch(left[-1]) else ""


def asked(query: str, arguments: Arguments) -> Asked:
    """The query and its filters; an option wins over a pseudo filter in the query."""
    written: dict[str, list[str]] = {"type": [], "agent": []}
    for match in _IN_QUERY.finditer(query):
        written[match[1]].append(match[2])
    for name, values in written.items():
        if arguments.options.get(name):
            values[:] = [arguments.options[name]]
    rest = _IN_QUERY.sub("", query)
    return Asked(query if rest == query else rest.strip(), written["type"], written["agent"])


def limit_of(word: str, default: int) -> int:
    """As JavaScript's `parseInt(word) || default`; a negative one failed, and still does."""
    match = _INTEGER.match(word)
    limit = int(match[1]) if match else 0
    if limit < 0:
        raise InvalidParams(f"The limit must be a positive number, not {limit}.", field="limit")
    return limit or default
