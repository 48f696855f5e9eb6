"""What a user gives as rows -> pieces of it, each small enough to be held. What is wrong with them: rows.py.

A frame in memory is cut without being copied; what can be read once, or is larger than memory, is read piece by piece.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from djarrow.errors import InvalidValue, told
from djarrow.frame.batches import of_rows, of_size
from djarrow.frame.given_frames import Frame, as_frame, is_stream, of_polars

if TYPE_CHECKING:
    from djarrow.frame.files import RowsOfFile


@frozen
class Records:
    """Rows as Python objects, mappings or sequences. start: the number of the first."""

    start: int
    records: Sequence[Any]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.records)


@frozen
class Columns:
    """Rows as columns. column: gives one by its place among names, as an Arrow array or a list of Python values.

    texts: the columns of text, as a CSV file has them, in which NULL stands for the default. file: the one of several
    that they are of, whose first row has the number `first`.
    """

    start: int
    rows: int
    names: tuple[str, ...]
    column: Callable[[int], Any]
    texts: frozenset[str] = frozenset()
    file: str | None = None
    first: int = 0


Piece = Records | Columns


def told_file(piece: Piece, row: int | None) -> str:
    """The end of a message about a row of one of several files: which, and its number there. row: that in the piece."""
    if isinstance(piece, Records) or piece.file is None:
        return ""
    return f" In the file {piece.file!r}{'' if row is None else f', row {piece.start - piece.first + row}'}."


@frozen
class Size:
    """How large a piece is at most. exact: pieces have just that many rows, whatever they take."""

    rows: int = 250_000
    records: int = 50_000
    bytes: int = 16 * 2**20
    exact: bool = False

    def rows_of(self, rows: int, taken: int) -> int:
        """How many rows a piece has of something in memory."""
        if self.exact or not rows:
            return self.rows
        return max(1, min(self.rows, self.bytes * rows // max(taken, 1)))

    def records_of(self, weight: int) -> int:
        """How many records a piece has, of which one takes so many bytes."""
        return max(1, min(self.records, self.bytes // max(weight, 1)))


WHOLE = Size(rows=sys.maxsize, records=sys.maxsize, exact=True)
"""One piece, of everything that is in memory."""


@frozen
class Given:
    """Rows in pieces, none of them empty but the only one of a frame without rows, which has names to check.

    total: how many rows, where it is known. again: whether they can be read a second time.
    """

    pieces: Callable[[], Iterator[Piece]]
    total: int | None = None
    again: bool = True


def given(rows: Any, table: str, size: Size) -> Given:
    """The rows that a user gives for a table.

    rows: a Polars frame or lazy frame; an Arrow table, batch or reader, or what gives an Arrow stream; a pandas
    frame; a NumPy array of records; the path of a Parquet or CSV file, or of a folder of Parquet files; an iterable of
    mappings or of sequences. Raises InvalidValue for anything else, and for a file that cannot be read.
    """
    if isinstance(rows, list):
        return Given(lambda: _from_records(rows, size), len(rows))
    import polars as pl
    import pyarrow as pa

    from djarrow.frame import files

    if (path := files.as_path(rows)) is not None:
        return Given(lambda: _from_files(files.of_rows(path, table), size))
    if hasattr(rows, "scanner") and hasattr(rows, "to_batches"):  # a dataset of pyarrow's
        return Given(lambda: _from_stream(rows.scanner().to_reader(), size))
    if is_stream(rows):
        return Given(lambda: _from_stream(pa.RecordBatchReader.from_stream(rows), size), again=False)
    match rows:
        case pl.LazyFrame():
            return Given(lambda: _from_lazy(rows, size))
        case pa.RecordBatchReader():
            return Given(lambda: _from_stream(rows, size), again=False)
        case str():
            raise InvalidValue(
                f"{told(rows)} names no rows: as text they are the path of a file that ends in "
                f"{' or '.join(files.SUFFIXES)}, or of a folder that is there.",
                table=table,
            )
        case bytes() | Mapping():
            advice = "use insert1 for one, or make a frame of columns"
            raise InvalidValue(f"{_kind(rows)} is no sequence of rows; {advice}.", table=table)
        case tuple():
            return Given(lambda: _from_records(rows, size), len(rows))
    if (frame := as_frame(rows)) is not None:
        return Given(lambda: _from_frame(frame, size), frame.rows)
    if isinstance(rows, Iterable):
        return Given(lambda: _from_records(rows, size), again=isinstance(rows, Collection))
    raise InvalidValue(
        f"{_kind(rows)} is no sequence of rows: they are a frame, an Arrow table or stream, the path of a file, a "
        "query, or an iterable of mappings or sequences.",
        table=table,
    )


def _kind(value: Any) -> str:
    return f"an object of type {type(value).__name__}"


def _from_frame(frame: Frame, size: Size, first: int = 0) -> Iterator[Columns]:
    """first: the number of its first row."""
    step = size.rows_of(frame.rows, frame.bytes)
    for start in range(0, max(frame.rows, 1), step):  # one of no rows has names to check
        part = frame.cut(start, step)
        yield Columns(first + start, part.rows, part.names, _by_place(part))


def _by_place(frame: Frame) -> Callable[[int], Any]:
    return lambda number: frame.column(frame.names[number])


def _from_stream(reader: Any, size: Size, first: int = 0, texts: frozenset[str] = frozenset()) -> Iterator[Columns]:
    """The batches of anything that has a schema and gives batches, joined or cut to size."""
    batches = of_rows(reader, size.rows) if size.exact else of_size(reader, size.rows, size.bytes)
    start = first
    for batch in batches:
        yield Columns(start, batch.num_rows, tuple(batch.schema.names), batch.column, texts)
        start += batch.num_rows
    if start == first:
        yield Columns(first, 0, tuple(reader.schema.names), reader.schema.field, texts)


def _from_files(found: Iterable[RowsOfFile], size: Size) -> Iterator[Columns]:
    """File by file: each has the columns that it has. One without rows has names to check."""
    start, empty = 0, None
    for file in found:
        first = start
        for part in _from_stream(file, size, start, file.texts):
            piece = evolve(part, file=file.name, first=first)
            if not piece.rows:
                empty = piece
                continue
            yield piece
            start = piece.start + piece.rows
    if not start and empty is not None:
        yield empty


def _from_lazy(lazy: Any, size: Size) -> Iterator[Columns]:
    start = 0
    for frame in lazy.collect_batches(chunk_size=size.rows if size.exact else _LAZY_ROWS, maintain_order=True):
        if frame.height:
            yield from _from_frame(of_polars(frame), size, start)
            start += frame.height
    if not start:
        yield from _from_frame(of_polars(lazy.head(0).collect()), size)


_LAZY_ROWS = 250_000
"""How many rows Polars collects before it gives them."""


def _from_records(records: Iterable[Any], size: Size) -> Iterator[Records]:
    """Pieces whose size follows what a record takes, in a list of some of them, else of those that came first."""
    iterator = iter(records)
    start, step = 0, size.rows if size.exact else _FIRST
    if not size.exact and isinstance(records, list | tuple) and records:
        step = size.records_of(_heaviest(records))
    while taken := list(islice(iterator, step)):
        piece = Records(start, taken)
        start += piece.rows
        if not size.exact and len(taken) == step:
            step = size.records_of(_heaviest(taken))
        del taken
        yield piece
        del piece  # the next one is made when nothing holds this one


_FIRST = 16
"""How many records are held before it is known what one takes."""


def _heaviest(records: Sequence[Any]) -> int:
    """About how many bytes a row takes, of the largest of some rows: what it holds in bytes, text and arrays."""
    some = records[:: max(1, len(records) // 10)]
    return max(sum(_weight(value) for value in _values(record)) for record in some)


def _values(record: Any) -> Iterable[Any]:
    return record.values() if isinstance(record, Mapping) else record if isinstance(record, Sequence) else ()


def _weight(value: Any) -> int:
    """About how many bytes a value takes; of a list or mapping by its first part."""
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, list | tuple | dict) and value:
        first = next(iter(value.values())) if isinstance(value, dict) else value[0]
        return len(value) * (8 + _weight(first))
    return 8
