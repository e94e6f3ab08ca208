"""A conversation as passages: paragraphs and list items of prose, cut into sentences. Pure.

What nobody said is left out: code, output of tools, logs, diffs, quotations, tables.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_MAX_SENTENCE_CHARACTERS = 2000
"""Longer ones are data that look like prose."""
_LEAST_WORDS = 3
_LEAST_LETTERS = 0.6
"""Of the characters of prose that many are letters or spaces."""
_MAX_TITLE_CHARACTERS = 200
_TITLE_WORDS = 9
"""A longer heading is what somebody said."""
_SAYS_OFTEN = 3
"""So often stands a speaker's name at the beginning of a line."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\u2028\u2029]")
_NEW_LINE = re.compile(r"\r\n?|\f|\x85")
_FENCE = re.compile(r"\s{0,3}(?:>\s?)?(`{3,}|~{3,})(.*)")

_ROLE = (
    r"(?:user|human|me|you|customer|assistant|ai|agent|bot|claude|chatgpt|gpt|gemini|copilot|model"
    r"|system|tool(?:[ _-](?:use|call|result|output))?|stdout|stderr)"
)
_CLOSING = re.compile(rf"</{_ROLE}>\s*$", re.IGNORECASE)
_MARKED = re.compile(
    rf"\s*(?:#{{1,6}}\s*|\*\*|__|\[|<)?({_ROLE})(?:\]|>|\*\*|__)?\s*(?:\([^)\n]{{1,40}}\)\s*)?"
    r"(?::\s*(?:\*\*|__)?|(?<=[\]>])|\s*$)\s*(.*)",
    re.IGNORECASE,
)
_MOMENT = r"(?:\d{4}-\d\d-\d\d[T ])?\d{1,2}:\d{2}(?::\d{2})?(?: ?[AP]M)?"
_WHO = r"[^\W\d][\w.-]{0,30}"
_TIMED = re.compile(
    rf"\s*(?:[\[(]?{_MOMENT}[\])]?\s+(?:-\s+)?<?({_WHO})>?:\s+(.*)"
    rf"|[\[(]?{_MOMENT}[\])]?\s+<({_WHO})>\s+(.*)"
    rf"|\[{_MOMENT}\]\s+({_WHO})\s+(.*)"
    rf"|(?:\*\*)?({_WHO})(?:\*\*)?,?\s+[\[(]?{_MOMENT}[\])]?:?(?:\*\*)?\s*(.*)"
    rf"|[<(]({_WHO})[>)]\s+(.*)|({_WHO})>\s+(.*))",
    re.IGNORECASE,
)
_PROMPT = re.compile(r"\s*(?:[⏺●]\s+|>{1,3}\s+)(.*)")
"""How the histories of terminal agents set off who speaks."""
_TERMINAL = re.compile(r"\s*[⏺●]\s")
_TERMINAL_OUTPUT = re.compile(r"\s*⎿")
_NAMED = re.compile(
    r"(?:[-*] )?(?:\*\*)?([^\W\d][\w.-]{0,20}(?: [A-Z][\w.-]{1,20})?)(?: \([^)]{1,30}\))?"
    r":(?:\*\*)?\s+(.*)"
)
_NO_NAME = re.compile(
    r"note|nota|fix\w*|todo|decisi\w+|rules?|warn\w*|error|info|debug|https?|result|open|config\w*|cause"
    r"|entscheidung|regel|offen|update|example|option|step|file|id|name|type|image|version|key|value",
    re.IGNORECASE,
)
_TOOLS = re.compile(r"tool|stdout|stderr|system|INFO|WARN|ERROR|DEBUG|TRACE|FATAL", re.IGNORECASE)

_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,2}[.)]|[a-z]\))\s+(?:\[[ xX]\]\s+)?(.*)")
_HEADING = re.compile(r"\s*(?:#{1,6}\s+(.*)|\*\*([^*]+?):?\*\*:?\s*$)")
_NOT_SAID = re.compile(
    r"\s*(?:>|\||\$ |% |# |@@|diff --git|[-+]{3} |-/\+|(?:commit|index) [0-9a-f]{7}|[~+-]\s{2,}"
    r"|at [\w.$<>]+[\s(]|File \"|Traceback|Caused by:|[\w.]*(?:Error|Exception): "
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:|\[\d\d:\d\d:\d\d[.,]|[EWID]/\w"
    r"|(?:INFO|WARN|WARNING|ERROR|DEBUG)\b"
    r"|[A-Z][A-Z0-9_]+=\S+\s*$|[{}\[\]();,<>]+\s*$|https?://\S+\s*$|-{3,}|={3,}|\*{3,}"
    r"|(?:import|from|def|class|const|let|var|function|return|SELECT|export)\s[^.!?]*[;:{(=]\s*$)"
)
_INDENTED_CODE = re.compile(r"(?: {4}|\t)(?!\s*(?:[-*+•]|\d{1,2}[.)])\s).*(?:[{};=<>\[\]|]|\w\()")
_END = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"'”)\]*`]))\s+")
_ABBREVIATED = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|ca|bzw|resp|usw|evtl|ggf|inkl|z|d|u|Dr|Mr|Ms|no|Nr|St|p)"
    r"|\b[A-Za-z])\.$"
)


@dataclass(frozen=True, slots=True)
class Passage:
    """What one speaker said in one paragraph or list item."""

    sentences: Sequence[str]
    under: str
    """The heading or the end of the line with a colon that it stands under, if any."""
    is_item: bool


def passages(conversation: str) -> list[Passage]:
    lines = _NEW_LINE.sub("\n", conversation).split("\n")
    lines = [_CLOSING.sub("", _CONTROL.sub(" ", line)) for line in lines]
    lines = _set_off(lines)
    return [
        passage
        for turn in _turns(lines)
        for block in _blocks(turn)
        if (passage := _passage(block)) is not None
    ]


def _set_off(lines: list[str]) -> list[str]:
    """In a history of a terminal agent `> ` is what the user said, not a quotation."""
    is_terminal = sum(_TERMINAL.match(line) is not None for line in lines) >= _SAYS_OFTEN
    is_plain = not any(
        _MARKED.match(line) or _TIMED.fullmatch(line) or _HEADING.match(line) for line in lines
    )
    if not is_terminal and not (is_plain and not _names(lines)):
        return lines
    return [_as_said(line) for line in lines]


def _as_said(line: str) -> str:
    if _TERMINAL_OUTPUT.match(line):
        return "stdout:"
    prompt = _PROMPT.match(line)
    return f"user: {prompt[1]}" if prompt else line


def _turns(lines: Sequence[str]) -> Iterator[list[str]]:
    """The lines of each speaker that are not fenced; None of a tool's."""
    names = _names(lines)
    turn: list[str] = []
    is_tool = False
    for line in _unfenced(lines):
        marked = _speaker(line, names)
        if marked is None:
            turn.append(line)
            continue
        if not is_tool:
            yield turn
        speaker, rest = marked
        is_tool = _TOOLS.match(speaker) is not None
        turn = [rest]
    if not is_tool:
        yield turn


def _unfenced(lines: Sequence[str]) -> Iterator[str]:
    """A fence that nobody closed is none. An empty line stands for what was fenced."""
    closing: dict[str, list[int]] = {"`": [], "~": []}
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence and not fence[2].strip():
            closing[fence[1][0]].append(number)
    at = {"`": 0, "~": 0}
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        end = None
        if fence:
            kind = fence[1][0]
            ends = closing[kind]
            while at[kind] < len(ends) and ends[at[kind]] <= number:
                at[kind] += 1
            end = ends[at[kind]] if at[kind] < len(ends) else None
        if fence and end is None:
            yield ""
        elif end is not None:
            yield ""
            number = end
        else:
            yield lines[number]
        number += 1


def _names(lines: Sequence[str]) -> set[str]:
    """Who speaks, as far as it shows: `Mira: ...` again and again."""
    said = Counter(match[1] for line in lines if (match := _NAMED.match(line)))
    return {
        name
        for name, times in said.items()
        if times >= _SAYS_OFTEN and not _NO_NAME.fullmatch(name)
    }


def _speaker(line: str, names: set[str]) -> tuple[str, str] | None:
    """The speaker and the rest of the line, where the line begins with one."""
    marked = _MARKED.match(line)
    if marked and (not marked[2] or line[marked.end(1)] in ":]>*_( "):
        return marked[1], marked[2]
    timed = _TIMED.fullmatch(line)
    if timed:
        speaker, rest = [part for part in timed.groups() if part is not None]
        return speaker, rest
    named = _NAMED.match(line)
    if named and named[1] in names:
        return named[1], named[2]
    return None


@dataclass(slots=True)
class _Block:
    lines: list[str]
    under: str
    is_item: bool


def _blocks(lines: Sequence[str]) -> Iterator[_Block]:
    """Paragraphs and list items. Lines that nobody said end a paragraph."""
    block = _Block([], "", is_item=False)
    under = ""
    for line in lines:
        heading = _HEADING.match(line)
        item = _ITEM.match(line)
        if item and not _NOT_SAID.match(line):
            yield block
            under = _introduction(block, under)
            block = _Block([item[1]], under, is_item=True)
        elif heading or not line.strip() or _is_not_said(line, block):
            yield block
            title = (heading[1] or heading[2])[:_MAX_SENTENCE_CHARACTERS] if heading else None
            under = title or _introduction(block, under)
            is_said = title is not None and len(title.split()) > _TITLE_WORDS
            block = _Block([title] if title and is_said else [], under, is_item=False)
        else:
            block.lines.append(line)
    yield block


def _introduction(block: _Block, under: str) -> str:
    """A paragraph that ends with a colon introduces what follows; another one ends that."""
    if block.is_item or not block.lines:
        return under
    last = block.lines[-1].rstrip(" *")
    return last[-_MAX_TITLE_CHARACTERS:] if last.endswith(":") else ""


def _is_not_said(line: str, block: _Block) -> bool:
    if _NOT_SAID.match(line):
        return True
    return not block.lines and _INDENTED_CODE.match(line) is not None


def _passage(block: _Block) -> Passage | None:
    text = " ".join(line.strip() for line in block.lines).strip()
    sentences = [one for one in _sentences(text) if _is_prose(one)]
    return Passage(sentences, block.under, block.is_item) if sentences else None


def _sentences(text: str) -> Iterator[str]:
    begun = ""
    for part in _END.split(text):
        begun = f"{begun} {part}" if begun else part
        if not _ABBREVIATED.search(begun):
            yield begun
            begun = ""
    if begun:
        yield begun


def _is_prose(sentence: str) -> bool:
    if len(sentence) > _MAX_SENTENCE_CHARACTERS:
        return False
    if len(sentence.split()) < _LEAST_WORDS:
        return False
    letters = sum(character.isalpha() or character == " " for character in sentence)
    return letters >= _LEAST_LETTERS * len(sentence)
