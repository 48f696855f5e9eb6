"""Record batches of a size that is asked for, out of those that an engine gives."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa


def of_rows(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
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


def _together(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    return pieces[0] if len(pieces) == 1 else pa.concat_batches(pieces)
