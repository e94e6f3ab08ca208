"""Works out what a table with a damaged history held: the rows that were committed, no others.

Lance writes a transaction for each change, then commits it by writing the manifest of the next
version, which lists all data files. The newest readable manifest says what there was; behind it
the transactions are replayed of which a manifest's name shows that they were committed. Without
any manifest all transactions are replayed.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kmctl.migration.recovery_files import DataFile
from kmctl.migration.recovery_history import History, Problem, files_in, manifest_paths, within
from kmctl.migration.transactions import Change, Fragment, Malformed, Message, Version, known_ids
from kmctl.migration.transactions_replay import replayed

_FIRST_LOOSE_ID = 1_000_000_000
"""Above all that are in use; a fragment's number has 32 bits."""
_KEEP_ROWS = {"append", "rewrite"}


@dataclass(frozen=True, slots=True)
class Recovered:
    version: Version
    problems: list[Problem]
    is_complete: bool
    """Whether it is known which rows were live."""


class NothingLeft(Exception):
    """No manifest, no transaction and no data file can be read."""


def recover(folder: Path) -> Recovered:
    """Raises NothingLeft."""
    history = History.read(folder)
    made = assigned(history)
    problems = [*history.problems, *_told(history, made)]
    named = history.named_files()
    loose = _loose_files(history, made, named, problems)
    base = history.base
    if base is None:
        is_start = bool(history.changes) and not made.unexplained
        base = Version(0) if is_start else _unknown_base(history, loose)
    steps = made.in_order()
    earlier = history.versions(change.body.number(1) for _, change in steps)
    version, unknown, n_unknown = replayed(base, steps, earlier)
    if history.base is not None:
        version = _with_loose(version, loose)
    problems.extend(_unclear(unknown, n_unknown))
    if not version.columns:
        raise NothingLeft
    return Recovered(
        version, problems, is_complete=not (made.unexplained or loose or unknown or n_unknown)
    )


def with_older_deletions(
    folder: Path, version: Version, damaged: Collection[int]
) -> tuple[Version, list[Problem]]:
    """What the deletion files of these fragments said is lost; an older one tells some of it."""
    history = History.read(folder)
    fragments, problems = [], []
    for fragment in version.fragments:
        if fragment.id not in damaged:
            fragments.append(fragment)
            continue
        older = history.older_deletion(fragment)
        fragments.append(replace(fragment, deletion=older))
        kept = "none" if older is None else "the latest"
        why = (
            f"The list of deleted rows of a data file cannot be read, so {kept} of its deletions "
            "can be honoured, and rows that were deleted may come back."
        )
        problems.append(Problem(fragment.deletion_path or "", why, 0))
    return version.with_fragments(fragments), problems


@dataclass(slots=True)
class Assigned:
    """Which change made which version."""

    made: list[tuple[int, Change]] = field(default_factory=list)
    doubtful: list[tuple[int, Change]] = field(default_factory=list)
    """Changes that claim a version for which another one was taken."""
    unexplained: list[int] = field(default_factory=list)
    """Versions that no recorded change made."""

    def in_order(self) -> list[tuple[int, Change]]:
        """Of the doubtful ones those that take no row away."""
        kept = [(number, one) for number, one in self.doubtful if one.kind in _KEEP_ROWS]
        return sorted([*self.made, *kept], key=lambda step: step[0])


def assigned(history: History) -> Assigned:
    numbers = _numbers_to_explain(history)
    since = history.base.number if history.base is not None else 0
    pool = [change for change in history.changes if change.read_version >= since]
    result = _assign(numbers, pool, history.damaged)
    if result.unexplained and history.base is not None:
        committed = history.committed_names()  # costs reading all manifests
        pool = [change for change in history.changes if change.name not in committed]
        result = _assign(numbers, pool, history.damaged)
    return _since_last_overwrite(result)


def _numbers_to_explain(history: History) -> list[int]:
    if history.base is not None or history.damaged:
        since = history.base.number if history.base is not None else 0
        return list(range(since + 1, max(history.damaged, default=since) + 1))
    if not history.changes:
        return []
    highest = max(change.read_version for change in history.changes)
    last = [change.kind for change in history.changes if change.read_version == highest]
    # A compaction makes two versions, and records both as made from the same one.
    return list(range(1, highest + 1 + (len(last) if "reserve" in last else 1)))


def _assign(
    numbers: Sequence[int], pool: Iterable[Change], traces: Mapping[int, bytes]
) -> Assigned:
    """For each version the change that its damaged manifest still names, else the likeliest."""
    result, waiting = Assigned(), list(pool)
    contested: set[int] = set()
    for number in numbers:
        trace = traces.get(number, b"")
        proven = [change for change in waiting if change.uuid.encode() in trace]
        fitting = proven or _likeliest(number, waiting)
        if not fitting:
            result.unexplained.append(number)
            continue
        result.made.append((number, fitting[0]))
        waiting.remove(fitting[0])
        if not proven:
            contested.add(fitting[0].read_version)
    result.doubtful = [
        (change.read_version + 1, change) for change in waiting if change.read_version in contested
    ]
    return result


def _likeliest(number: int, waiting: Sequence[Change]) -> list[Change]:
    """Made from the version right before; else, where two wrote at once, from an earlier one."""
    earlier = [change for change in waiting if change.read_version < number]
    nearest = max((change.read_version for change in earlier), default=None)
    return [change for change in earlier if change.read_version == nearest]


def _since_last_overwrite(result: Assigned) -> Assigned:
    """What was there before it is of no concern; but its fragments' numbers may go on counting."""
    last = max((number for number, one in result.made if one.kind == "overwrite"), default=0)
    result.unexplained = [number for number in result.unexplained if number > last]
    return result


def _told(history: History, made: Assigned) -> Iterator[Problem]:
    if history.base is None and history.changes:
        why = (
            "No list of the table's versions can be read. The table was put together from its "
            "recorded changes; whether the last one was finished cannot be known."
        )
        yield Problem("_versions", why, 0)
    for _, change in made.doubtful:
        if change.kind == "append":
            why = "Whether this addition was finished cannot be known; its rows are kept."
            yield Problem(f"_transactions/{change.name}", why, 0)
        elif change.kind not in _KEEP_ROWS:
            why = "Whether this change was finished cannot be known; it is left out."
            yield Problem(f"_transactions/{change.name}", why, None)
    if made.unexplained and history.base is not None:
        why = "No record is left of what the newest changes of this table did."
        yield Problem("_transactions", why, None)


def _unclear(unknown: Sequence[Change], n_unknown: int) -> Iterator[Problem]:
    for change in unknown:
        why = "What this change did cannot be worked out; it is left out."
        yield Problem(f"_transactions/{change.name}", why, None)
    if n_unknown:
        why = "Some deletions cannot be matched with data files, so deleted rows may come back."
        yield Problem("_deletions", why, 0)


def _loose_files(
    history: History, made: Assigned, named: set[str], problems: list[Problem]
) -> list[DataFile]:
    """Data files that nothing names, where a change that could have named them is lost."""
    is_unknown = bool(made.unexplained) or (history.base is None and not history.changes)
    if not is_unknown:
        return []
    paths = [path for path in files_in(history.folder / "data", ".lance") if path.name not in named]
    paths.sort(key=lambda path: path.stat().st_mtime_ns)
    if history.base is not None:
        paths = [path for path in paths if _came_later(path, history)]
    files = list(_described(history.folder, paths, problems))
    if files:
        where = "_transactions" if history.changes else "_versions"
        why = (
            f"No record is left of how {len(files)} data files came to be. Their rows are kept; "
            "those that were deleted or overwritten before the damage cannot be known."
        )
        problems.append(Problem(where, why, 0))
    return files


def _described(folder: Path, paths: Iterable[Path], problems: list[Problem]) -> Iterator[DataFile]:
    for path in paths:
        try:
            yield DataFile.read(path)
        except (Malformed, OSError):
            why = "This data file is damaged and cannot be read."
            problems.append(Problem(within(folder, path), why, None))


def _came_later(path: Path, history: History) -> bool:
    """Later than the newest readable manifest, or named in a damaged one."""
    if any(path.name.encode() in data for data in history.damaged.values()):
        return True
    assert history.base is not None  # noqa: S101 - the one caller asks first
    manifest = manifest_paths(history.folder).get(history.base.number)
    return manifest is not None and path.stat().st_mtime_ns >= manifest.stat().st_mtime_ns


def _unknown_base(history: History, loose: Sequence[DataFile]) -> Version:
    """What was there before the first recorded change, as far as files and changes show."""
    changes = history.changes
    came = {path for change in changes for one in change.new_fragments() for path in one.paths}
    mentioned: dict[int, Fragment] = {}
    for change in changes:
        for fragment in change.numbered_fragments():
            if not came.intersection(fragment.paths):
                mentioned.setdefault(fragment.id, replace(fragment, deletion=None))
    columns = _columns(_described(history.folder, files_in(history.folder / "data", ".lance"), []))
    base = Version(0, columns=columns).with_fragments(mentioned.values())
    base = _with_loose(base, loose, known_ids(changes))
    # New fragments get numbers that no change speaks of: theirs cannot be known.
    return replace(base, max_fragment_id=_FIRST_LOOSE_ID + len(loose))


def _with_loose(
    version: Version, loose: Sequence[DataFile], ids: Mapping[str, int] | None = None
) -> Version:
    given = ids or {}
    fragments = [
        file.as_fragment(given.get(file.name, _FIRST_LOOSE_ID + place), version.columns)
        for place, file in enumerate(loose)
    ]
    return version.with_fragments([*version.fragments, *fragments])


def _columns(files: Iterable[DataFile]) -> tuple[bytes, ...]:
    """All that they have; of two with the same number the first one's."""
    columns: dict[int, bytes] = {}
    for file in files:
        for column in file.columns:
            columns.setdefault(Message(column).number(3), column)
    return tuple(columns.values())
