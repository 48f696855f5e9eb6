"""Record batches of a size that is asked for, out of those that an engine gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def of_rows(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly so many, the last one of what is left. No more than two sizes are held."""
    waiting: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        start = 0
        while held + batch.num_rows - start >= rows:
            end = start + rows - held
            yield _together([*waiting, batch.slice(start, end - start)])
            waiting, held, start = [], 0, end
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            held += batch.num_rows - start
    if held:
        yield _together(waiting)


def of_size(batches: Iterable[pa.RecordBatch], rows: int, size: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of so many rows and bytes at most, small ones joined.

    A row takes what one of its batch takes on average: slices share dictionaries, and would each count them whole.
    """
    waiting: list[pa.RecordBatch] = []
    held, taken = 0, 0
    for batch in batches:
        each = max(1, batch.nbytes // max(batch.num_rows, 1))
        step = max(1, min(rows, size // each))
        for start in range(0, batch.num_rows, step):
            piece = batch.slice(start, step)
            if waiting and (held + piece.num_rows > rows or taken + each * piece.num_rows > size):
                yield _together(waiting)
                waiting, held, taken = [], 0, 0
            waiting.append(piece)
            held, taken = held + piece.num_rows, taken + each * piece.num_rows
    if held:
        yield _together(waiting)


def _together(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
