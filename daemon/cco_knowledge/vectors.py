"""Arithmetic on vectors without numpy. Pure."""

import array
import math
from collections.abc import Sequence

from cco_knowledge.errors import EmbeddingFailed
from cco_knowledge.types import Passage, Vector


def normalised(vector: bytes) -> Vector:
    """The float32 vector at length 1.

    Raises:
        EmbeddingFailed: it has no direction.
    """
    numbers = array.array("f", vector)
    length = math.hypot(*numbers)
    if not math.isfinite(length) or length == 0.0:
        raise EmbeddingFailed("The model gave no usable vector for the text.")
    return Vector(array.array("f", [number / length for number in numbers]).tobytes())


def cosine(one: Vector, other: Vector) -> float:
    """Of two vectors of length 1. 30 µs at 384 numbers."""
    return cosine_of(numbers(one), numbers(other))


def numbers(vector: Vector) -> tuple[float, ...]:
    """For `cosine_of`, where one is compared with many."""
    return tuple(array.array("f", vector))


def cosine_of(one: Sequence[float], other: Sequence[float]) -> float:
    """Of the numbers of two vectors of length 1. 3 µs for 384."""
    return 1.0 - math.dist(one, other) ** 2 / 2


def mean(passages: Sequence[Passage]) -> Vector:
    """The mean direction of the passages; of a single one its own vector."""
    if len(passages) == 1:
        return passages[0].vector
    columns = zip(*(array.array("f", passage.vector) for passage in passages), strict=True)
    return normalised(array.array("f", map(sum, columns)).tobytes())
