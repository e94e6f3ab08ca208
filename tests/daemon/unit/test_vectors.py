"""Arithmetic on vectors."""

import array

import pytest

from cco_knowledge.types import Passage, Vector
from cco_knowledge.vectors import cosine, cosine_of, mean, normalised, numbers


def vector_of(*numbers: float) -> Vector:
    return normalised(array.array("f", numbers).tobytes())


def test_the_mean_of_passages_is_a_direction() -> None:
    passages = [Passage(0, 1, vector_of(1, 0)), Passage(1, 2, vector_of(0, 1))]
    assert list(array.array("f", mean(passages))) == pytest.approx([0.5**0.5] * 2)
    assert mean(passages[:1]) == passages[0].vector


@pytest.mark.parametrize(("other", "expected"), [((1, 1), 0.5**0.5), ((-2, 0), -1), ((3, 0), 1)])
def test_the_cosine_of_two_directions(other: tuple[int, int], expected: float) -> None:
    one, another = vector_of(1, 0), vector_of(*other)
    assert cosine(one, another) == pytest.approx(expected)
    assert cosine_of(numbers(one), numbers(another)) == pytest.approx(expected)
