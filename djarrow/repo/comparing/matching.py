"""The rows of two tables that are not the same: found by hashes of all rows, and only then by keys and values.

Of one side the hashes of all rows are kept, 16 bytes a row, of the other none: memory is bounded by these and by the
rows that differ, in whatever order rows come. docs/decisions/024-diff.md says why so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

import numpy as np
import polars as pl
import pyarrow as pa
from attrs import frozen

from djarrow.errors import RepositoryError
from djarrow.frame import results
from djarrow.model.heading import Attribute, Heading
from djarrow.repo.comparing.pairing import Two, pair
from djarrow.repo.comparing.row_index import Mask, Places, RowIndex
from djarrow.repo.content import ContentHash, Hashes, RowHash, joined, mixed, pieces


@frozen(eq=False)
class Source:
    """A table on one side. shown: what an error calls it.

    batches: reads it once more, in the types of its heading: the attributes that are wanted, of the rows of the keys
    that are, each None for all. rows, content: how many rows there are, and their content hash, where these are known
    without reading.
    """

    shown: str
    heading: Heading
    batches: Callable[[tuple[str, ...] | None, pa.Table | None], Generator[pa.RecordBatch]]
    rows: int | None = None
    content: str = ""


@frozen(eq=False)
class Found:
    """The rows of two tables that differ, in the order of their keys.

    left, right: how many rows the tables have; alone, changed: how many of these the other one has not, and has with
    other values. The frames hold so many, or as many as were wanted: of `changed` a pair of frames, row by row.
    """

    left: int
    right: int
    left_alone: int
    right_alone: int
    changed: int
    left_rows: pl.DataFrame
    right_rows: pl.DataFrame
    changed_rows: Two

    def turned(self) -> Found:
        """The same, with the sides exchanged."""
        return Found(
            left=self.right,
            right=self.left,
            left_alone=self.right_alone,
            right_alone=self.left_alone,
            changed=self.changed,
            left_rows=self.right_rows,
            right_rows=self.left_rows,
            changed_rows=(self.changed_rows[1], self.changed_rows[0]),
        )


def compare(left: Source, right: Source, compared: tuple[Attribute, ...], limit: int | None) -> Found:
    """What differs between two tables of one key. left is read twice where it has rows that differ, and right once.

    compared: the attributes of left that count, those of the key among them; right has them, too, with the same kinds
    of values. limit: how many rows are wanted of each kind. Where both tables have nothing but these attributes, right
    is not read if its content hash is that of left.

    Raises RepositoryError where a table has one row twice, or changes while it is read.
    """
    hashing = _Hashing(compared, left.heading.primary_key)
    index, content = hashing.indexed(left)
    if right.content and (right.rows, right.content) == (len(index), content):
        return nothing(left, right, len(index))
    alone, changed = _Kept(right, limit), _Kept(right, limit)
    wanted: list[Hashes] = [np.zeros(0, np.uint64)]
    count = 0
    for batch, keys, rows in hashing.each(right):
        count += len(keys)
        same, near = index.find(keys, rows)
        index.mark(same, near)
        alone.add(batch, (same < 0) & (near < 0))
        wanted.append(keys[changed.add(batch, (same < 0) & (near >= 0))])
    if index.met_again:
        raise _twice(right)
    chosen = index.wanted(np.concatenate(wanted), limit)
    fetched = _fetched(left, hashing, chosen, len(index), changed if len(chosen) == changed.held else None)
    both, others = pair(
        (fetched.frame(), pl.concat([alone.frame(), changed.frame()])),
        [(left.heading[name], right.heading[name]) for name in left.heading.primary_key],
    )
    # Where all rows that differ are held, their keys tell how many there are of each kind, and not the hashes of these.
    held = fetched.count == index.count_unmatched() and alone.complete and changed.complete
    return Found(
        left=len(index),
        right=count,
        left_alone=others[0].height if held else index.count_alone(),
        right_alone=others[1].height if held else alone.count,
        changed=both[0].height if held else changed.count,
        left_rows=others[0],
        right_rows=others[1],
        changed_rows=both,
    )


def nothing(left: Source, right: Source, rows: int) -> Found:
    """What differs between two tables with the same rows."""
    ours, theirs = (_Kept(source, None).frame() for source in (left, right))
    return Found(rows, rows, 0, 0, 0, ours, theirs, (ours, theirs))


def _twice(source: Source) -> RepositoryError:
    return RepositoryError(f"{source.shown} has one row twice, which no table can: it was changed. See `dj.verify`.")


FEW = 10_000
"""Rows that are fetched by their keys, from a table that has more than WHOLE; else it is read once more as a whole."""

WHOLE = 100_000


def _fetched(source: Source, hashing: _Hashing, wanted: RowIndex, rows: int, partners: _Kept | None) -> _Kept:
    """The rows of an index, read again. rows: how many the table has; partners: rows of the other side that have their
    keys, where these are all.
    """
    kept = _Kept(source, None)
    if len(wanted) <= FEW and rows > WHOLE:
        keys = partners.keys() if partners is not None else hashing.keys_in(wanted, source)
        kept = _read(source, hashing, wanted, keys)
    if kept.count < len(wanted):  # or an engine does not find a row by its key, as one of another type
        kept = _read(source, hashing, wanted, None)
    if kept.count != len(wanted):
        raise RepositoryError(f"{source.shown} was changed while it was compared. Compare again.")
    return kept


def _read(source: Source, hashing: _Hashing, wanted: RowIndex, keys: pa.Table | None) -> _Kept:
    kept = _Kept(source, None)
    if len(wanted):
        with closing(hashing.each(source, keys)) as batches:
            for batch, key_hashes, rows in batches:
                kept.add(batch, wanted.find(key_hashes, rows)[0] >= 0)
                if kept.count >= len(wanted):
                    break
    return kept


# --- hashes ------------------------------------------------------------------------------------------------------


class _Hashing:
    """How the rows of both sides are hashed: by the attributes of the left one."""

    def __init__(self, compared: tuple[Attribute, ...], key: tuple[str, ...]) -> None:
        self._key = RowHash(attribute for attribute in compared if attribute.name in key)
        self._rest = RowHash(attribute for attribute in compared if attribute.name not in key)
        self._names = key

    def each(self, source: Source, keys: pa.Table | None = None) -> Generator[tuple[pa.RecordBatch, Hashes, Hashes]]:
        """Batches, with the hash of each row's key and that of the row. keys: of the rows wanted."""
        with closing(source.batches(None, keys)) as batches:
            for batch in batches:
                sums = [(self._key.sums(piece), self._rest.sums(piece)) for piece in pieces(batch)]
                yield batch, joined([key_hashes(key) for key, _ in sums]), joined([mixed(k + rest) for k, rest in sums])

    def keys_in(self, index: RowIndex, source: Source) -> pa.Table:
        """The keys of a table that an index has, by their hashes."""
        found = []
        with closing(source.batches(self._names, None)) as batches:
            for batch in batches if len(index) else ():
                hashes = joined([key_hashes(self._key.sums(piece)) for piece in pieces(batch)])
                found.append(batch.filter(pa.array(index.has(hashes))))
        return pa.Table.from_batches(found, source.heading.select(self._names).arrow_schema)

    def indexed(self, source: Source) -> tuple[RowIndex, str]:
        """All rows of a table, and its content hash as far as these attributes go."""
        content = ContentHash(source.heading)
        keys: list[Hashes] = []
        rows: list[Hashes] = []
        for _, of_keys, of_rows in self.each(source):
            keys.append(of_keys)
            rows.append(of_rows)
            content.add_hashes(of_rows)
        index = RowIndex(keys, rows)
        if index.has_repeated():
            raise _twice(source)
        return index, content.hexdigest()


key_hashes = mixed
"""The hashes of keys, of the sums over their attributes."""


# --- rows --------------------------------------------------------------------------------------------------------


class _Kept:
    """Rows of a table that were met, and as many of them as are wanted. count, held: how many these are."""

    def __init__(self, source: Source, limit: int | None) -> None:
        self._heading = source.heading
        self._limit = limit
        self._batches: list[pa.RecordBatch] = []
        self.count = self.held = 0

    @property
    def complete(self) -> bool:
        """Whether all rows that were met are held."""
        return self.held == self.count

    def add(self, batch: pa.RecordBatch, mask: Mask) -> Places:
        """Meet rows of a batch; which of them are held."""
        met = np.flatnonzero(mask)
        self.count += len(met)
        held = met if self._limit is None else met[: self._limit - self.held]
        if len(held):
            self._batches.append(batch.take(pa.array(held)))
            self.held += len(held)
        return held

    def _table(self) -> pa.Table:
        return pa.Table.from_batches(self._batches, self._heading.arrow_schema)

    def keys(self) -> pa.Table:
        """The keys of the rows held."""
        return self._table().select(self._heading.primary_key)

    def frame(self) -> pl.DataFrame:
        """The rows held."""
        return results.to_polars(self._table(), self._heading)
