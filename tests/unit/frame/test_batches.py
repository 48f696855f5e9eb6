"""Batches of a size that is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from djarrow.frame.batches import of_rows


def batches(*sizes: int) -> list[pa.RecordBatch]:
    """Batches of these sizes, whose rows are numbered through."""
    starts = [sum(sizes[:position]) for position in range(len(sizes))]
    return [pa.record_batch({"n": pa.array(range(s, s + size))}) for s, size in zip(starts, sizes, strict=True)]


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 10, 11, 1000])
@pytest.mark.parametrize("sizes", [(), (0,), (1,), (10,), (3, 0, 7), (1, 1, 1, 1), (5, 5), (2, 9, 30), (0, 0, 4)])
def test_sizes(sizes: tuple[int, ...], rows: int) -> None:
    """All rows come once and in order, in batches of the size, but for the last one, which is not empty."""
    found = list(of_rows(iter(batches(*sizes)), rows))
    total = sum(sizes)
    assert [batch.num_rows for batch in found] == [rows] * (total // rows) + [total % rows] * bool(total % rows)
    assert [n for batch in found for n in batch.column("n").to_pylist()] == list(range(total))


def test_nothing_is_read_ahead() -> None:
    """A batch is given as soon as its rows are there."""
    read: list[int] = []

    def source() -> Iterator[pa.RecordBatch]:
        for batch in batches(4, 4, 4):
            read.append(batch.num_rows)
            yield batch

    found = of_rows(source(), 2)
    assert next(found).num_rows == 2
    assert read == [4]


def test_types_that_are_joined() -> None:
    """Dictionaries and extension types keep their type where a batch is made of several."""
    enum = pa.DictionaryArray.from_arrays(pa.array([1, None], pa.int16()), pa.array(["a", "b"]), ordered=True)
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16), None], pa.binary(16)))
    batch = pa.record_batch({"enum": enum, "uuid": uuids})
    first, second = of_rows(iter([batch, batch]), 3)
    assert first.schema == second.schema == batch.schema
    assert first.column("enum").to_pylist() == ["b", None, "b"]


def test_rows_without_columns() -> None:
    """A result without attributes has its rows all the same."""
    batch = pa.RecordBatch.from_struct_array(pa.array([{}] * 5, pa.struct([])))
    assert [found.num_rows for found in of_rows(iter([batch, batch]), 4)] == [4, 4, 2]
