"""docs/troubleshooting.md quotes messages that really come."""

import ast
import re
from collections.abc import Iterator

from pages.blocks import blocks_of
from pages.shell import ROOT, Shell, matches

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
QUOTED = [" ".join(block.text.split()) for block in blocks_of(PAGE) if block.language == "text"]
LEAST_LITERAL_CHARACTERS = 20
"""Of a message that is made of more than values."""

PROVOKED = r"""
kmctl --home ~/none health
mkdir -m 755 ~/open; kmctl --home ~/open start --detach
kmctl --socket ~/.cco/$(printf '%0110d' 0)/knowledge.sock start --detach
cco-knowledged
mkdir -m 700 ~/file; touch ~/file/knowledge.sock; cp -r ~/.cco/models ~/file; kmctl --home ~/file start --detach
kmctl --home ~/fresh start --detach
cp -r ~/file ~/broken; rm ~/broken/knowledge.sock; echo >> ~/broken/models/all-MiniLM-L6-v2.gguf; kmctl --home ~/broken start --detach
cp -r ~/.cco/knowledge ~/broken; kmctl --home ~/broken start --detach --model ~/broken/models/all-MiniLM-L6-v2.gguf
cp -r ~/.cco/knowledge ~/file; rm ~/file/knowledge.sock; for version in ~/file/knowledge/*/_versions/*; do echo damaged > "$version"; done; kmctl --home ~/file start --detach
CCO_KNOWLEDGE_LIMITS_DRAIN=3 kmctl --home ~/fresh start --detach
kmctl store "We bill in euros." --type decison
head -c 300000 /dev/zero | tr '\0' a | kmctl store -
kmctl store "We bill in francs." --supersedes nothing
kmctl store "We bill in euros." --type pattern; kmctl delete --type pattern --expect 5
kmctl store "We bill in euros." --type pattern --on-duplicate reject
kmctl --timeout 0.0001 search euros
"""  # noqa: E501  # one command a line


def test_messages_that_are_cheap_to_provoke_come_as_quoted(shell: Shell) -> None:
    provoked = set()
    for command in PROVOKED.strip().splitlines():
        printed = shell.run(f"({command}); true").splitlines()[-1]
        quoted = [shown for shown in QUOTED if matches(at_home(shown), at_home(printed))]
        assert quoted, printed
        provoked.update(quoted)
    assert len(provoked) == len(PROVOKED.strip().splitlines())


def at_home(message: str) -> str:
    """Every home is ~/.cco, and every count of bytes or seconds is the same."""
    message = re.sub(r"/home/me/\w+", "/home/me/.cco", message)
    return re.sub(r"is [\d.]+ bytes long|within [\d.]+ s\.", "N", message)


def test_every_quoted_message_is_in_the_source() -> None:
    templates = list(message_templates())
    assert len(QUOTED) > 20
    for quoted in QUOTED:
        message = re.sub(r"^(kmctl|cco-knowledged): ", "", quoted)
        assert any(template.fullmatch(message) for template in templates), message


def message_templates() -> Iterator[re.Pattern[str]]:
    """Each string of the source, as a pattern in which values are anything."""
    for path in [
        *ROOT.glob("daemon/**/*.py"),
        *ROOT.glob("client/**/*.py"),
        *ROOT.glob("scripts/*.py"),
    ]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            texts = [part.value for part in parts if isinstance(part, ast.Constant)]
            if (
                sum(len(text) for text in texts if isinstance(text, str))
                >= LEAST_LITERAL_CHARACTERS
            ):
                yield re.compile("".join(map(_pattern, parts)))


def _pattern(part: ast.AST) -> str:
    if not isinstance(part, ast.Constant):
        return ".+"
    return re.sub(r"(\\?\s)+", r"\\s+", re.escape(str(part.value).strip("\n")))
