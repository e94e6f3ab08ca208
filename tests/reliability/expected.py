"""What a store must hold after a crash: all that was acknowledged, and either side of a doubt."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Act:
    """One call that changes the store, and what it changes."""

    method: str
    params: dict[str, Any]
    stores: Mapping[str, str] = field(default_factory=dict)
    """Texts by id; of an update too."""
    deletes: Sequence[str] = ()
    supersedes: str | None = None
    """The entry that the only stored one replaces: one commit, so both or neither."""

    @property
    def ids(self) -> set[str]:
        return {*self.stores, *self.deletes} | ({self.supersedes} if self.supersedes else set())


@dataclass(slots=True)
class Expected:
    texts: dict[str, str] = field(default_factory=dict)
    successors: dict[str, str] = field(default_factory=dict)
    """The direct ones."""

    def apply(self, act: Act) -> None:
        self.texts |= act.stores
        if act.supersedes is not None:
            (self.successors[act.supersedes],) = act.stores
        for gone in act.deletes:
            self._delete(gone)

    def faults(self, found: Iterable[Mapping[str, Any]], doubts: Sequence[Act] = ()) -> list[str]:
        """What is wrong with the entries of a whole listing; `doubts`: acts without an answer."""
        entries = list(found)
        counts = Counter(entry["id"] for entry in entries)
        by_id = {entry["id"]: entry for entry in entries}
        doubtful_stores = {one for act in doubts for one in act.stores}
        doubtful_deletes = {one for act in doubts for one in act.deletes}
        faults = [f"{one} is there {count} times" for one, count in counts.items() if count > 1]
        faults += [f"{one} is lost" for one in self.texts.keys() - by_id - doubtful_deletes]
        faults += [f"{one} came back" for one in by_id.keys() - self.texts - doubtful_stores]
        faults += self._wrong_texts(by_id, doubts)
        faults += self._wrong_successors(by_id, doubts)
        return faults

    def _delete(self, gone: str) -> None:
        self.texts.pop(gone, None)
        after = self.successors.pop(gone, None)
        for older in [one for one, by in self.successors.items() if by == gone]:
            if after is None:
                del self.successors[older]
            else:
                self.successors[older] = after

    def _wrong_texts(self, by_id: Mapping[str, Any], doubts: Sequence[Act]) -> list[str]:
        allowed = {one: {text} for one, text in self.texts.items()}
        for act in doubts:
            for one, text in act.stores.items():
                allowed.setdefault(one, set()).add(text)
        return [
            f"{one} has another text"
            for one, entry in by_id.items()
            if one in allowed and entry["text"] not in allowed[one]
        ]

    def _wrong_successors(self, by_id: Mapping[str, Any], doubts: Sequence[Act]) -> list[str]:
        doubtful = {one for act in doubts for one in act.ids}
        faults = [
            f"{one} has not the successor that it should have"
            for one, entry in by_id.items()
            for chain in [self._chain(one)]
            if one in self.texts and not doubtful & {one, *chain}
            if entry["superseded_by"] != (chain[-1] if chain else None)
        ]
        for act in doubts:
            if act.supersedes is not None and act.supersedes in by_id:
                (new,) = act.stores
                is_marked = by_id[act.supersedes]["superseded_by"] is not None
                if is_marked != (new in by_id):
                    faults.append(f"{act.supersedes} and {new}, which replaces it, disagree")
        return faults

    def _chain(self, one: str) -> list[str]:
        chain: list[str] = []
        following = self.successors.get(one)
        while following is not None:
            chain.append(following)
            following = self.successors.get(following)
        return chain
