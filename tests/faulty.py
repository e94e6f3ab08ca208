"""A daemon whose faults can be switched on and off while it runs."""

from pathlib import Path
from typing import Self

from cco_knowledge.faults import VARIABLE


class Faults:
    """The file that `cco_knowledge.faults` reads."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._unfinished = file.with_suffix(".new")

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: str(self._file)}

    def set(self, *lines: str) -> Self:
        """`POINT ACTION [PASS]`, in place of those before; none ends them all."""
        self._unfinished.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        self._unfinished.replace(self._file)
        return self
