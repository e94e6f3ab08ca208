"""What a table is after a transaction, as Lance itself works it out when it commits one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from kmctl.migration.transactions import Change, Fragment, Message, Version, known_ids

Counting = Literal["restarts", "goes on", "forgets"]
"""Its own fragments from 0, and later ones behind the highest number ever (vectordb 0.21); or its
own behind it, too (Lance 14); or all from 0."""
_LEAVE_ROWS_ALONE = {"create_index", "update_config", "update_mem_wal", "update_bases"}


class Unknown(Exception):
    """What this transaction did to the rows cannot be worked out."""


@dataclass(slots=True)
class Replay:
    """Applies transactions, one after the other."""

    version: Version
    earlier: dict[int, Version] = field(default_factory=dict)
    """Versions that a transaction may go back to."""
    ids: Mapping[str, int] = field(default_factory=dict)
    """For data files the number of their fragment, where it is known."""
    counting: Counting = "restarts"
    """How an overwrite and what follows it number fragments."""
    n_unknown: int = 0
    """Fragments that were to be removed or changed, but were not there."""

    def apply(self, change: Change, number: int) -> None:
        """The change makes this version. Raises Unknown, and then nothing changes."""
        after = self._after(change)
        self.version = replace(after, number=number, transaction=change.name)
        self.earlier[number] = self.version

    def _after(self, change: Change) -> Version:
        if change.kind in _LEAVE_ROWS_ALONE:
            return self.version
        set_version = {
            "overwrite": self._overwritten,
            "merge": self._merged,
            "project": self._projected,
            "restore": self._restored,
            "reserve": self._reserved,
        }
        if change.kind in set_version:
            return set_version[change.kind](change)
        return self.version.with_fragments(self._fragments_after(change))

    def _fragments_after(self, change: Change) -> list[Fragment]:
        set_fragments = {
            "append": self._appended,
            "delete": self._changed,
            "update": self._changed,
            "rewrite": self._rewritten,
            "replace_data": self._with_replaced_data,
        }
        if change.kind not in set_fragments:
            raise Unknown
        return set_fragments[change.kind](change)

    def _appended(self, change: Change) -> list[Fragment]:
        return [*self.version.fragments, *self._numbered(change)]

    def _merged(self, change: Change) -> Version:
        """Columns come in: all fragments are told anew."""
        return self._with_schema(change).with_fragments(change.new_fragments())

    def _projected(self, change: Change) -> Version:
        return replace(self.version, columns=change.body.blobs(1))

    def _reserved(self, change: Change) -> Version:
        highest = self.version.max_fragment_id + change.body.number(1)
        return replace(self.version, max_fragment_id=highest)

    def _overwritten(self, change: Change) -> Version:
        highest = self.version.max_fragment_id
        start = highest if self.counting == "goes on" else -1
        end = -1 if self.counting == "forgets" else highest
        emptied = replace(self._with_schema(change), fragments=(), max_fragment_id=end)
        return emptied.with_fragments(self._numbered(change, after=start))

    def _with_schema(self, change: Change) -> Version:
        columns, metadata = change.body.blobs(2), change.body.blobs(3)
        return replace(self.version, columns=columns, schema_metadata=metadata)

    def _restored(self, change: Change) -> Version:
        earlier = self.earlier.get(change.body.number(1))
        if earlier is None:
            raise Unknown
        highest = max(self.version.max_fragment_id, earlier.max_fragment_id)
        return replace(earlier, max_fragment_id=highest)

    def _numbered(self, change: Change, after: int | None = None) -> Iterator[Fragment]:
        """A fragment that has no number yet gets the next one."""
        highest = self.version.max_fragment_id if after is None else after
        for fragment in change.new_fragments():
            known = self._known_id(fragment)
            if known is None:
                highest += 1
                known = highest
            highest = max(highest, known)
            yield replace(fragment, id=known)

    def _known_id(self, fragment: Fragment) -> int | None:
        if fragment.id:
            return fragment.id
        return next((self.ids[path] for path in fragment.paths if path in self.ids), None)

    def _changed(self, change: Change) -> list[Fragment]:
        changed = {fragment.id: fragment for fragment in change.changed_fragments()}
        removed = change.removed_ids()
        there = {fragment.id for fragment in self.version.fragments}
        self.n_unknown += len((changed.keys() | removed) - there)
        kept = [one for one in self.version.fragments if one.id not in removed]
        return [*(changed.get(one.id, one) for one in kept), *self._numbered(change)]

    def _rewritten(self, change: Change) -> list[Fragment]:
        """The new fragments stand where the first of the old ones stood."""
        numbered = {one.paths: one for one in self._numbered(change)}
        fragments = list(self.version.fragments)
        for olds, news in change.groups():
            gone = {fragment.id for fragment in olds}
            places = [place for place, one in enumerate(fragments) if one.id in gone]
            if len(places) != len(gone) or not places:
                raise Unknown
            kept = [one for one in fragments if one.id not in gone]
            kept[places[0] : places[0]] = [numbered[new.paths] for new in news]
            fragments = kept
        return fragments

    def _with_replaced_data(self, change: Change) -> list[Fragment]:
        fragments = {fragment.id: fragment for fragment in self.version.fragments}
        for group in change.body.messages(1):
            fragment, file = fragments.get(group.number(1)), group.blob(2)
            if fragment is None:
                raise Unknown
            fields = Message(file).numbers(2)
            others = [one for one in fragment.files if Message(one).numbers(2) != fields]
            fragments[fragment.id] = replace(fragment, files=(*others, file))
        return list(fragments.values())


def replayed(
    base: Version, changes: Sequence[tuple[int, Change]], earlier: Mapping[int, Version]
) -> tuple[Version, list[Change], int]:
    """After all changes, each with the version that it makes.

    Also those of which the effect is unknown, and how many fragments should have been there and
    were not. How an overwrite counts its fragments is found by trying: only the right way leads
    to the numbers that later changes speak of.
    """
    ids = known_ids(change for _, change in changes)
    best: tuple[Version, list[Change], int] | None = None
    for counting in get_args(Counting):
        replay = Replay(base, dict(earlier), ids, counting)
        unknown = list(_applied(replay, changes))
        if best is None or len(unknown) + replay.n_unknown < len(best[1]) + best[2]:
            best = replay.version, unknown, replay.n_unknown
    assert best is not None  # noqa: S101 - the loop has run
    return best


def _applied(replay: Replay, changes: Sequence[tuple[int, Change]]) -> Iterator[Change]:
    for number, change in changes:
        try:
            replay.apply(change, number)
        except Unknown:
            yield change
