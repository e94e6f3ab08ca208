"""What to say where a daemon is of another version than kmctl."""

import re

from cco_knowledge import __version__


def difference(theirs: str) -> str | None:
    """One sentence, or None where there is none."""
    if theirs == __version__:
        return None
    if _numbers(theirs) > _numbers(__version__):
        return (
            f"The daemon ({theirs}) is newer than kmctl ({__version__}): use the kmctl that was "
            "installed with it."
        )
    return (
        f"The daemon ({theirs}) is older than kmctl ({__version__}), which was upgraded since it "
        "started. To use the new one: kmctl restart"
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
