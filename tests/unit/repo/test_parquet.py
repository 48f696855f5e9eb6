"""Writing a sorted stream of batches to files, without a database."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from djarrow.errors import RepositoryError
from djarrow.model.names import TableName
from djarrow.model.spec import TableSpec, table_spec
from djarrow.repo.exporting.parquet import ROW_GROUP_ROWS, Layout, write_table
from djarrow.repo.exporting.patterns import by_attributes
from djarrow.repo.exporting.publication import publication
from djarrow.repo.manifest import DataFile, TableEntry
from djarrow.repo.places.folder import Folder


def _spec(definition: str) -> TableSpec:
    def refuse(reference: str, line: object) -> TableSpec:
        raise AssertionError((reference, line))

    return table_spec(definition, TableName("lab", "session"), refuse)


SPEC = _spec("day : varchar(300)\nn : int32\n---\nx : float64\n")


def _batches(rows: list[tuple[str, int]], size: int) -> Iterator[pa.RecordBatch]:
    """The rows, x being half of n, so many a batch."""
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        columns = [[day for day, _ in part], [n for _, n in part], [n / 2 for _, n in part]]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, SPEC.heading.arrow_schema, strict=True)]
        yield pa.record_batch(arrays, schema=SPEC.heading.arrow_schema)


def written(
    spec: TableSpec, batches: Iterable[pa.RecordBatch], split: tuple[str, ...], root: Path, most: int | None = None
) -> list[DataFile]:
    """The files that the batches become, in a folder."""
    with publication(Folder(root)) as target:
        files = target.files(TableEntry(spec.name.schema, spec.name.table, ""))
        return list(write_table(spec, batches, Layout(by_attributes(split), most=most), files))


def _content(root: Path, files: list[DataFile]) -> dict[str, list[tuple[str, int]]]:
    tables = {file.path: pq.read_table(root / file.path) for file in files}
    return {
        path: list(zip(*(t.column(c).to_pylist() for c in ("day", "n")), strict=True)) for path, t in tables.items()
    }


@pytest.mark.parametrize("size", range(1, 13))
def test_runs_cross_batches(tmp_path: Path, size: int) -> None:
    """However the batches are cut, each partition is one file with all of its rows in order, and no other file."""
    rows = [
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("b", 1),
        ("c", 1),
        ("c", 2),
        ("c", 3),
        ("c", 4),
        ("c", 5),
        ("d", 1),
        ("d", 2),
    ]
    files = written(SPEC, _batches(rows, size), ("day",), tmp_path)
    expected = {f"lab/tables/session/day-{day}.parquet": [r for r in rows if r[0] == day] for day in "abcd"}
    assert _content(tmp_path, files) == expected
    assert [file.rows for file in files] == [3, 1, 5, 2]
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.parquet")} == set(expected)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_runs_of_two_attributes(tmp_path: Path, size: int) -> None:
    """A run ends where either of two attributes changes, also when the other repeats."""
    rows = [("a", 1), ("a", 2), ("b", 2), ("b", 3), ("c", 3)]
    files = written(SPEC, _batches(rows, size), ("day", "n"), tmp_path)
    assert [file.path.removeprefix("lab/tables/session/") for file in files] == [
        f"day-{day}/n-{n}.parquet" for day, n in rows
    ]
    assert all(file.rows == 1 for file in files)


def test_empty_batches_are_passed_over(tmp_path: Path) -> None:
    """A batch without rows, in between or alone, makes no file of its own."""
    empty = SPEC.heading.arrow_schema.empty_table().to_batches(max_chunksize=1) or [
        pa.record_batch([pa.array([], f.type) for f in SPEC.heading.arrow_schema], schema=SPEC.heading.arrow_schema)
    ]
    (first, second) = _batches([("a", 1), ("a", 2)], 1)
    files = written(SPEC, [*empty, first, *empty, second, *empty], ("day",), tmp_path)
    assert [(file.path, file.rows) for file in files] == [("lab/tables/session/day-a.parquet", 2)]


@pytest.mark.parametrize("partition_by", [(), ("day",)])
def test_no_rows(tmp_path: Path, partition_by: tuple[str, ...]) -> None:
    """A table without rows has one file with its columns, partitioned or not."""
    (file,) = written(SPEC, [], partition_by, tmp_path)
    assert (file.path, file.rows) == ("lab/tables/session/all.parquet", 0)
    assert pq.read_schema(tmp_path / file.path).names == ["day", "n", "x"]


def test_names_that_differ_in_case_only(tmp_path: Path) -> None:
    """Values that many file systems take for the same name get files of their own."""
    rows = [("A", 1), ("a", 1), ("a", 2)]
    files = written(SPEC, _batches(rows, 10), ("day",), tmp_path)
    assert [file.rows for file in files] == [1, 2]
    assert len({file.path.casefold() for file in files}) == 2
    assert sorted(row for found in _content(tmp_path, files).values() for row in found) == rows


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_rows_of_a_file_have_a_limit(tmp_path: Path, size: int) -> None:
    """A file takes so many rows, the next of the same values gets a number, whatever batches they come in."""
    rows = [("a", n) for n in range(7)] + [("b", n) for n in range(3)] + [("c", 0)]
    files = written(SPEC, _batches(rows, size), ("day",), tmp_path, most=3)
    assert [(file.path.removeprefix("lab/tables/session/"), file.rows) for file in files] == [
        ("day-a.parquet", 3),
        ("day-a~2.parquet", 3),
        ("day-a~3.parquet", 1),
        ("day-b.parquet", 3),
        ("day-c.parquet", 1),
    ]
    assert [row for found in _content(tmp_path, files).values() for row in found] == rows


def test_row_groups(tmp_path: Path) -> None:
    """Batches of any size become row groups of the size for scans; of wide rows, groups of fewer."""
    rows = [("a", n) for n in range(2 * ROW_GROUP_ROWS + 5)]
    (file,) = written(SPEC, _batches(rows, 50_000), (), tmp_path)
    found = pq.read_metadata(tmp_path / file.path)
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [ROW_GROUP_ROWS, ROW_GROUP_ROWS, 5]
    wide = [("é" * 300, n) for n in range(ROW_GROUP_ROWS)]
    (file,) = written(SPEC, _batches(wide, 10_000), (), tmp_path / "wide")
    found = pq.read_metadata(tmp_path / "wide" / file.path)
    assert [found.row_group(n).num_rows for n in range(found.num_row_groups)] == [110_000, ROW_GROUP_ROWS - 110_000]


def test_unsorted_rows_are_refused(tmp_path: Path) -> None:
    """A partition that comes back after it was closed is refused rather than overwritten."""
    rows = [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]
    with pytest.raises(RepositoryError, match="order"):
        written(SPEC, _batches(rows, 10), ("day",), tmp_path)


def test_a_failing_stream_leaves_no_open_file(tmp_path: Path) -> None:
    """When the stream breaks, the file that was being written is removed; finished ones stay."""

    def broken() -> Iterator[pa.RecordBatch]:
        yield from _batches([("a", 1), ("b", 1)], 1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        written(SPEC, broken(), ("day",), tmp_path)
    assert [path.name for path in tmp_path.rglob("*.parquet")] == ["day-a.parquet"]


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """A link that stands where a file should be does not lead the export to write elsewhere."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    target = tmp_path / "lab/tables/session/all.parquet"
    target.parent.mkdir(parents=True)
    target.symlink_to(precious)
    written(SPEC, _batches([("a", 1)], 1), (), tmp_path)
    assert precious.read_text() == "mine"
    assert not target.is_symlink()


def test_float_columns_have_no_statistics(tmp_path: Path) -> None:
    """Floats carry no minimum and maximum, with which DuckDB would lose NaN rows; other columns do."""
    (file,) = written(SPEC, _batches([("a", 1)], 1), (), tmp_path)
    group = pq.read_metadata(tmp_path / file.path).row_group(0)
    found = {group.column(i).path_in_schema: group.column(i).is_stats_set for i in range(group.num_columns)}
    assert found == {"day": True, "n": True, "x": False}


def test_a_table_of_floats_only_has_no_statistics(tmp_path: Path) -> None:
    """Also where there is no column that may have them."""
    spec = _spec("x : float64")
    batch = pa.record_batch([pa.array([1.0, math.nan])], schema=spec.heading.arrow_schema)
    (file,) = written(spec, [batch], (), tmp_path)
    assert not pq.read_metadata(tmp_path / file.path).row_group(0).column(0).is_stats_set


def test_pages_have_checksums(tmp_path: Path) -> None:
    """A flipped bit in the data is an error when it is read with verification, not another value."""
    (file,) = written(SPEC, _batches([(f"day{i % 7}", i) for i in range(5000)], 5000), (), tmp_path)
    path = tmp_path / file.path
    column = pq.read_metadata(path).row_group(0).column(2)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_metadata(tmp_path: Path) -> None:
    """A file says by itself which table it is of, its key and order, and the type and comment of each column."""
    spec = _spec("n : uint16  # the number\n---\nprice : decimal(5,2)\nwho = null : uuid\n")
    batch = pa.record_batch([pa.array([], f.type) for f in spec.heading.arrow_schema], schema=spec.heading.arrow_schema)
    (file,) = written(spec, [batch], (), tmp_path)
    schema = pq.read_schema(tmp_path / file.path)
    assert schema.metadata[b"djarrow.table"] == b"lab.session"
    assert schema.metadata[b"djarrow.primary_key"] == b'["n"]'
    metadata = schema.field("n").metadata
    assert (metadata[b"djarrow.type"], metadata[b"djarrow.comment"]) == (b"uint16", b"the number")
    assert schema.types == [pa.uint16(), pa.decimal128(5, 2), pa.string()]
    assert [field.nullable for field in schema] == [False, False, True]
