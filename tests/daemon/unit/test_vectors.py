"""Arithmetic on vectors."""

import array

import pytest

from cco_knowledge.types import Passage, Vector
from cco_knowledge.vectors import cosine, mean, normalised


def vector_of(*numbers: float) -> Vector:
    return normalised(array.array("f", numbers).tobytes())


def test_the_mean_of_passages_is_a_direction() -> None:
    passages = [Passage(0, 1, vector_of(1, 0)), Passage(1, 2, vector_of(0, 1))]
    assert list(array.array("f", mean(passages))) == pytest.approx([0.5**0.5] * 2)
    assert mean(passages[:1]) == passages[0].vector


def test_the_cosine_of_two_directions() -> None:
    assert cosine(vector_of(1, 0), vector_of(1, 1)) == pytest.approx(0.5**0.5)
    assert cosine(vector_of(1, 0), vector_of(-2, 0)) == pytest.approx(-1)
