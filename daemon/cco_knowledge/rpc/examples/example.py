from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MODEL = {
    "name": "all-MiniLM-L6-v2",
    "sha256": "2c69b8fb2ebc07233367530ab3439771edef940594272b9692da4d31f422c89a",
    "dim": 384,
}


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    params: Mapping[str, Any]
    result: Any
    varies: tuple[str, ...] = ()
    """Keys of the result, at any depth, whose values differ from run to run."""
    description: str = ""
