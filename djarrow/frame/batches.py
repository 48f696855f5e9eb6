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
    """The same rows in batches of so many rows and bytes at most, small ones joined."""
    waiting: list[pa.RecordBatch] = []
    held, taken = 0, 0
    for batch in batches:
        for piece in _cut(batch, rows, size):
            if waiting and (held + piece.num_rows > rows or taken + piece.nbytes > size):
                yield _together(waiting)
                waiting, held, taken = [], 0, 0
            waiting.append(piece)
            held, taken = held + piece.num_rows, taken + piece.nbytes
    if held:
        yield _together(waiting)


def _cut(batch: pa.RecordBatch, rows: int, size: int) -> Iterator[pa.RecordBatch]:
    """The rows in pieces that are small enough, where one row is: by halves, because rows differ in size."""
    if batch.num_rows > 1 and (batch.num_rows > rows or batch.nbytes > size):
        half = batch.num_rows // 2
        yield from _cut(batch.slice(0, half), rows, size)
        yield from _cut(batch.slice(half), rows, size)
    elif batch.num_rows:
        yield batch


def _together(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
