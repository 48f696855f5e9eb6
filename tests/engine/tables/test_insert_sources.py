"""Where inserted rows come from: frames of every library, streams, files, in pieces; all of them or none."""

from __future__ import annotations

import datetime
import itertools
import weakref
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    DuplicateKey,
    InvalidCondition,
    InvalidValue,
    MissingField,
    MissingParent,
    RowError,
    UnknownField,
)

FRAME = pl.DataFrame({"n": [1, 2, 3], "x": [0.5, None, 2.5], "note": ["a", "b", "c"]})
ROWS = FRAME.to_dicts()


@pytest.fixture
def Item(schema: dj.Schema) -> Any:  # noqa: N802 - a class
    """Item(n; x, note), of which x may be NULL and note has a default."""

    @schema
    class Item(dj.Manual):
        definition = """
        n : uint32
        ---
        x = null : float64
        note = 'none' : varchar(10)
        """

    return Item


class Stream:
    """Anything that has the Arrow stream protocol and nothing else."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The capsule of the stream."""
        return self._table.__arrow_c_stream__(requested_schema)


def reader(*frames: pl.DataFrame) -> pa.RecordBatchReader:
    """A reader, which can be read once, of a batch for each frame."""
    batches = [batch for frame in frames for batch in frame.to_arrow().to_batches()]
    return pa.RecordBatchReader.from_batches(batches[0].schema, iter(batches))


FORMS: dict[str, Callable[[Path], Any]] = {
    "lazy": lambda _: FRAME.lazy(),
    "reader": lambda _: reader(FRAME[:1], FRAME[1:]),
    "stream": lambda _: Stream(FRAME.to_arrow()),
    "batch": lambda _: FRAME.to_arrow().to_batches()[0],
    "pandas": lambda _: FRAME.to_pandas(),
    "pandas of arrow": lambda _: FRAME.to_pandas(use_pyarrow_extension_array=True),
    "pandas with an index": lambda _: FRAME.to_pandas().set_index("n"),
    "records": lambda _: np.array(
        [(1, 0.5, "a"), (2, None, "b"), (3, 2.5, "c")], dtype=[("n", "i8"), ("x", "O"), ("note", "U10")]
    ),
    "parquet": lambda folder: write(folder / "rows.parquet", FRAME),
    "path as text": lambda folder: str(write(folder / "rows.parquet", FRAME)),
    "folder": lambda folder: {write(folder / f"{n}.parquet", FRAME[n : n + 1]).parent for n in range(3)}.pop(),
    "folder as text": lambda folder: str(write(folder / "rows.parquet", FRAME).parent),
    "dataset": lambda folder: ds.dataset(write(folder / "rows.parquet", FRAME)),
    "csv": lambda folder: write(folder / "rows.csv", FRAME),
    "generator": lambda _: (row for row in ROWS),
    "tuples": lambda _: [tuple(row.values()) for row in ROWS],
}


def write(path: Path, frame: pl.DataFrame) -> Path:
    """The file that holds a frame."""
    (frame.write_csv if path.suffix == ".csv" else frame.write_parquet)(path)
    return path


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunk_size", [None, 1, 2, 5])
def test_every_source(Item: Any, tmp_path: Path, form: str, chunk_size: int | None) -> None:  # noqa: N803
    """Whatever holds the rows, and in however many pieces they go up, they are the same in the table."""
    done = Item.insert(FORMS[form](tmp_path), chunk_size=chunk_size)
    assert (done, done.skipped, done.replaced) == (3, 0, 0)
    assert Item.to_dicts() == ROWS


@pytest.mark.parametrize("form", [form for form in FORMS if form != "tuples"])
def test_names_are_checked_in_every_source(Item: Any, tmp_path: Path, form: str) -> None:  # noqa: N803
    """A column that is no attribute is refused in every form, and passed over where that is asked for."""

    def renamed(folder: Path) -> Any:
        global FRAME, ROWS  # noqa: PLW0603 - the forms are made of these
        kept, FRAME = FRAME, FRAME.with_columns(other=pl.lit(1))
        ROWS = FRAME.to_dicts()
        try:
            if form == "records":
                return np.array([(1, 0.5, 7)], dtype=[("n", "i8"), ("x", "f8"), ("other", "i4")])
            return list(FORMS[form](folder)) if form == "generator" else FORMS[form](folder)
        finally:
            FRAME, ROWS = kept, kept.to_dicts()

    with pytest.raises(UnknownField) as caught:
        Item.insert(renamed(tmp_path))
    assert caught.value.attribute == "other"
    assert len(Item) == 0
    assert Item.insert(renamed(tmp_path), ignore_extra_fields=True) in (1, 3)


def test_a_file_that_is_none(Item: Any, tmp_path: Path) -> None:  # noqa: N803
    """A path that leads nowhere, to another kind of file, or to a file that is cut off, is refused by name."""
    whole = write(tmp_path / "whole.parquet", FRAME)
    (tmp_path / "cut.parquet").write_bytes(whole.read_bytes()[:-20])
    (tmp_path / "notes.txt").write_text("n\n1\n")
    for path, why in (
        ("none.parquet", "no file"),
        ("cut.parquet", "cannot be read"),
        ("notes.txt", "files that end in"),
    ):
        with pytest.raises(InvalidValue, match=why) as caught:
            Item.insert(tmp_path / path)
        assert path in str(caught.value)
    with pytest.raises(InvalidValue, match="'n,x' names no rows"):
        Item.insert("n,x")
    assert len(Item) == 0


def test_the_file_of_a_folder_is_told(schema: dj.Schema, tmp_path: Path) -> None:
    """What is wrong with a row of one of several files is told with the file, and the number of the row there."""

    @schema
    class Reading(dj.Manual):
        definition = "n : int32\n---\nx : int8"

    for number in range(3):
        write(tmp_path / f"{number}.parquet", pl.DataFrame({"n": [2 * number, 2 * number + 1], "x": [1, 2]}))
    other, folder = tmp_path / "1.parquet", str(tmp_path)

    def refused(error: type[RowError], n: list[int], **columns: list[int]) -> tuple[int | None, str]:
        write(other, pl.DataFrame({"n": n, **columns}))
        with pytest.raises(error) as caught:
            Reading.insert(folder)
        assert len(Reading) == 0
        return caught.value.row, str(caught.value)

    row, text = refused(InvalidValue, [2, 3], x=[1, 300])
    assert (row, f" In the file {str(other)!r}, row 1. Nothing" in text) == (3, True)
    row, text = refused(DuplicateKey, [2, 0], x=[1, 2])
    assert (row, f" In the file {str(other)!r}, row 1. Nothing" in text) == (3, True)
    row, text = refused(MissingField, [2, 3])
    assert (row, f" In the file {str(other)!r}. Nothing" in text) == (None, True)


def test_a_folder_by_partitions(schema: dj.Schema, tmp_path: Path) -> None:
    """The names of folders in a partitioned dataset are a column."""

    @schema
    class Reading(dj.Manual):
        definition = "site : varchar(4)\nn : int32\n---\nx : float64"

    frame = pl.DataFrame({"site": ["a", "a", "b"], "n": [1, 2, 1], "x": [0.5, 1.5, 2.5]})
    for (site,), part in frame.group_by("site"):
        (tmp_path / f"site={site}").mkdir()
        part.drop("site").write_parquet(tmp_path / f"site={site}" / "part.parquet")
    assert Reading.insert(tmp_path) == 3
    assert Reading.to_dicts() == frame.sort("site", "n").to_dicts()


def test_pieces_are_one_transaction(Item: Any) -> None:  # noqa: N803
    """A row that is refused in a late piece takes back the pieces before, in every form, and tells its number."""
    rows = pl.DataFrame({"n": list(range(100_000)), "note": ["fine"] * 99_999 + ["much too long for it"]})
    for given in (rows, rows.lazy(), reader(rows[:70_000], rows[70_000:]), iter(rows.to_dicts())):
        with pytest.raises(InvalidValue) as caught:
            Item.insert(given, chunk_size=30_000)
        assert (caught.value.row, caught.value.attribute) == (99_999, "note")
        assert len(Item) == 0


def test_the_database_tells_the_row_of_a_late_piece(schema: dj.Schema) -> None:
    """A duplicate and a missing parent have the number of the row among all rows, the key, and a frame of it."""

    @schema
    class Parent(dj.Manual):
        definition = "p : int32\n---"

    @schema
    class Child(dj.Manual):
        definition = "c : int32\n---\n-> Parent\nat = null : timestamp\nunique index (at)"

    Parent.insert({"p": p} for p in range(10))
    rows = pl.DataFrame({"c": range(1000), "p": [c % 10 for c in range(1000)]})
    twice = pl.concat([rows, rows[5:6]])
    with pytest.raises(DuplicateKey) as duplicate:
        Child.insert(twice, chunk_size=300)
    assert (duplicate.value.row, duplicate.value.key) == (1000, {"c": 5})
    assert duplicate.value.problems.to_dicts()[0]["row"] == 1000
    orphan = rows.with_columns(p=pl.when(pl.col("c") == 777).then(99).otherwise("p"))
    with pytest.raises(MissingParent) as missing:
        Child.insert(orphan, chunk_size=300)
    assert (missing.value.row, missing.value.key, missing.value.parent) == (777, {"p": 99}, "parent")
    moment = datetime.datetime(2024, 10, 28, 12, tzinfo=datetime.UTC)
    with pytest.raises(DuplicateKey) as index:
        Child.insert([{"c": 1, "p": 1}, {"c": 2, "p": 1, "at": moment}, {"c": 3, "p": 1, "at": moment}])
    assert (index.value.row, index.value.key) == (2, {"at": moment})
    assert len(Child) == 0


def test_a_refused_insert_in_a_transaction_leaves_nothing_of_it(Item: Any, connection: PostgresConnection) -> None:  # noqa: N803
    """Whoever passes over the refusal inside a transaction keeps what went before, and no piece of the insert."""
    Item.declare()
    rows = [{"n": n} for n in range(10)] + [{"n": "ten"}]
    with connection.transaction:
        Item.insert1({"n": 100})
        with pytest.raises(InvalidValue):
            Item.insert(iter(rows), chunk_size=3)
        Item.insert1({"n": 101})
    assert Item.fetch("n").tolist() == [100, 101]


def test_a_source_that_reads_the_same_database(Item: Any) -> None:  # noqa: N803
    """Generators, lazy frames and batches that read tables while rows go up get the right rows, also of the table."""
    Item.insert({"n": n} for n in range(5000))
    assert Item.insert(({"n": row["n"] + 10_000} for row in Item), chunk_size=700) == 5000
    lazy = Item.to_lazy().with_columns(n=pl.col("n") + 100_000)
    assert Item.insert(lazy, chunk_size=3000) == 10_000

    def looking() -> Iterator[dict[str, int]]:
        for n in range(50):
            yield {"n": 500_000 + n, "x": len(Item & "n < 100")}

    assert Item.insert(looking(), chunk_size=7) == 50
    assert set((Item & "n >= 500000").fetch("x").tolist()) == {100.0}


def test_a_generator_too_large_to_hold(schema: dj.Schema) -> None:
    """Rows of a generator go up as they come: of large values only few are held at once."""

    @schema
    class Image(dj.Manual):
        definition = "n : int32\n---\nimage : blob"

    alive = 0
    most = 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal alive, most
        for n in range(200):
            image = np.full(250_000, n, dtype="f8")  # 2 MB
            weakref.finalize(image, gone)
            alive += 1
            most = max(most, alive)
            yield {"n": n, "image": image}

    assert Image.insert(itertools.islice(rows(), 60), chunk_size=10) == 60
    assert most <= 22
    assert np.array_equal((Image & {"n": 59}).fetch1("image"), np.full(250_000, 59.0))


def test_casts_that_lose_nothing(schema: dj.Schema) -> None:
    """Whole columns of text, numbers and moments become what the attribute is, where each value has one."""

    @schema
    class Value(dj.Manual):
        definition = """
        k : int16
        ---
        i : int32
        d : date
        t : time
        at : timestamp
        local : datetime
        u : uuid
        e : enum('a', 'b')
        amount : decimal(7,2)
        money : decimal(7,2)
        j : json
        """

    frame = pl.DataFrame(
        {
            "k": pl.Series([1, 2], dtype=pl.Int64),
            "i": [2**31 - 1, -(2**31)],
            "d": ["2024-02-29", "0001-01-01"],
            "t": ["10:20:30.5", "00:00:00"],
            "at": ["2024-02-29 10:20:30.123456", "9999-12-31T23:59:59"],
            "local": ["2024-02-29T10:20:30", "0001-01-01 00:00:00"],
            "u": ["00112233-4455-6677-8899-aabbccddeeff", "FFFFFFFF-ffff-ffff-ffff-ffffffffffff"],
            "e": ["a", "b"],
            "amount": ["12345.67", "-0.5"],
            "money": [0.1, 1e-2],
            "j": ['{"a": 0.12345678901234567890}', "[1e400]"],
        }
    )
    assert Value.insert(frame) == 2
    first, second = Value.to_dicts("d", "t", "at", "local", "u", "e", "amount", "money")
    assert list(first.values()) == [
        datetime.date(2024, 2, 29),
        datetime.time(10, 20, 30, 500_000),
        datetime.datetime(2024, 2, 29, 10, 20, 30, 123456, tzinfo=datetime.UTC),
        datetime.datetime(2024, 2, 29, 10, 20, 30),
        UUID("00112233445566778899aabbccddeeff"),
        "a",
        Decimal("12345.67"),
        Decimal("0.10"),
    ]
    assert second["u"] == UUID(int=2**128 - 1)
    digits = Value.to_arrow("j").column("j").to_pylist()
    assert digits[0] == '{"a": 0.12345678901234567890}'  # JSON keeps the digits that it is given
    assert digits[1].startswith("[1000")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("i", [1, 2**31]),
        ("i", [1.0, 1.5]),
        ("i", ["1", "2"]),
        ("d", ["2024-02-29", "2023-02-29"]),
        ("u", ["00112233-4455-6677-8899-aabbccddeeff", "0011"]),
        ("e", ["a", "A"]),
        ("amount", ["1.25", "1.255"]),
        ("amount", [0.5, 0.125]),
        ("amount", [1, 10**6]),
        ("j", ["{}", "{"]),
        ("j", ["{}", "NaN"]),
        ("j", ["{}", '"\\u0000"']),
        ("s", ["abcd", "abcde"]),
        ("s", ["abcd", "a\0b"]),
    ],
)
@pytest.mark.parametrize("rows", [2, 100])
def test_casts_that_would_lose(schema: dj.Schema, column: str, values: list[Any], rows: int) -> None:
    """A value that the attribute cannot hold is refused with its row, value and attribute, and nothing is inserted."""

    @schema
    class Value(dj.Manual):
        definition = """
        k : int16
        ---
        i = null : int32
        d = null : date
        u = null : uuid
        e = null : enum('a', 'b')
        amount = null : decimal(7,2)
        j = null : json
        s = null : varchar(4)
        """

    good, bad = values
    frame = pl.DataFrame({"k": range(rows), column: [good] * (rows - 1) + [bad]})
    with pytest.raises(InvalidValue) as caught:
        Value.insert(frame)
    assert (caught.value.row, caught.value.attribute) == (rows - 1 if column != "i" or good != "1" else 0, column)
    assert len(Value) == 0
    problems = caught.value.problems
    assert problems.equals(Value.validate(frame))
    assert problems["attribute"].unique().to_list() == [column]


@pytest.mark.parametrize("chunk_size", [0, -1, 1.5, True, "10"])
def test_a_chunk_size_that_is_none(Item: Any, chunk_size: Any) -> None:  # noqa: N803
    """A chunk has a whole number of rows, at least one."""
    with pytest.raises(InvalidCondition, match="chunk_size"):
        Item.insert(ROWS, chunk_size=chunk_size)


def test_progress_is_shown_of_chunks(Item: Any, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: N803
    """chunk_size shows how far the insert is, on standard error; without it nothing is written."""
    Item.insert(ROWS)
    assert capsys.readouterr() == ("", "")
    Item.insert([{"n": n} for n in range(10, 20)], chunk_size=4)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "10/10" in shown.err


def test_numbers_of_the_database_in_pieces(schema: dj.Schema) -> None:
    """A counted attribute is given in every row or in none, also of rows that go up in pieces; then it goes on."""

    @schema
    class Counted(dj.Manual):
        definition = "n : int32 auto_increment\n---\nx : int32"

    with pytest.raises(MissingField, match="in every row, or in none"):
        Counted.insert(iter([{"n": 1, "x": 1}, {"x": 2}]), chunk_size=1)
    assert len(Counted) == 0
    assert Counted.insert(iter([{"n": 7, "x": 1}, {"n": 9, "x": 1}]), chunk_size=1) == 2
    assert Counted.insert1({"x": 3}) == 1
    assert Counted.fetch("n").tolist() == [7, 9, 10]


def test_a_hierarchy_in_one_frame(schema: dj.Schema) -> None:
    """Rows of a table that refers to itself may come before their parents, however many there are."""

    @schema
    class Node(dj.Manual):
        definition = "id : int32\n---\n-> [nullable] Node.proj(parent='id')"

    count = 120_000
    rows = pl.DataFrame({"id": range(count), "parent": [*range(1, count), None]})
    assert Node.insert(rows.to_arrow(), chunk_size=1000) == count
    assert len(Node & "parent IS NULL") == 1


def test_a_table_written_to_parquet_comes_back(schema: dj.Schema, tmp_path: Path) -> None:
    """What to_arrow gives, written by pyarrow and read by insert, is the same table: enums, UUIDs, decimals, JSON."""

    @schema
    class Value(dj.Manual):
        definition = """
        k : uuid
        ---
        e = null : enum('x', 'y')
        d = null : decimal(38,5)
        j = null : json
        u = null : uint64
        t = null : time
        """

    rows = [
        {"k": UUID(int=1), "e": "y", "d": Decimal("1e30"), "j": {"a": [1]}, "u": 2**64 - 1, "t": datetime.time(1, 2)},
        {"k": UUID(int=2), "e": None, "d": None, "j": None, "u": None, "t": None},
    ]
    Value.insert(rows)
    pq.write_table(Value.to_arrow(), tmp_path / "value.parquet")
    assert Value.insert(tmp_path / "value.parquet", skip_duplicates=True).skipped == 2
    assert Value.insert(tmp_path / "value.parquet", replace=True).replaced == 2
    assert Value.to_dicts() == rows


def test_missing_values_of_pandas(Item: Any) -> None:  # noqa: N803
    """NaN of a NumPy column and NA of pandas are NULL; NaN of an Arrow column stays NaN."""
    Item.insert(pd.DataFrame({"n": [1, 2], "x": [np.nan, 1.5]}))
    Item.insert(pd.DataFrame({"n": pd.array([3, 4], dtype="Int64"), "x": pd.array([None, 2.5], dtype="Float64")}))
    Item.insert(pd.DataFrame({"n": [5], "x": pd.array(pa.array([float("nan")]), dtype=pd.ArrowDtype(pa.float64()))}))
    found = Item.to_arrow("x", order_by="n").column("x").to_pylist()
    assert found[:4] == [None, 1.5, None, 2.5]
    assert found[4] != found[4]
