import pytest

from cco_knowledge.sessions.conversation import Passage, passages
from cco_knowledge.sessions.worth import type_of, worth_keeping


def sentences(conversation: str) -> list[list[str]]:
    return [list(passage.sentences) for passage in passages(conversation)]


@pytest.mark.parametrize(
    "marked",
    [
        "User: {}\n\nAssistant: {}",
        "Human: {}\nAssistant: {}",
        "**User**\n\n{}\n\n**Assistant**\n\n{}",
        "**User:** {}\n\n**Assistant:** {}",
        "[user] {}\n\n[assistant] {}",
        "### User\n\n{}\n\n### Assistant\n\n{}",
        "<user>\n{}\n</user>\n<assistant>\n{}\n</assistant>",
        "mira  08:52\n{}\n\ncodeagent  08:53\n{}",
        "[2026-03-01 10:22] anna: {}\n[2026-03-01 10:23] bot: {}",
        "> {}\n\n⏺ {}\n\n⏺ Bash(ls)\n  ⎿ a file or two here\n\n⏺ \n",
        "{}\n\n{}",
    ],
)
def test_speakers_are_no_part_of_what_they_say(marked: str) -> None:
    one, other = "Keep it as it is.", "All right then, as you like."
    assert sentences(marked.format(one, other)) == [[one], [other]]


@pytest.mark.parametrize(
    "nobody_said",
    [
        "```\nWe use it in code.\n```",
        "> We use what the documentation quotes here.",
        "| We use | a table of things |",
        "$ git commit -m we use a command",
        "2026-02-11T02:14:07.114Z INFO we use a log of ours",
        "[tool] bash: we use some output here\n\n[user]",
        "    if (we_use_code(indented)) {",
        "-----",
    ],
)
def test_what_nobody_said_is_left_out(nobody_said: str) -> None:
    said = "User: We say this here.\n\n{}\n\nWe say that there."
    assert sentences(said.format(nobody_said)) == [["We say this here."], ["We say that there."]]


def test_a_fence_that_is_never_closed_hides_nothing() -> None:
    assert sentences("User: We say this.\n```\nWe say that.") == [
        ["We say this."],
        ["We say that."],
    ]


def test_lines_of_one_paragraph_are_one_text() -> None:
    assert sentences("We wrap our\nlines, e.g. here. And go on.") == [
        ["We wrap our lines, e.g. here.", "And go on."]
    ]


def test_a_list_item_knows_what_it_stands_under() -> None:
    items = passages(
        "We could do one of these options:\n\n- Take the first one.\n- Take the other one."
    )
    assert [item.under for item in items if item.is_item] == [
        "We could do one of these options:"
    ] * 2


def test_options_that_are_only_listed_are_not_kept() -> None:
    option = "Move all sessions from Redis to Postgres, because we must always keep them."
    assert worth_keeping(Passage([option], "The options are:", is_item=True)) == []
    assert len(worth_keeping(Passage([option], "Decisions:", is_item=True))) == 1


def test_a_fix_brings_its_cause_along() -> None:
    cause = "The crash came from a cursor that was kept open."
    fix = "Fix: the worker reads batches of 50 rows into a list, and only one worker ever runs."
    (kept,) = worth_keeping(Passage([cause, fix], "", is_item=False))
    assert kept.text == f"{cause} {fix}"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("We'll go with SQLite for the cache, because the app must work offline.", "decision"),
        ("The request timeout is 30 s, set in config/proxy.yaml.", "configuration"),
        ("The root cause of the crash was a missing index.", "issue"),
        ("Every endpoint must return errors as problem+json, never as text.", "pattern"),
        ("The deploy key is kept in Vault under ci/deploy.", "credential"),
        (
            "The gateway forwards events to the queue, and the workers write to the tables.",
            "architecture",
        ),
        ("I replaced the recursive walk by an explicit stack.", "implementation"),
    ],
)
def test_types_follow_from_the_words(text: str, kind: str) -> None:
    assert type_of(text) == kind
