"""What is remembered is given again only as long as nothing has changed."""

from collections.abc import Awaitable, Callable

from cco_knowledge.remembered import Remembered


def _finds(answer: str, asked: list[str]) -> Callable[[], Awaitable[str]]:
    async def find() -> str:
        asked.append(answer)
        return answer

    return find


async def test_what_is_asked_again_is_not_looked_for_again() -> None:
    remembered, asked = Remembered[str](1_000, len), list[str]()
    for _ in range(3):
        assert await remembered.answer("q", 1, _finds("a", asked)) == "a"
    assert await remembered.answer("other", 1, _finds("b", asked)) == "b"
    assert asked == ["a", "b"]


async def test_nothing_of_an_older_state_is_given() -> None:
    remembered, asked = Remembered[str](1_000, len), list[str]()
    assert await remembered.answer("q", 1, _finds("old", asked)) == "old"
    assert await remembered.answer("q", 2, _finds("new", asked)) == "new"
    assert await remembered.answer("q", 1, _finds("back", asked)) == "back"


async def test_what_is_found_while_the_state_changes_is_not_kept() -> None:
    remembered = Remembered[str](1_000, len)

    async def slowly() -> str:
        await remembered.answer("other", 2, _finds("b", []))
        return "of state 1"

    assert await remembered.answer("q", 1, slowly) == "of state 1"
    assert await remembered.answer("q", 2, _finds("of state 2", [])) == "of state 2"


async def test_the_one_that_was_used_longest_ago_goes_first() -> None:
    remembered, asked = Remembered[str](4 * 28, len), list[str]()  # four with their questions
    for question in "abcd":
        await remembered.answer(question, 1, _finds(question * 25, []))
    await remembered.answer("a", 1, _finds("", asked))
    await remembered.answer("e", 1, _finds("e" * 25, []))
    for question in "acde":
        await remembered.answer(question, 1, _finds(f"{question} again", asked))
    assert asked == []
    await remembered.answer("b", 1, _finds("b again", asked))
    assert asked == ["b again"]


async def test_a_large_answer_or_question_is_not_kept() -> None:
    for question, answer in (("q", "x" * 26), ("q" * 26, "x")):
        remembered, asked = Remembered[str](100, len), list[str]()
        for _ in range(2):
            await remembered.answer(question, 1, _finds(answer, asked))
        assert len(asked) == 2
