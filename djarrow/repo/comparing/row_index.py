"""The rows of a table by their hashes: which of them another table has, and of which it has the key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from djarrow.repo.content import Hashes, joined

Places = npt.NDArray[np.intp]
"""Positions in an index, -1 for none."""

Mask = npt.NDArray[np.bool_]


class RowIndex:
    """Rows by the hashes of their keys. Two keys can have one hash, however rarely."""

    def __init__(self, keys: list[Hashes], rows: list[Hashes]) -> None:
        """keys, rows: the hashes in pieces, which are taken out of the lists, so that there are no more of them."""
        self._keys, self._rows = _taken(keys), _taken(rows)
        order = np.argsort(self._keys)
        self._keys = self._keys[order]
        self._rows = self._rows[order]
        self._repeated = bool(np.any(self._keys[1:] == self._keys[:-1]))
        self._matched = np.zeros(len(order), bool)
        self._paired = np.zeros(len(order), bool)
        self._marks = 0

    def __len__(self) -> int:
        return len(self._keys)

    def _places(self, keys: Hashes) -> Places:
        """Where the first row with a key of each hash would be."""
        order = np.argsort(keys)  # neighbours are searched for in one place of memory
        place = np.empty(len(keys), np.intp)
        place[order] = np.searchsorted(self._keys, keys[order])
        return np.minimum(place, len(self) - 1)

    def has(self, keys: Hashes) -> Mask:
        """For each hash whether a key here has it."""
        return self._keys[self._places(keys)] == keys if len(self) else np.zeros(len(keys), bool)

    def find(self, keys: Hashes, rows: Hashes) -> tuple[Places, Places]:
        """For each row where the same one is, and where one of its key is."""
        if not len(self):
            nowhere = np.full(len(keys), -1)
            return nowhere, nowhere
        inside = self._places(keys)
        near = np.where(self._keys[inside] == keys, inside, -1)
        same = np.where((near >= 0) & (self._rows[inside] == rows), inside, -1)
        if self._repeated:
            self._find_further(keys, rows, same, near)
        return same, near

    def _find_further(self, keys: Hashes, rows: Hashes, same: Places, near: Places) -> None:
        """Look at the other rows with a key of this hash, too."""
        open_ = np.flatnonzero((near >= 0) & (same < 0))
        at = near[open_] + 1
        while len(open_):
            alike = at < len(self)
            alike[alike] = self._keys[at[alike]] == keys[open_[alike]]
            open_, at = open_[alike], at[alike]
            hit = self._rows[at] == rows[open_]
            same[open_[hit]] = at[hit]
            open_, at = open_[~hit], at[~hit] + 1

    def mark(self, same: Places, near: Places) -> None:
        """Note which rows the other side has as they are, and of which it has the key."""
        matched = same[same >= 0]
        self._marks += len(matched)
        self._matched[matched] = True
        self._paired[near[(near >= 0) & (same < 0)]] = True

    @property
    def met_again(self) -> bool:
        """Whether the other side has one of the rows twice."""
        return self._marks > self.count_matched()

    def has_repeated(self) -> bool:
        """Whether one row is here twice."""
        if not self._repeated:
            return False
        order = np.lexsort((self._rows, self._keys))
        keys, rows = self._keys[order], self._rows[order]
        return bool(np.any((keys[1:] == keys[:-1]) & (rows[1:] == rows[:-1])))

    def wanted(self, keys: Hashes, limit: int | None) -> RowIndex:
        """The rows that are to be read: all that have no match; with a limit so many, and those of these keys."""
        chosen = np.flatnonzero(~self._matched)
        if limit is not None:
            paired = self._paired[chosen]
            partners = chosen[paired][np.isin(self._keys[chosen[paired]], keys)]
            chosen = np.concatenate([chosen[~paired][:limit], partners])
        return RowIndex([self._keys[chosen]], [self._rows[chosen]])

    def count_matched(self) -> int:
        """How many rows the other side has as they are."""
        return int(np.count_nonzero(self._matched))

    def count_unmatched(self) -> int:
        """How many it has not."""
        return len(self) - self.count_matched()

    def count_alone(self) -> int:
        """Of how many it has not even the key."""
        return int(np.count_nonzero(~self._matched & ~self._paired))


def _taken(pieces: list[Hashes]) -> Hashes:
    found = joined(pieces)
    pieces.clear()
    return found
