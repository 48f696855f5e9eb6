"""Rows in every form that a user has them as an Arrow table with the table's columns."""

from __future__ import annotations

import collections
import datetime
import uuid
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from djarrow.errors import InvalidValue, MissingField, RowError, UnknownField
from djarrow.frame.rows import to_arrow
from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.types import core

HEADING = Heading(
    (
        Attribute("id", core("uint8")),
        Attribute("name", core("varchar", 5)),
        Attribute("sex", core("enum", "M", "F"), default="F"),
        Attribute("weight", core("float32"), nullable=True, default=Special.NULL),
    ),
    ("id",),
)
ROWS = [
    {"id": 1, "name": "a", "sex": "M", "weight": 1.5},
    {"id": 2, "name": "b", "sex": "F", "weight": None},
]
EXPECTED = pa.table(
    {
        "id": pa.array([1, 2], pa.uint8()),
        "name": pa.array(["a", "b"]),
        "sex": pa.array(["M", "F"]),
        "weight": pa.array([1.5, None], pa.float32()),
    }
)


def checked(rows: Any, heading: Heading = HEADING, **options: bool) -> pa.Table:
    """The rows as an Arrow table."""
    return to_arrow(rows, heading, "lab.subject", **options)


def refused(rows: Any, kind: type[RowError], heading: Heading = HEADING, **options: bool) -> RowError:
    """Why the rows are refused."""
    with pytest.raises(kind) as caught:
        checked(rows, heading, **options)
    assert caught.value.table == "lab.subject"
    assert str(caught.value).startswith("Table 'lab.subject'")
    assert str(caught.value).endswith(" Nothing was written.")
    return caught.value


Named = collections.namedtuple("Named", ["id", "name", "sex", "weight"])


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        tuple(ROWS),
        iter(ROWS),
        [dict(reversed(row.items())) for row in ROWS],
        [collections.ChainMap(row) for row in ROWS],
        [tuple(row.values()) for row in ROWS],
        [list(row.values()) for row in ROWS],
        [Named(**row) for row in ROWS],
        [ROWS[0], tuple(ROWS[1].values())],
        pl.DataFrame(ROWS),
        pl.DataFrame(ROWS).select("weight", "sex", "id", "name"),
        pl.DataFrame(ROWS, schema_overrides={"sex": pl.Categorical, "id": pl.Int8}),
        pa.Table.from_pylist(ROWS),
        pa.RecordBatch.from_pylist(ROWS),
        pa.concat_tables([pa.Table.from_pylist(ROWS[:1]), pa.Table.from_pylist(ROWS[1:])], promote_options="default"),
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_forms(rows: Any) -> None:
    """Mappings, sequences, Polars and Arrow frames give the same table, in the order of the heading."""
    assert checked(rows).equals(EXPECTED)


@pytest.mark.parametrize(
    "rows",
    [[], (), iter(()), pl.DataFrame(), pl.DataFrame(schema={"id": pl.String}), pa.table({}), EXPECTED.slice(0, 0)],
    ids=lambda rows: type(rows).__name__,
)
def test_no_rows(rows: Any) -> None:
    """No rows are no error, whatever columns a frame without rows has or lacks."""
    assert checked(rows).num_rows == 0


def test_default_for_all() -> None:
    """A column that all rows leave to its default is absent, so that the server fills it."""
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    for form in (rows, pl.DataFrame(rows), pa.Table.from_pylist(rows)):
        assert checked(form).column_names == ["id", "name"]


def test_default_for_some() -> None:
    """Where some rows name a field and others do not, the others get the default."""
    table = checked([{"id": 1, "name": "a"}, {"id": 2, "name": "b", "sex": "M", "weight": 2.0}])
    assert table.column("sex").to_pylist() == ["F", "M"]
    assert table.column("weight").to_pylist() == [None, 2.0]


def test_null_is_not_the_default() -> None:
    """A field given as None is NULL, not the default, and refused where a value is required."""
    error = refused([ROWS[0], {"id": 2, "name": "b", "sex": None}], MissingField)
    assert (error.attribute, error.row) == ("sex", 1)


@pytest.mark.parametrize("name", ["date", "timestamp", "datetime"])
def test_now_for_some(name: str) -> None:
    """NOW for rows that omit a field beside rows that name it is the present moment in UTC, of the field's type."""
    kind = core(name)
    heading = Heading((Attribute("id", core("int8")), Attribute("at", kind, default=Special.NOW)), ("id",))
    before = datetime.datetime.now(datetime.UTC)
    table = checked([{"id": 1}, {"id": 2, "at": "2020-01-01"}, {"id": 3}], heading)
    after = datetime.datetime.now(datetime.UTC)
    assert table.column("at").type == kind.arrow
    first, given, last = table.column("at").to_pylist()
    assert str(given).startswith("2020-01-01")
    assert first == last
    if name == "date":
        assert before.date() <= first <= after.date()
    else:
        assert before <= first.replace(tzinfo=datetime.UTC) <= after


@pytest.mark.parametrize("form", [list, pl.DataFrame, pa.Table.from_pylist], ids=["dicts", "polars", "arrow"])
def test_unknown_field(form: Any) -> None:
    """A field that the table does not have is refused with the nearest that it has, or ignored when asked."""
    rows = [{**row, "wieght": 3} for row in ROWS]
    error = refused(form(rows), UnknownField)
    assert error.attribute == "wieght"
    assert error.row == (0 if form is list else None)
    assert "the table has no attribute 'wieght'. Did you mean 'weight'?" in str(error)
    assert isinstance(error, KeyError)
    assert checked(form(rows), ignore_extra_fields=True).equals(EXPECTED)


def test_unknown_field_of_a_later_row() -> None:
    """The row that has the unknown field is named, and how to pass over it where it is like no other."""
    error = refused([ROWS[0], {**ROWS[1], "x": 1}], UnknownField)
    assert (error.row, "ignore_extra_fields=True passes over it." in str(error)) == (1, True)
    assert refused([ROWS[0], {**ROWS[1], 7: 1}], UnknownField).row == 1


def test_missing_field() -> None:
    """A required field that a row lacks is refused with the row."""
    error = refused([ROWS[0], {"id": 2}], MissingField)
    assert (error.attribute, error.row) == ("name", 1)
    assert "a value is required: it has no default" in str(error)
    for form in (pl.DataFrame({"id": [1]}), pa.table({"id": [1]})):
        error = refused(form, MissingField)
        assert (error.attribute, error.row) == ("name", None)


def test_null_where_there_is_a_default() -> None:
    """NULL is not the default: the error says how to have it, where there is one."""
    for form in (list, pl.DataFrame):
        error = refused(form([ROWS[0], {**ROWS[1], "sex": None}]), MissingField)
        assert (error.attribute, error.row) == ("sex", 1)
        assert "Where it is left out, it has its default." in str(error)
        assert "default" not in str(refused(form([ROWS[0], {**ROWS[1], "name": None}]), MissingField))


@pytest.mark.parametrize("row", [(2, "b"), (2, "b", "F", None, 5), ()])
def test_sequence_of_another_length(row: tuple[Any, ...]) -> None:
    """A sequence has a value for every attribute; another length is refused with the row and the attributes."""
    error = refused([tuple(ROWS[0].values()), row], MissingField)
    assert error.row == 1
    assert f"the row has {len(row)} values and the table 4 attributes (id, name, sex, weight)" in str(error)


@pytest.mark.parametrize("form", [list, iter, pl.DataFrame, pa.Table.from_pylist])
def test_out_of_range(form: Any) -> None:
    """A value out of range is refused with attribute, row and value."""
    rows: Iterable[Any] = form([ROWS[0], {**ROWS[1], "id": 256}])
    error = refused(rows, InvalidValue)
    assert (error.attribute, error.row, error.value) == ("id", 1, 256)
    assert "256 is no uint8, which goes from 0 to 255" in str(error)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    "rows", ["text", b"bytes", {"id": 1, "name": "a"}, 5, None, ["text"], [5], [None], [b"x"], [{1, 2}]], ids=repr
)
def test_no_rows_at_all(rows: Any) -> None:
    """What is no sequence of rows, or holds what is no row, is refused."""
    error = refused(rows, InvalidValue)
    assert "row" in str(error)
    if isinstance(rows, list):
        assert error.row == 0


def test_one_mapping_hints_at_insert1() -> None:
    """A single mapping is refused with the way to insert one."""
    assert "use insert1 for one" in str(refused(ROWS[0], InvalidValue))


def test_column_twice() -> None:
    """An Arrow table with two columns of one name is refused."""
    twice = pa.table([[1], [2], ["a"]], names=["id", "id", "name"])
    assert "twice" in str(refused(twice, UnknownField))


def test_defaults_only() -> None:
    """Rows that leave every field to its default are counted, though they have no columns."""
    heading = Heading((Attribute("x", core("int8"), default=3),), ())
    assert checked([{}], heading).num_rows == 1
    assert checked([{}, {}], heading).num_columns == 0


def test_numpy_values() -> None:
    """Values taken from NumPy arrays are values like others."""
    rows = [{"id": np.uint8(1), "name": np.str_("a"), "sex": np.str_("M"), "weight": np.float64(1.5)}]
    assert checked(rows).equals(EXPECTED.slice(0, 1))


def test_rows_are_left_as_they_are() -> None:
    """Checking changes nothing in what the user holds."""
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b", "sex": "M"}]
    checked(rows)
    assert rows == [{"id": 1, "name": "a"}, {"id": 2, "name": "b", "sex": "M"}]


def test_columns_that_arrow_has_no_form_for() -> None:
    """Columns of Python objects and of 128-bit integers are read value by value, never as Arrow's pointers or bits."""
    heading = Heading((Attribute("id", core("uint8")), Attribute("u", core("uuid"))), ("id",))
    value = uuid.UUID(int=7)
    frame = pl.DataFrame({"id": pl.Series([1], dtype=pl.Int128), "u": pl.Series([value], dtype=pl.Object)})
    assert checked(frame, heading).to_pylist() == [{"id": 1, "u": value.bytes}]
    data = Heading((Attribute("id", core("uint8")), Attribute("data", core("blob"))), ("id",))
    odd = pl.DataFrame({"id": [1], "data": pl.Series([object()], dtype=pl.Object)})
    assert refused(odd, InvalidValue, data).attribute == "data"
