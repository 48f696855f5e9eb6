"""Rows in pieces: how large they are, where they start, and what can be read again."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from djarrow.errors import InvalidValue
from djarrow.frame.batches import of_size
from djarrow.frame.given import WHOLE, Columns, Given, Records, Size, given

FRAME = pl.DataFrame({"n": range(10), "s": ["x" * 100] * 10})


def reader() -> pa.RecordBatchReader:
    """The frame as something that can be read once."""
    table = FRAME.to_arrow()
    return pa.RecordBatchReader.from_batches(table.schema, iter(table.to_batches(max_chunksize=3)))


def places(found: Given) -> list[tuple[int, int]]:
    """(start, rows) of each piece."""
    return [(piece.start, piece.rows) for piece in found.pieces()]


@pytest.mark.parametrize(
    "rows",
    [FRAME, FRAME.lazy(), FRAME.to_arrow(), FRAME.to_pandas(), FRAME.to_dicts(), iter(FRAME.to_dicts()), reader()],
    ids=["polars", "lazy", "arrow", "pandas", "list", "iterator", "reader"],
)
def test_pieces_of_a_number_of_rows(rows: Any) -> None:
    """Every source gives pieces of just as many rows as asked for, numbered on."""
    assert places(given(rows, "t", Size(rows=4, exact=True))) == [(0, 4), (4, 4), (8, 2)]


def test_pieces_of_a_number_of_bytes() -> None:
    """A frame is cut by what a row of it takes; batches by their own bytes, and small ones are joined."""
    assert places(given(FRAME, "t", Size(bytes=400)))[0][1] in (3, 4)
    assert [batch.num_rows for batch in of_size(FRAME.to_arrow().to_batches(max_chunksize=1), 100, 600)] == [5, 5]
    (batch,) = FRAME.to_arrow().to_batches()
    assert sum(part.num_rows for part in of_size([batch], 100, 250)) == 10
    assert max(part.nbytes for part in of_size([batch], 100, 250)) <= 250
    shared = pa.record_batch({"e": pa.array(["x" * 1000, "y"] * 50).dictionary_encode()})
    assert [part.num_rows for part in of_size([shared], 1000, 700)] == [50, 50]  # not each with the whole dictionary
    assert [part.num_rows for part in of_size([batch], 100, 1)] == [1] * 10  # a row is never cut


def test_rows_of_large_values_are_few_at_a_time() -> None:
    """A generator of arrays is read in pieces that grow smaller as its values are larger."""
    rows = ({"image": np.zeros(1000)} for _ in range(300))
    sizes = [piece.rows for piece in given(rows, "t", Size(records=100, bytes=80_000)).pieces()]
    assert sizes == [16, *[10] * 28, 4]


def test_a_stream_is_read_as_it_comes() -> None:
    """Of something that only has the Arrow stream protocol, a piece is there before the next batch is asked for."""
    asked = 0

    class Stream:
        def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
            def batches() -> Any:
                nonlocal asked
                for n in range(10):
                    asked += 1
                    yield pa.record_batch({"n": [n] * 1000})

            schema = pa.schema([("n", pa.int64())])
            return pa.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__(requested_schema)

    found = given(Stream(), "t", Size(rows=1000))
    pieces = found.pieces()
    next(pieces)
    assert asked <= 2
    assert sum(piece.rows for piece in pieces) == 9000
    assert not found.again


def test_an_iterable_that_ends_is_not_read_twice() -> None:
    """What gives the same iterator each time has nothing to give a second time, though it is no iterator itself."""

    class Once:
        def __init__(self) -> None:
            self.iterator = iter(FRAME.to_dicts())

        def __iter__(self) -> Any:
            return self.iterator

    assert not given(Once(), "t", Size()).again


def test_a_frame_without_rows_has_names() -> None:
    """Nothing is one piece, of no rows, where there are names to check; of a list it is no piece."""
    empty: list[Any] = [FRAME[:0], FRAME[:0].lazy(), FRAME[:0].to_arrow(), FRAME[:0].to_pandas()]
    for rows in empty:
        (piece,) = given(rows, "t", Size()).pieces()
        assert isinstance(piece, Columns)
        assert (piece.rows, piece.names) == (0, ("n", "s"))
    assert list(given([], "t", Size()).pieces()) == []


def test_what_can_be_read_again() -> None:
    """Frames, lists and files can be read a second time; iterators and readers cannot."""
    assert all(given(rows, "t", Size()).again for rows in (FRAME, FRAME.lazy(), FRAME.to_dicts(), FRAME.to_arrow()))
    once: list[Any] = [iter([]), reader()]
    assert not any(given(rows, "t", Size()).again for rows in once)
    assert given(FRAME, "t", Size()).total == 10
    assert given(iter([]), "t", Size()).total is None


def test_the_whole_is_one_piece() -> None:
    """Without a size there is one piece, of lists one that holds the list's rows."""
    sources: list[Any] = [FRAME, FRAME.lazy(), FRAME.to_dicts(), reader()]
    for rows in sources:
        assert places(given(rows, "t", WHOLE)) == [(0, 10)]
    (piece,) = given(FRAME.to_dicts(), "t", WHOLE).pieces()
    assert isinstance(piece, Records)


@pytest.mark.parametrize("rows", [None, 5, b"bytes", {"a": 1}, object()])
def test_what_is_no_rows(rows: Any) -> None:
    """Whatever has no rows is refused, one row with the advice to use insert1."""
    with pytest.raises(InvalidValue, match="no sequence of rows"):
        given(rows, "t", Size())


@pytest.mark.parametrize("text", ["", "text", "no/such/folder", "a\0b", "long" * 2000])
def test_text_that_is_no_path(text: str) -> None:
    """Text is the path of a file of rows or of a folder: any other is refused as such, whatever it is."""
    with pytest.raises(InvalidValue, match=r"names no rows: .* that ends in \.csv or \.parquet, or of a folder"):
        given(text, "t", Size())
