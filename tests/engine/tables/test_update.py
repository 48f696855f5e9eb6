"""update1: what of the row becomes what, what is refused, and what the log keeps of it."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    AccessDenied,
    DeleteRefused,
    DuplicateKey,
    EngineError,
    InvalidValue,
    MissingField,
    MissingParent,
    NoSchema,
    NoSuchRow,
    NotConfirmed,
    QueryError,
    TableChanged,
    UnknownField,
    UpdateRefused,
)
from djarrow.sql import insert, updates
from djarrow.sql.update import update_row
from djarrow.table.writing import agreement
from djarrow.table.writing import update as writing
from tests.each_type import CASES, Case, same

Ask = Callable[[str], list[dict[str, Any]]]
KEYS = [case for case in CASES if case.kind.family.value not in ("json", "blob")]
WHOLE = ("table_name", "key", "attribute", "old_value", "new_value")


def table(schema: dj.Schema, name: str, definition: str, base: Any = dj.Manual) -> Any:
    """A table class of this definition."""
    return schema(type(name, (base,), {"definition": definition}))


@pytest.fixture
def mouse(schema: dj.Schema) -> Any:
    """A table with two mice."""
    made = table(
        schema,
        "Mouse",
        """
        mouse : uint16
        ---
        name : varchar(30)
        mass = null : float64
        sex = 'U' : enum('M', 'F', 'U')
        seen = CURRENT_TIMESTAMP : timestamp
        tag = null : uint32
        unique index (tag)
        """,
    )
    made.insert([{"mouse": 1, "name": "Ann", "mass": 20.5, "sex": "F", "tag": 7}, {"mouse": 2, "name": "Bo", "tag": 8}])
    return made


def logged(schema: dj.Schema) -> list[tuple[Any, ...]]:
    """What the log holds, in order, without number, user and time."""
    return [tuple(row[name] for name in WHOLE) for row in schema.updates.to_dicts()]


# --- what is changed -----------------------------------------------------------------------------------------------


def test_named_attributes_of_one_row(schema: dj.Schema, mouse: Any) -> None:
    """The attributes named are changed in the row of the key, and nothing else is; each change is in the log."""
    before = mouse.to_dicts()
    assert mouse.update1({"mouse": 1, "mass": 21, "sex": "M"}) is None
    assert mouse.to_dicts() == [{**before[0], "mass": 21.0, "sex": "M"}, before[1]]
    assert logged(schema) == [
        ("mouse", {"mouse": 1}, "mass", "20.5", "21"),
        ("mouse", {"mouse": 1}, "sex", "F", "M"),
    ]
    rows = schema.updates.to_dicts()
    (user,) = schema.connection.query("SELECT session_user::text AS u").column("u").to_pylist()
    now = datetime.datetime.now(datetime.UTC)
    assert {row["user_name"] for row in rows} == {user}
    assert all(abs(now - row["updated"]) < datetime.timedelta(minutes=1) for row in rows)
    assert len({row["updated"] for row in rows}) == 1


ROWS = {
    "dict": {"mouse": 2, "name": "Cy", "mass": 1.5},
    "NumPy record": np.array([(2, "Cy", 1.5)], dtype=[("mouse", "u2"), ("name", "U9"), ("mass", "f4")])[0],
    "NumPy array of one": np.array([(2, "Cy", 1.5)], dtype=[("mouse", "i8"), ("name", "U9"), ("mass", "f8")]),
    "pandas series": pd.Series({"mouse": 2, "name": "Cy", "mass": 1.5}),
    "pandas frame": pd.DataFrame({"mouse": [2], "name": ["Cy"], "mass": [1.5]}),
    "pandas frame by key": pd.DataFrame({"mouse": [2], "name": ["Cy"], "mass": [1.5]}).set_index("mouse"),
    "Polars": pl.DataFrame({"mouse": [2], "name": ["Cy"], "mass": [1.5]}),
    "lazy Polars": pl.LazyFrame({"mouse": [2], "name": ["Cy"], "mass": [1.5]}),
    "Arrow table": pa.table({"mouse": [2], "name": ["Cy"], "mass": [1.5]}),
    "Arrow batch": pa.record_batch({"mouse": [2], "name": ["Cy"], "mass": [1.5]}),
    "objects": pl.DataFrame({"mouse": [2], "name": ["Cy"], "mass": pl.Series([1.5], dtype=pl.Object)}),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_forms_of_a_row(mouse: Any, row: Any) -> None:
    """A row is a mapping, a record, or a frame of one row, of any library."""
    mouse.update1(row)
    assert (mouse & {"mouse": 2}).fetch1("name", "mass", "tag") == ("Cy", 1.5, 8)


@pytest.mark.parametrize("nothing", [None, pd.NA, np.datetime64("NaT")], ids=["None", "NA", "NaT"])
def test_none_resets(schema: dj.Schema, mouse: Any, nothing: Any) -> None:
    """None, as each library has it, resets to the default, which may be the time, or to NULL."""
    mouse.update1({"mouse": 1, "seen": "2020-01-01"})
    mouse.update1({"mouse": 1, "mass": nothing, "sex": nothing, "seen": nothing})
    found = (mouse & {"mouse": 1}).fetch1()
    assert (found["name"], found["mass"], found["sex"], found["tag"]) == ("Ann", None, "U", 7)
    assert abs(datetime.datetime.now(datetime.UTC) - found["seen"]) < datetime.timedelta(minutes=1)
    assert logged(schema)[1:3] == [
        ("mouse", {"mouse": 1}, "mass", "20.5", None),
        ("mouse", {"mouse": 1}, "sex", "F", "U"),
    ]


def test_null_in_a_frame_resets(mouse: Any) -> None:
    """A NULL of a frame is None."""
    mouse.update1(pl.DataFrame({"mouse": [1], "mass": [None], "sex": [None]}))
    assert (mouse & {"mouse": 1}).fetch1("mass", "sex") == (None, "U")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.written)
def test_every_type(schema: dj.Schema, case: Case) -> None:
    """A value of each type becomes each other one exactly, and NULL; the log has a line wherever it differs."""
    made = table(schema, "Value", f"k : uint8\n---\nx = null : {case.written}")
    made.insert1((1, None))
    for number, value in enumerate(case.values):
        made.update1({"k": 1, "x": value})
        assert same([made.fetch1("x")], [value])
        made.update1({"k": 1, "x": value})
        assert len(schema.updates) == 2 * number + 1, value
        made.update1({"k": 1, "x": None})
        assert made.fetch1("x") is None
    texts = [(row["old_value"], row["new_value"]) for row in schema.updates.to_dicts()]
    assert all(one[0] is None and other == (one[1], None) for one, other in zip(texts[::2], texts[1::2], strict=True))
    assert len({new for _, new in texts[::2]}) == len(set(map(repr, case.values)))


@pytest.mark.parametrize(
    ("kind", "value", "equal", "other"),
    [
        ("float64", math.nan, math.nan, 0.0),
        ("float64", 0.0, 0, -0.0),
        ("json", {"a": 1, "b": [None, "x"]}, {"b": [None, "x"], "a": 1}, {"a": 1, "b": ["x", None]}),
        ("json", None, None, [None]),
        ("decimal(5,2)", "1.5", "1.50", "1.51"),
        ("timestamp", "2020-01-01 00:00:00", "2020-01-01 01:00:00+01:00", "2020-01-01 00:00:01"),
        ("varchar(9)", "", "", " "),
        ("blob", np.arange(3), np.arange(3), np.arange(3.0)),
    ],
)
def test_what_is_a_change(schema: dj.Schema, kind: str, value: Any, equal: Any, other: Any) -> None:
    """The same value in another form is no change and leaves no line; another value is one."""
    made = table(schema, "Value", f"k : uint8\n---\nx = null : {kind}\ny = null : int8")
    made.insert1((1, value, None))
    made.update1({"k": 1, "x": equal})
    assert logged(schema) == []
    made.update1({"k": 1, "x": other, "y": 3})
    assert [row[2] for row in logged(schema)] == ["x", "y"]


@pytest.mark.parametrize("size", [0, updates.KEPT, updates.KEPT + 1, 20_000_000])
def test_blobs_of_any_size(schema: dj.Schema, size: int) -> None:
    """A blob goes up whatever its size; the log keeps a long one by its size and digest."""
    made = table(schema, "Value", "k : uint8\n---\nx = null : blob")
    value = bytes(range(256)) * (size // 256) + bytes(size % 256)
    made.insert1((1, None))
    made.update1({"k": 1, "x": value})
    assert made.fetch1("x") == value
    (line,) = logged(schema)
    if size <= updates.KEPT:
        assert line[4] == "\\x" + value.hex()
    else:
        import hashlib

        assert line[4] == f"{size} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"


def test_only_the_row_is_read(schema: dj.Schema, connection: PostgresConnection) -> None:
    """The row is found by the index of the key, however many rows the table has, also before they were counted."""
    made = table(schema, "Long", "a : int32\nb : varchar(9)\n---\nx = null : float64")
    made.insert(pl.DataFrame({"a": range(50_000), "b": ["b"] * 50_000}))
    made.update1({"a": 1, "b": "b", "x": 1.0})
    staging, given = writing.STAGING, ("a", "b", "x")
    with connection.begin():
        connection.execute(insert.create_staging(made().spec, staging, given))
        plan = connection.explain(update_row(made().spec, staging, ("x",), ()), analyze=False)
    assert plan.count("Index Scan using long_pkey") == 2
    assert "Seq Scan on long" not in plan


def test_a_table_of_one_row(schema: dj.Schema) -> None:
    """A table without a key has one row, which needs no name: also where only defaults are asked for."""
    made = table(schema, "Setup", "---\nvolts = 5 : int8\nnote = null : varchar(9)")
    with pytest.raises(NoSuchRow, match="the table has no row to update") as caught:
        made.update1({"volts": 6})
    assert caught.value.key == {}
    made.insert1({"volts": 6, "note": "x"})
    made.update1({"volts": 7})
    made.update1({"volts": None, "note": None})
    assert made.fetch1() == {"volts": 5, "note": None}
    assert [row[1:] for row in logged(schema)] == [
        ({}, "volts", "6", "7"),
        ({}, "volts", "7", "5"),
        ({}, "note", "x", None),
    ]


def test_computed_tables_and_parts(schema: dj.Schema) -> None:
    """Rows that a make inserted can be corrected, and those of parts."""

    @schema
    class Scan(dj.Imported):
        definition = "scan : int16\n---\nn : int16"

        class Cell(dj.Part):
            definition = "-> master\ncell : int16\n---\nx : float32"

    Scan.insert1((1, 1), allow_direct_insert=True)
    Scan.Cell.insert1((1, 1, 0.5), allow_direct_insert=True)
    Scan.update1({"scan": 1, "n": 2})
    Scan.Cell.update1({"scan": 1, "cell": 1, "x": 1.5})
    assert (Scan.fetch1("n"), Scan.Cell.fetch1("x")) == (2, 1.5)
    assert [row[:2] for row in logged(schema)] == [("_scan", {"scan": 1}), ("_scan__cell", {"scan": 1, "cell": 1})]


def test_the_key_of_the_log_joins(schema: dj.Schema, ask: Ask) -> None:
    """The key that the log keeps equals that of the row, made the same way, whatever types it is of."""
    lines = [f"k{number} : {case.written}" for number, case in enumerate(KEYS)]
    made = table(schema, "Wide", "\n".join([*lines, "---", "x : int8"]))
    extremes = [[case.values[0] for case in KEYS], [case.values[-1] for case in KEYS]]
    for values in extremes:
        made.insert1([*values, 1])
        made.update1({**{f"k{number}": value for number, value in enumerate(values)}, "x": 2})
    join = f"""SELECT count(*) AS n FROM "{schema.name}"."~updates" AS u
        JOIN "{schema.name}".wide AS t ON u.key = {updates.key_of(made().spec, "t")}"""
    assert ask(join) == [{"n": 2}]


def test_odd_names(schema: dj.Schema, connection: PostgresConnection) -> None:
    """Tables and columns of any name are updated: quotes, percent signs, blanks, words of SQL, and their quotes."""
    columns = ['a "b', "it's %s", "{x}", "select", "é;--"]
    table_name = "we\"ird '%s' $$ table"
    listed = ", ".join('"' + name.replace('"', '""') + '" text' for name in columns[1:])
    quoted = table_name.replace('"', '""')
    first = columns[0].replace('"', '""')
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"')
    connection.execute(f'CREATE TABLE "{schema.name}"."{quoted}" ("{first}" int PRIMARY KEY, {listed})')
    connection.execute(f"INSERT INTO \"{schema.name}\".\"{quoted}\" VALUES (1, 'a', 'b', 'c', 'd')")
    made = dj.Schema(str(schema.name), connection=connection)[table_name]
    values = {name: f"{name}'\\" for name in columns[1:]}
    made.update1({columns[0]: 1, **values})
    assert made.to_dicts() == [{columns[0]: 1, **values}]
    assert logged(schema) == [
        (table_name, {columns[0]: 1}, name, old, values[name]) for name, old in zip(columns[1:], "abcd", strict=True)
    ]


HOSTILE = [
    "'", '"', "\\", "\\'", "%", "%s %(x)s", "--", "/*", ";", "$$", "$djarrow$", "{}", "{x}", "\\x00", "\\N", "NULL",
    "null", "a\nb\r\t", "\x01\x7f", "🐭", "e\u0301" * 9, "\u202e", "'; DROP TABLE canary; --",
    "select", "~updates", " ",
    "", "\0", "a\0b", "\ud800", "\udfff!",
]  # fmt: skip
"""Text that means something else to somebody; the last four, no text of PostgreSQL holds."""


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text(schema: dj.Schema, text: str) -> None:
    """Whatever text says, as a key, a value or in a document, it is written and logged as it is, or refused."""
    made = table(schema, "Value", "k : varchar(30)\n---\nx = null : varchar(30)\ny = null : json\nz = null : int8")
    made.insert1(("k", None, None, None))
    if any(mark in text for mark in "\0\ud800\udfff"):
        for row in ({"k": "k", "x": text}, {"k": text, "z": 1}, {"k": "k", "y": [text]}, {"k": "k", "y": {text: 1}}):
            with pytest.raises(InvalidValue):
                made.update1(row)
        assert logged(schema) == []
        return
    made.insert1((text, None, None, None))
    made.update1({"k": text, "x": text, "y": {text: [text]}})
    assert (made & {"k": text}).fetch1() == {"k": text, "x": text, "y": {text: [text]}, "z": None}
    assert logged(schema)[0] == ("value", {"k": text}, "x", None, text)
    assert (made & {"k": "k"}).fetch1("x") is None


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "error", "reason"),
    [
        ({"name": "x"}, MissingField, r"the primary key names \(mouse\), and mouse is not given"),
        ({}, MissingField, "mouse is not given"),
        ({"mouse": 1}, MissingField, "outside of the primary key, and none is given. Give a value of name, mass"),
        ({"mouse": 1, "nam": "x"}, UnknownField, "no attribute 'nam'. Did you mean 'name'"),
        ({"muose": 1}, UnknownField, "no attribute 'muose'. Did you mean 'mouse'"),
        ({"mouse": 1, 2: 3}, UnknownField, "no attribute 2"),
        ({"mouse": None, "name": "x"}, MissingField, "NULL tells none"),
        ({"mouse": 1, "name": None}, MissingField, "attribute 'name': None resets it to its default, and it has none"),
        ({"mouse": 1, "name": "x" * 31}, InvalidValue, "attribute 'name'"),
        ({"mouse": 1, "mass": "heavy"}, InvalidValue, "attribute 'mass'"),
        ({"mouse": 1, "sex": "X"}, InvalidValue, "attribute 'sex'"),
        ({"mouse": -1, "name": "x"}, InvalidValue, "attribute 'mouse'"),
        ({"mouse": 3, "name": "x"}, NoSuchRow, "no row with mouse = 3 to update"),
        ({"mouse": 1, "tag": 8}, DuplicateKey, "tag = 8 is there already"),
        ((1, "x"), InvalidValue, "update1 takes one row as a mapping, .* not an object of type tuple"),
        ([{"mouse": 1, "name": "x"}], InvalidValue, "not an object of type list"),
        ("mouse = 1", InvalidValue, "not 'mouse = 1'"),
        (None, InvalidValue, "not None"),
        (pl.DataFrame({"mouse": [1, 2], "name": ["x", "y"]}), InvalidValue, "takes one row, and the frame has 2"),
        (pl.DataFrame({"mouse": [], "name": []}), InvalidValue, "takes one row, and the frame has 0"),
        (pa.table([[1], ["x"], ["y"]], ["mouse", "name", "name"]), UnknownField, "stands in the frame twice"),
    ],
)
def test_rows_that_are_refused(schema: dj.Schema, mouse: Any, row: Any, error: Any, reason: str) -> None:
    """What is wrong with a row is told with table and attribute, and nothing is changed or logged."""
    before = mouse.to_dicts()
    with pytest.raises(error, match=reason) as caught:
        mouse.update1(row)
    assert caught.value.table.endswith(".mouse")
    assert "Nothing was written" in str(caught.value)
    assert mouse.to_dicts() == before
    assert logged(schema) == []
    if error is NoSuchRow:
        assert caught.value.key == {"mouse": 3}


@pytest.mark.parametrize("case", KEYS, ids=lambda case: case.written)
def test_the_key_of_a_row_that_is_not_there(schema: dj.Schema, case: Case) -> None:
    """The error has the key as Python values, whatever its type."""
    made = table(schema, "Value", f"k : {case.written}\n---\nx = null : int8")
    for value in case.values:
        with pytest.raises(NoSuchRow, match=r"there is no row with k = (?!an object)") as caught:
            made.update1({"k": value, "x": 1})
        assert same([caught.value.key["k"]], [value])
        made.insert1((value, None), skip_duplicates=True)
        made.update1({"k": value, "x": 1})
        assert (made & {"k": value}).fetch1("x") == 1
        schema.connection.execute(f'DELETE FROM "{schema.name}".value')


def test_a_query_is_not_updated(mouse: Any) -> None:
    """A restricted or joined table refuses: the key says which row."""
    for query in (mouse & {"mouse": 1}, mouse.proj("name"), mouse & dj.Top(1)):
        with pytest.raises(UpdateRefused, match=r"update1 is of a table, and this is a query"):
            query.update1({"mouse": 1, "name": "x"})
    with pytest.raises(MissingField):
        mouse().update1({"mouse": 1})


def test_a_table_of_keys_only(schema: dj.Schema) -> None:
    """A table without other attributes has nothing to update."""
    made = table(schema, "Pair", "a : int8\nb : int8")
    made.insert1((1, 2))
    with pytest.raises(MissingField, match="The table has no other attributes: delete and insert"):
        made.update1({"a": 1, "b": 2})


def test_foreign_keys(schema: dj.Schema) -> None:
    """A reference outside of the key leads to a row that exists, or nowhere where it may."""
    schema.activate(add_objects={"Rig": table(schema, "Rig", "rig : uint8")})
    schema["Rig"].insert([(1,), (2,)])
    made = table(schema, "Run", "run : uint8\n---\n-> [nullable] Rig")
    made.insert1((1, 1))
    with pytest.raises(MissingParent, match="no row with rig = 3") as caught:
        made.update1({"run": 1, "rig": 3})
    assert (caught.value.parent, caught.value.key) == ("rig", {"rig": 3})
    assert logged(schema) == []
    made.update1({"run": 1, "rig": 2})
    made.update1({"run": 1, "rig": None})
    assert made.fetch1() == {"run": 1, "rig": None}
    assert [row[3:] for row in logged(schema)] == [("1", "2"), ("2", None)]


def test_repositories(schema: dj.Schema, mouse: Any, tmp_path: Path) -> None:
    """A repository is read only, opened by itself or standing in for the database; it holds no log."""
    mouse.update1({"mouse": 1, "name": "x"})
    dj.export(schema, tmp_path / "r")
    with dj.open(tmp_path / "r").using(schema):
        with pytest.raises(UpdateRefused, match="Update outside of the `using` block"):
            mouse.update1({"mouse": 1, "name": "y"})
        with pytest.raises(QueryError, match="holds no update log"):
            schema.updates  # noqa: B018 - asking is what is tested
    opened = dj.open(tmp_path / "r")
    with pytest.raises(UpdateRefused, match="a repository, which is read only"):
        opened[str(schema.name)].Mouse.update1({"mouse": 1, "name": "y"})
    assert [entry.table for entry in opened.manifest.tables] == ["mouse"]
    assert mouse.fetch("name").tolist() == ["x", "Bo"]


def test_a_table_that_was_altered(schema: dj.Schema, mouse: Any, connection: PostgresConnection) -> None:
    """Where the columns are no longer the class's, nothing is written into them."""
    mouse.update1({"mouse": 1, "tag": 9})
    connection.execute(f'ALTER TABLE "{schema.name}".mouse ALTER tag TYPE double precision')
    for row in ({"mouse": 1, "tag": 10}, {"mouse": 1, "tag": None}):
        with pytest.raises(TableChanged, match="'tag' is uint32"):
            mouse.update1(row)
    connection.execute(f'ALTER TABLE "{schema.name}".mouse ALTER tag TYPE bigint')
    assert (mouse & {"mouse": 1}).fetch1("tag") == 9


# --- transactions --------------------------------------------------------------------------------------------------


def test_in_a_transaction(schema: dj.Schema, mouse: Any, connection: PostgresConnection) -> None:
    """Inside a transaction of the user's it is part of it: kept with it, and taken back with it, log and all."""
    with connection.transaction:
        mouse.update1({"mouse": 1, "name": "x"})
        mouse.update1({"mouse": 2, "name": "y"})
        with pytest.raises(NoSuchRow):
            mouse.update1({"mouse": 3, "name": "y"})
        assert len(schema.updates) == 2
    assert len(schema.updates) == 2

    def fail() -> None:
        with connection.transaction:
            mouse.update1({"mouse": 1, "name": "z"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert mouse.fetch("name").tolist() == ["x", "y"]
    assert len(schema.updates) == 2


def test_a_log_that_came_after_the_snapshot(
    schema: dj.Schema, mouse: Any, connection: PostgresConnection, second: PostgresConnection
) -> None:
    """A transaction that began before another process made the log writes to that one."""
    other = dj.Schema(str(schema.name), connection=second)
    with connection.transaction:
        assert len(mouse) == 2
        other["Mouse"].update1({"mouse": 2, "name": "theirs"})
        mouse.update1({"mouse": 1, "name": "ours"})
    assert sorted(row[4] for row in logged(schema)) == ["ours", "theirs"]


def test_begun_anew(schema: dj.Schema, mouse: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server ends it for the sake of another transaction, it is begun anew, and logged once."""
    plain, ends = agreement.check_columns, iter(["40P01", "40001"])

    def check(*arguments: Any, **named: Any) -> None:
        if (state := next(ends, None)) is not None:
            raise EngineError("a conflict", sqlstate=state)
        plain(*arguments, **named)

    monkeypatch.setattr(writing, "check_columns", check)
    mouse.update1({"mouse": 1, "name": "x"})
    assert logged(schema) == [("mouse", {"mouse": 1}, "name", "Ann", "x")]


def test_the_user_sees_a_lock_that_is_not_had(schema: dj.Schema, mouse: Any, second: PostgresConnection) -> None:
    """Where a server lets nobody wait for locks, the refusal says who is in the way."""
    mouse.update1({"mouse": 1, "name": "x"})
    connection = schema.connection
    with second.begin():
        second.execute(f"UPDATE \"{schema.name}\".mouse SET name = 'theirs' WHERE mouse = 1")
        connection.execute("SET lock_timeout = '100ms'")
        try:
            with pytest.raises(UpdateRefused, match="others have used the tables for longer than `lock_timeout`"):
                mouse.update1({"mouse": 1, "name": "y"})
        finally:
            connection.execute("SET lock_timeout = 0")
    assert (mouse & {"mouse": 1}).fetch1("name") == "theirs"
    assert len(logged(schema)) == 1


# --- the log -------------------------------------------------------------------------------------------------------


def test_the_log_is_a_query(schema: dj.Schema, mouse: Any) -> None:
    """The log is restricted, joined, ordered and read like any query."""
    for mass in (21.0, 22.0):
        mouse.update1({"mouse": 1, "mass": mass, "name": f"Ann {mass}"})
    mouse.update1({"mouse": 2, "mass": 30.0})
    masses = schema.updates & 'attribute = "mass"' & "key.mouse = 1"
    assert masses.fetch("new_value").tolist() == ["21", "22"]
    assert schema.updates.to_dicts("new_value", order_by="id DESC", limit=1) == [{"new_value": "30"}]
    counts = dj.U("attribute").aggr(schema.updates, n="count(*)").to_dicts(order_by="attribute")
    assert counts == [{"attribute": "mass", "n": 3}, {"attribute": "name", "n": 2}]
    assert "old_value" in repr(schema.updates)
    assert (schema.updates & pl.col("updated").is_null()).to_dicts() == []
    assert schema.updates.to_polars().schema["updated"] == pl.Datetime("us", "UTC")


def test_no_log_yet(schema: dj.Schema, mouse: Any, ask: Ask) -> None:
    """Before the first change the log is a query without rows, of the same heading, and asking makes nothing."""
    empty = schema.updates
    narrow = (empty & 'attribute = "mass"' & {"table_name": "mouse"}).proj("attribute", n="length(new_value)")
    assert (len(empty), bool(empty), narrow.to_dicts(), empty.keys()) == (0, False, [], [])
    assert "old_value" in repr(empty)
    assert "old_value" in empty.preview()
    found = (empty.to_polars().schema, empty.to_arrow().schema, empty.heading)
    assert ask(f"SELECT relname FROM pg_class WHERE relnamespace = '\"{schema.name}\"'::regnamespace "
               "AND relkind = 'r'") == [{"relname": "mouse"}]  # fmt: skip
    mouse.update1({"mouse": 1, "name": "x"})
    log = schema.updates
    assert (log.to_polars().schema, log.to_arrow().schema, log.heading) == found


def test_many_rows_at_once(schema: dj.Schema, connection: PostgresConnection) -> None:
    """The text that logs takes any number of rows, before and after, and leaves out those that only one side has."""
    made = table(schema, "Wide", "a : int8\nb : varchar(3)\n---\nx = null : float64\ny = null : json\nz = null : blob")
    made.insert1((0, "-", None, None, None))
    made.update1({"a": 0, "b": "-", "x": 0.0})
    key = {"a": 1, "b": "'"}
    before = [{**key, "x": math.nan, "y": [1], "z": b"a"}, {"a": 2, "b": "%", "x": 1.0}, {"a": 3, "b": ""}]
    after = [{"a": 2, "b": "%", "x": 1.0, "y": {}}, {**key, "x": math.nan, "y": [1.5], "z": None}, {"a": 4, "b": ""}]
    with connection.begin(isolation="READ COMMITTED"):
        made.insert(before)
        connection.execute(f'CREATE TEMPORARY TABLE "be fore" ON COMMIT DROP AS TABLE "{schema.name}".wide')
        connection.execute(f'DELETE FROM "{schema.name}".wide')
        made.insert(after)
        names = ("x", "y", "z")
        connection.execute(updates.log_changes(made().spec, names, before='"be fore"', after=f'"{schema.name}".wide'))
    assert sorted(logged(schema)[1:], key=str) == [
        ("wide", {"a": 1, "b": "'"}, "y", "[1]", "[1.5]"),
        ("wide", {"a": 1, "b": "'"}, "z", "\\x61", None),
        ("wide", {"a": 2, "b": "%"}, "y", None, "{}"),
    ]


def test_before_activation(connection: PostgresConnection) -> None:
    """A schema without a name has no log."""
    with pytest.raises(NoSchema, match="asking for its updates"):
        dj.Schema(connection=connection).updates  # noqa: B018 - asking is what is tested
    assert dj.Schema("not_there_at_all", connection=connection).updates.to_dicts() == []


def test_the_log_is_no_table_of_the_user(
    schema: dj.Schema, mouse: Any, connection: PostgresConnection, ask: Ask
) -> None:
    """No list, class, module or export has the log, and it goes with its schema without being counted."""
    mouse.update1({"mouse": 1, "name": "x"})
    name = str(schema.name)
    assert schema.list_tables() == ["mouse"]
    assert [cls.__name__ for cls in schema] == ["Mouse"]
    assert [cls.__name__ for cls in dj.virtual(name, connection=connection)] == ["Mouse"]
    assert "~" not in schema.save()
    assert "~" not in mouse.describe()
    with pytest.raises(NotConfirmed) as caught:
        schema.drop()
    assert "mouse" in caught.value.question
    assert "~" not in caught.value.question
    assert schema.drop(prompt=False) == [f"{name}.mouse"]
    assert ask(f"SELECT 1 AS x FROM pg_namespace WHERE nspname = '{name}'") == []


def test_columns_are_commented_as_ours(schema: dj.Schema, mouse: Any, ask: Ask) -> None:
    """The columns say their types as those of tables do, so that the log is read back as what it is."""
    mouse.update1({"mouse": 1, "name": "x"})
    found = ask(f"""SELECT a.attname::text AS name, col_description(a.attrelid, a.attnum) AS comment
        FROM pg_attribute AS a WHERE a.attrelid = '"{schema.name}"."~updates"'::regclass AND a.attnum > 0
        AND a.attname <> '_transaction' ORDER BY a.attnum""")
    heading = schema.updates.heading
    assert [row["name"] for row in found] == list(heading.names)
    for row in found:
        assert row["comment"] == f":{heading[row['name']].type.stored_name}:{heading[row['name']].comment}"


def test_where_no_tables_are_made(schema: dj.Schema, mouse: Any, connection: PostgresConnection) -> None:
    """With create_tables=False no log is made: the first change needs someone else, later ones do not."""
    virtual = dj.virtual(str(schema.name), connection=connection)
    with pytest.raises(UpdateRefused, match="create_tables=False"):
        virtual.Mouse.update1({"mouse": 1, "name": "x"})
    assert (mouse & {"mouse": 1}).fetch1("name") == "Ann"
    mouse.update1({"mouse": 1, "name": "y"})
    virtual.Mouse.update1({"mouse": 1, "name": "z"})
    assert [row[4] for row in logged(schema)] == ["y", "z"]


def test_without_the_right(schema: dj.Schema, mouse: Any, connection: PostgresConnection) -> None:
    """A user who may change rows and make no tables is refused by the database until there is a log to insert into.

    The right to insert rows is not needed.
    """
    role = f"{schema.name}_changer"
    mouse.to_dicts()
    connection.execute(f"CREATE ROLE {role}")
    connection.execute(f'GRANT USAGE ON SCHEMA "{schema.name}" TO {role}')
    connection.execute(f'GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA "{schema.name}" TO {role}')
    connection.execute(f"SET ROLE {role}")
    try:
        with pytest.raises(AccessDenied, match="permission denied for schema"):
            mouse.update1({"mouse": 1, "name": "x"})
        connection.execute("RESET ROLE")
        mouse.update1({"mouse": 1, "name": "y"})
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(AccessDenied, match="~updates"):
            mouse.update1({"mouse": 1, "name": "x"})
        connection.execute("RESET ROLE")
        connection.execute(f'GRANT INSERT ON "{schema.name}"."~updates" TO {role}')
        connection.execute(f"SET ROLE {role}")
        mouse.update1({"mouse": 1, "name": "z"})
    finally:
        connection.execute("RESET ROLE")
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")
    assert [row[3:] for row in logged(schema)] == [("Ann", "y"), ("y", "z")]


def test_the_log_stays(schema: dj.Schema) -> None:
    """What was logged cannot be deleted through the query that shows it."""

    @schema
    class Mouse(dj.Manual):
        definition = "mouse : int32\n---\nmass : float64"

    Mouse.insert1((1, 2.0))
    Mouse.update1({"mouse": 1, "mass": 3.0})
    for log in (schema.updates, schema.updates & "id = 1"):
        with pytest.raises(DeleteRefused, match="stays"):
            log.delete()
    assert len(schema.updates) == 1
