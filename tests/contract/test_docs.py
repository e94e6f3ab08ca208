"""The pages say what the code does: tables, links, names. Their examples: tests/pages."""

import re
import runpy
from pathlib import Path

import pytest

from cco_knowledge import config
from cco_knowledge import errors as daemon_errors
from cco_knowledge.models import DEFAULT_MODEL, KNOWN_MODELS
from cco_knowledge.rpc.errors import CODES
from cco_knowledge.rpc.methods import METHODS, SYSTEM
from cco_knowledge_client.errors import CODES as CODES_OF_THE_CLIENT
from cco_knowledge_client.errors import error_from
from kmctl.boundary import exit_code

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def table(page: str, *titles: str) -> list[list[str]]:
    """The rows of the one table whose header begins with these titles."""
    head = "| " + " | ".join(titles) + " |"
    (start,) = [match.start() for match in re.finditer(f"^{re.escape(head)}", page, re.MULTILINE)]
    lines = page[start:].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def unquoted(cell: str) -> str:
    assert cell.startswith("`"), cell
    return cell.strip("`")


# docs/kmctl.md, docs/reference.md


@pytest.mark.parametrize("page", ["docs/kmctl.md", "docs/reference.md"])
def test_a_page_is_what_the_script_writes(page: str) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "docs"))
    assert read(page) == script["pages"]()[page], "run scripts/docs"


def test_every_method_and_setting_is_in_the_reference() -> None:
    reference = read("docs/reference.md")
    methods = table(reference, "method", "what it does")
    assert [re.findall(r"`(.+)`", method) for method, _ in methods] == [
        [method] for method in (*METHODS, *SYSTEM)
    ]
    settings = table(reference, "key", "type", "default", "meaning")
    assert [unquoted(key) for key, *_ in settings] == list(config.setting_keys())


def test_every_error_is_documented_with_what_programs_get() -> None:
    rows = table(read("docs/reference.md"), "code", "reason", "retry", "exit")
    documented = {
        unquoted(reason): (int(code), retry, ends_with)
        for code, reason, retry, ends_with, _ in rows
    }
    assert documented == {
        reason: (code, "yes" if retryable(reason) else "no", str(exit_code(reason)))
        for reason, code in CODES.items()
    }


def retryable(reason: str) -> bool:
    return error_from({"code": CODES[reason], "data": {"reason": reason}}).retryable


# docs/threat-model.md, docs/durability.md


@each_page
def test_a_test_that_a_page_names_exists(page: Path) -> None:
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text("utf-8")):
        assert (ROOT / file).is_file(), file
        assert not name or f"def {name}(" in read(file), f"{file}::{name}"


# docs/settings.md


def test_every_short_variable_is_documented() -> None:
    rows = table(read("docs/settings.md"), "variable", "meaning")
    variables = {
        *config._SHORT_ENVIRONMENT,
        *config._CLIENT_ENVIRONMENT,
        "CCO_HOME",
        "CCO_PROJECT",
    }
    assert {unquoted(name) for name, _ in rows} == variables


# docs/models.md


def test_every_known_model_is_documented() -> None:
    rows = table(read("docs/models.md"), "name", "dimensions", "passage, tokens", "pooling")
    assert {
        (unquoted(name.removesuffix(" (default)")), int(dim), int(window), pooling)
        for name, dim, window, pooling, *_ in rows
    } == {
        (model.name, model.dim, model.window_tokens, model.pooling)
        for model in KNOWN_MODELS.values()
    }
    assert [name for name, *_ in rows if "(default)" in name] == [f"`{DEFAULT_MODEL}` (default)"]


# Errors


def test_the_client_knows_every_error_of_the_daemon() -> None:
    assert CODES.items() <= CODES_OF_THE_CLIENT.items()


def test_client_and_daemon_agree_on_what_may_be_tried_again() -> None:
    kinds = daemon_errors.KnowledgeError.__subclasses__()
    sent = {kind.reason: kind.retryable for kind in kinds if kind.reason in CODES}
    assert sent == {reason: retryable(reason) for reason in sent}
    assert len(sent) > 5


# Links and names


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text("utf-8")), target


def anchors(page: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_script_that_is_named_exists(page: Path) -> None:
    for name in re.findall(r"\bscripts/[\w.-]+", page.read_text("utf-8")):
        assert (ROOT / name).exists(), name
