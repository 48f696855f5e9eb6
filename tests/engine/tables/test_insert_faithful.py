"""What insert must not change on the way: objects of pandas and NumPy, folders of files, CSV, records of all kinds."""

from __future__ import annotations

import collections
import datetime
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.engine.connect import connect
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import InvalidValue, MissingField, UnknownField

UTC = datetime.UTC


def table(schema: dj.Schema, kind: str) -> Any:
    """A table of values of a type."""
    return schema(type("Value", (dj.Manual,), {"definition": f"k : int32\n---\nx = null : {kind}"}))


def objects(values: list[Any], form: str) -> Any:
    """The values as objects in a frame of pandas, or in records of NumPy."""
    if form == "pandas":
        return pd.DataFrame({"k": range(len(values)), "x": pd.Series(values, dtype=object)})
    records = np.empty(len(values), dtype=[("k", "i4"), ("x", "O")])
    for number, value in enumerate(values):
        records[number] = (number, None)
        records[number]["x"] = value
    return records


@pytest.mark.parametrize("form", ["pandas", "records"])
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "timestamp",
            [datetime.datetime(2024, 1, 1, tzinfo=UTC), datetime.datetime(2024, 1, 2, 5, tzinfo=UTC)],
        ),
        ("json", [{"p": 1}, {"q": 2.5}, {}]),
        ("json", [[1, 2.5], [True], "text"]),
        ("blob", [(1, 2), (3,)]),
        ("blob", [{"p": 1}, {"q": [1, 2.5]}]),
    ],
)
def test_objects_stay_what_they_are(schema: dj.Schema, form: str, kind: str, values: list[Any]) -> None:
    """Values in a column of objects are read one by one, and not as what Arrow makes of all of them."""
    Value = table(schema, kind)
    Value.insert(objects(values, form))
    assert [row["x"] for row in Value.to_dicts()] == values


@pytest.mark.parametrize("form", ["pandas", "records"])
def test_arrays_in_objects_keep_their_dtype(schema: dj.Schema, form: str) -> None:
    """An array in a column of objects comes back as the array that it was."""
    Value = table(schema, "blob")
    Value.insert(objects([np.array([1, 2], "f4"), np.array([3], "f4")], form))
    for row, wanted in zip(Value.to_dicts(), ([1, 2], [3]), strict=True):
        assert (row["x"].dtype, row["x"].tolist()) == (np.dtype("f4"), wanted)


@pytest.mark.parametrize("form", ["pandas", "records"])
@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", [datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 2, 5)]),
        ("float64", [2.5, True]),
        ("time", [datetime.time(1, tzinfo=UTC), datetime.time(2)]),
        ("timestamp", [datetime.date(2024, 1, 1), pd.Timestamp("2024-01-01 00:00:00.000000001")]),
        ("date", [pd.Timestamp("2024-01-01 00:00:00.000000001")]),
        ("json", [{1: 2, "1": 3}]),
    ],
)
def test_objects_that_are_no_values(schema: dj.Schema, form: str, kind: str, values: list[Any]) -> None:
    """What would lose something is refused in a column of objects as it is in a list."""
    Value = table(schema, kind)
    for rows in (objects(values, form), [{"k": k, "x": value} for k, value in enumerate(values)]):
        with pytest.raises(InvalidValue):
            Value.insert(rows)
    assert len(Value) == 0


@pytest.mark.parametrize("rows", [1, 100])
def test_a_masked_value_is_missing(schema: dj.Schema, rows: int) -> None:
    """A masked value of NumPy is NULL, and not the 0.0 that it also is."""
    Value = table(schema, "float64")
    Value.insert([{"k": k, "x": np.ma.masked} for k in range(rows)])
    assert len(Value & "x IS NULL") == rows


@pytest.mark.parametrize("rows", [1, 100])
def test_numbers_that_a_float_has_not(schema: dj.Schema, rows: int) -> None:
    """What float32 rounds to zero is zero by every way; whole decimals beyond its digits are refused, as integers."""
    Value = table(schema, "float32")
    Value.insert([{"k": k, "x": 1e-50} for k in range(rows)])
    assert len(Value & "x = 0") == rows
    Other: Any = schema(type("Other", (dj.Manual,), {"definition": "k : int32\n---\nx : float64"}))
    with pytest.raises(InvalidValue, match="without loss"):
        Other.insert([{"k": k, "x": Decimal(2**53 + 1)} for k in range(rows)])
    Other.insert([{"k": k, "x": Decimal("0.1")} for k in range(rows)])
    assert Other.fetch("x").tolist() == [0.1] * rows


def test_records_go_by_their_own_names(schema: dj.Schema) -> None:
    """A namedtuple, a pandas Series and a NumPy record are rows by the names of their fields."""

    @schema
    class Point(dj.Manual):
        definition = "k : int32\n---\ny : int32"

    Swapped = collections.namedtuple("Swapped", ["y", "k"])
    Point.insert([Swapped(y=1, k=100)])
    Point.insert([pd.Series({"y": 2, "k": 200})])
    Point.insert1(np.array([(3, 300)], dtype=[("y", "i4"), ("k", "i4")])[0])
    assert Point.to_dicts() == [{"k": 100, "y": 1}, {"k": 200, "y": 2}, {"k": 300, "y": 3}]
    with pytest.raises(UnknownField):
        Point.insert(list(pd.DataFrame({"y": [1]}).itertuples()))
    with pytest.raises(InvalidValue, match="is no row"):
        Point.insert([bytearray(b"AB")])


# --- files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def Item(schema: dj.Schema) -> Any:  # noqa: N802 - a class
    """Item(a; note, x), of which note and x have defaults."""

    @schema
    class Item(dj.Manual):
        definition = "a : int64\n---\nnote = '' : varchar(20)\nx = 5 : int32"

    return Item


def test_files_of_a_folder_have_their_own_columns(Item: Any, tmp_path: Path) -> None:  # noqa: N803
    """What one file has and another has not is kept where it is, and has its default elsewhere, in any order."""
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"a": [2], "note": ["kept"], "x": [9]}).write_parquet(tmp_path / "b.parquet")
    pl.DataFrame({"x": [7], "a": [3]}).write_parquet(tmp_path / "c.parquet")
    (tmp_path / "_metadata.parquet").write_bytes(b"")
    assert Item.insert(tmp_path) == 3
    assert [tuple(row.values()) for row in Item.to_dicts()] == [(1, "", 5), (2, "kept", 9), (3, "", 7)]
    pl.DataFrame({"a": [4], "other": [1]}).write_parquet(tmp_path / "d.parquet")
    with pytest.raises(UnknownField):
        Item.insert(tmp_path, skip_duplicates=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidValue, match="no Parquet file"):
        Item.insert(tmp_path / "empty")


def test_values_of_folders_are_texts(Item: Any, tmp_path: Path) -> None:  # noqa: N803
    """They are read by the type of the attribute, and refused where the file has the column, too."""
    for number, (note, a) in enumerate((("007", 3_000_000_000), ("a%20b", 4), ("__HIVE_DEFAULT_PARTITION__", 5))):
        folder = tmp_path / f"note={note}" / f"a={a}"
        folder.mkdir(parents=True)
        pl.DataFrame({"x": [number]}).write_parquet(folder / "part.parquet")
    assert Item.insert(tmp_path) == 3
    assert [tuple(row.values()) for row in Item.to_dicts()] == [
        (4, "a b", 1),
        (5, "", 2),
        (3_000_000_000, "007", 0),
    ]
    twice = tmp_path / "twice" / "x=3"
    twice.mkdir(parents=True)
    pl.DataFrame({"a": [9], "x": [4]}).write_parquet(twice / "part.parquet")
    with pytest.raises(InvalidValue, match="gives its value, too"):
        Item.insert(tmp_path / "twice")


def test_csv_of_large_fields_and_digits(schema: dj.Schema, tmp_path: Path) -> None:
    """A field of megabytes is read; JSON keeps its digits; an empty line of one column is a row."""
    Value = table(schema, "json")
    text = "x" * 3_000_000
    (tmp_path / "large.csv").write_text(f'k,x\n1,"{{""t"": ""{text}""}}"\n2,1.23456789012345678901234567890\n', "utf-8")
    assert Value.insert(tmp_path / "large.csv") == 2
    assert (Value & {"k": 1}).fetch1("x") == {"t": text}
    assert Value.to_arrow("x", order_by="k").column("x")[1].as_py() == "1.23456789012345678901234567890"
    (tmp_path / "bad.csv").write_text('k,x\n3,"{"\n', "utf-8")
    with pytest.raises(InvalidValue) as caught:
        Value.insert(tmp_path / "bad.csv")
    assert caught.value.row == 0
    Name: Any = schema(type("Name", (dj.Manual,), {"definition": "name : varchar(4)"}))
    (tmp_path / "names.csv").write_text("name\na\n\nb\n", "utf-8")
    assert Name.insert(tmp_path / "names.csv") == 3


@pytest.mark.parametrize("kind", ["date", "timestamp", "datetime"])
def test_moments_outside_of_the_years(schema: dj.Schema, kind: str) -> None:
    """A moment that Python has not is refused with its row, in a frame as in a text."""
    Value = table(schema, kind)
    array = pa.array([0, 2**31 - 1 if kind == "date" else -(2**63) + 1])
    moments = array.cast(pa.int32()).cast(pa.date32()) if kind == "date" else array.cast(pa.timestamp("us"))
    text = "0000-01-01" if kind == "date" else "0000-01-01 00:00:00"
    for column in (moments, pa.array(["2024-01-01" if kind == "date" else "2024-01-01 00:00:00", text])):
        with pytest.raises(InvalidValue) as caught:
            Value.insert(pa.table({"k": [1, 2], "x": column}))
        assert (caught.value.row, caught.value.attribute) == (1, "x")


# --- transactions ------------------------------------------------------------------------------------------------


def test_a_source_that_fails_leaves_nothing_in_a_transaction(Item: Any, connection: PostgresConnection) -> None:  # noqa: N803
    """An error of the source's own, passed over inside a transaction, takes back the pieces before it."""

    def rows() -> Iterator[dict[str, int]]:
        yield from ({"a": n} for n in range(100))
        raise RuntimeError("the instrument went off")

    Item.declare()
    with connection.transaction:
        Item.insert1({"a": 1000})
        with pytest.raises(RuntimeError):
            Item.insert(rows(), chunk_size=10)
        with pytest.raises(InvalidValue):
            Item.insert([{"a": "bad"}])
    assert Item.fetch("a").tolist() == [1000]


def test_insert_many_is_whole_in_a_transaction(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A refusal in one table, passed over inside a transaction, takes back those before, and keeps what went before."""

    @schema
    class First(dj.Manual):
        definition = "a : int32\n---"

    @schema
    class Second(dj.Manual):
        definition = "-> First\n---\nx : int32"

    First.declare()
    with connection.transaction:
        First.insert1((1,))
        with pytest.raises(InvalidValue):
            dj.insert_many({First: [(2,)], Second: [(2, "bad")]})
    assert First.fetch("a").tolist() == [1]


def test_a_row_that_is_replaced_unseen_is_logged(schema: dj.Schema, connection: PostgresConnection) -> None:
    """A row that another session commits while a replacement waits for it is in the log as any other."""

    @schema
    class Key(dj.Manual):
        definition = "a : int32\n---\ny : int32"

    Key.insert1((1, 1))
    Key.insert1((1, 2), replace=True)  # makes the log
    other = connect(connection.url)
    done: list[Any] = []
    with other.transaction:
        other.execute(f"INSERT INTO {Key.full_table_name} VALUES (777, 1)")
        waiting = threading.Thread(target=lambda: done.append(Key.insert([(777, 2)], replace=True)))
        waiting.start()
        waits = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%earlier%'"
        while not connection.read(waits).column("n")[0].as_py():
            pass
    waiting.join()
    other.close()
    assert [(int(each), each.replaced) for each in done] == [(0, 1)]
    assert (schema.updates & "old_value = '1' AND new_value = '2'").to_arrays("key").tolist() == [{"a": 1}, {"a": 777}]


def test_problems_are_not_kept_without_end(Item: Any) -> None:  # noqa: N803
    """An error has ten thousand problems at most, and rows are not read on for more; validate has all."""
    read = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        while read < 1_000_000:
            read += 1
            yield {"a": None}

    with pytest.raises(MissingField) as caught:
        Item.insert(rows())
    assert caught.value.problems.height == 10_000
    assert read < 200_000
    assert Item.validate([{"a": None}] * 12_000).height == 12_000


def test_names_that_validate_uses_itself(schema: dj.Schema) -> None:
    """Attributes may have the names of the columns of the frame of problems; half a surrogate pair is shown."""

    @schema
    class Odd(dj.Manual):
        definition = "row : int32\nfirst : int32\n---\nvalue = 0 : int32"

    rows = [{"row": 1, "first": 1}, {"row": 1, "first": 2}, {"row": 1, "first": 2}]
    assert Odd.validate(rows).select("row", "value").rows() == [(2, "{'row': 1, 'first': 2}")]
    with pytest.raises(UnknownField) as caught:
        Odd.insert([{"row": 1, "first": 1, "\ud800": 2}])
    assert caught.value.problems["attribute"].to_list() == ["\\ud800"]


def test_a_row_of_many_attributes(schema: dj.Schema) -> None:
    """A table may have more attributes than a function of PostgreSQL takes arguments."""
    lines = "\n".join(f"x{n} = {n} : int32" for n in range(250))
    Wide: Any = schema(type("Wide", (dj.Manual,), {"definition": f"k : int32\n---\n{lines}"}))
    Wide.insert1({"k": 1, "x249": 7})
    Wide.insert1({"k": 1, "x248": 8}, replace=True)
    assert Wide.fetch1("x7", "x248", "x249") == (7, 8, 249)
