"""Insert: rows of every form and type come back as they went in, all of them or none."""

from __future__ import annotations

import datetime
import math
import os
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DuplicateKey, InvalidValue, MissingField, MissingParent, RowError, UnknownField

UTC = datetime.UTC
EXTREMES: dict[str, list[Any]] = {
    "int8": [-128, 0, 127],
    "uint8": [0, 255],
    "int16": [-(2**15), 2**15 - 1],
    "uint16": [0, 2**16 - 1],
    "int32": [-(2**31), 2**31 - 1],
    "uint32": [0, 2**32 - 1],
    "int64": [-(2**63), 2**63 - 1],
    "uint64": [0, 2**63, 2**64 - 1],
    "float32": [math.nan, math.inf, -math.inf, -0.0, float(np.float32(3.4028235e38)), float(np.float32(1e-45))],
    "float64": [math.nan, math.inf, -math.inf, -0.0, 1.7976931348623157e308, 5e-324],
    "decimal(38,0)": [Decimal(10**38 - 1), Decimal(-(10**38) + 1), Decimal(0)],
    "decimal(38,38)": [Decimal("0." + "9" * 38), Decimal("-1e-38")],
    "decimal(7,4)": [Decimal("999.9999"), Decimal("-999.9999"), Decimal("0.0001")],
    "bool": [True, False],
    "char(3)": ["", "abc", "äöü", "a  ", "🐭🐭🐭"],
    "varchar(40)": ["", "x" * 40, "\\N", "\\.", "quote \" and '", "tab\tand\nline\r", "NULL", "  spaces  ", "\x01\x7f"],
    "enum('a','it''s','')": ["a", "it's", ""],
    "date": [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(1970, 1, 1)],
    "time": [datetime.time(0), datetime.time(23, 59, 59, 999_999)],
    "timestamp": [
        datetime.datetime(1, 1, 1, tzinfo=UTC),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
    "datetime": [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999)],
    "uuid": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)],
    "json": [{"a": [1, None, 'ä\\"\n', 1.5]}, [], "text", 0, False, {"nested": {"deep": []}}],
    "blob": [b"", b"\x00\xff\\x00", bytes(range(256)) * 300],
}
FORMS = ("dicts", "tuples", "polars", "arrow", "batch")


def same(found: Any, given_value: Any) -> bool:
    """Equal, of one type, with NaN equal to itself and -0.0 not to 0.0."""
    if isinstance(given_value, float):
        return isinstance(found, float) and np.float64(found).tobytes() == np.float64(given_value).tobytes()
    return type(found) is type(given_value) and found == given_value


def values_table(schema: dj.Schema, kind: str) -> Any:
    """A table Value(n, x) with a nullable x of this type."""
    definition = f"n : uint16\n---\nx = null : {kind}"
    return schema(type("Value", (dj.Manual,), {"definition": definition}))


def in_form(form: str, values: list[Any], table: Any) -> Any:
    """Rows (n, value) in a form, typed as the table's own results are."""
    rows = list(enumerate(values))
    if form == "dicts":
        return [{"x": value, "n": n} for n, value in rows]
    if form == "tuples":
        return rows
    kind = table().heading["x"].type
    if kind.family.value == "json":
        import json

        array = pa.array([None if value is None else json.dumps(value) for value in values], pa.string())
    elif kind.family.value == "uuid":
        array = pa.array([None if value is None else value.bytes for value in values], pa.binary(16))
    elif kind.family.value == "enum":
        array = pa.array(values, pa.string()).dictionary_encode()
    else:
        array = pa.array(values, kind.arrow)
    arrow = pa.table({"n": pa.array(range(len(values)), pa.int64()), "x": array})
    if form == "batch":
        return arrow.combine_chunks().to_batches()[0]
    return arrow if form == "arrow" else pl.from_arrow(arrow)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", EXTREMES)
def test_extreme_values_round_trip(schema: dj.Schema, kind: str, form: str) -> None:
    """The extremes of each core type, and NULL, come back as they went in, in dicts, Polars and Arrow."""
    Value = values_table(schema, kind)
    values = [*EXTREMES[kind], None]
    assert Value.insert(in_form(form, values, Value)) == len(values)
    found = [row["x"] for row in Value.to_dicts()]
    assert len(found) == len(values)
    assert all(same(a, b) for a, b in zip(found, values, strict=True)), found
    frame, heading = Value.to_polars(order_by="KEY"), Value().heading
    assert frame.schema["x"] == heading["x"].type.polars
    assert frame["x"].null_count() == 1
    assert Value.to_arrow().schema == heading.arrow_schema


@pytest.mark.parametrize("kind", EXTREMES)
def test_results_can_be_inserted_again(schema: dj.Schema, kind: str) -> None:
    """What a fetch gives, as Polars and as Arrow, is taken by an insert without loss."""
    Value = values_table(schema, kind)
    values = [*EXTREMES[kind], None]
    Value.insert(in_form("dicts", values, Value))
    size = len(values)
    frame = Value.to_polars(order_by="KEY")
    assert Value.insert(frame.with_columns(n=pl.col("n") + 100)) == size
    arrow = Value.to_arrow(order_by="KEY", limit=size)
    shifted = pa.array([n + 200 for n in arrow["n"].to_pylist()], pa.uint16())
    assert Value.insert(arrow.set_column(0, "n", shifted)) == size
    found = [row["x"] for row in Value.to_dicts()]
    assert all(same(a, b) for a, b in zip(found, values * 3, strict=True)), found


STRATEGIES: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "decimal(20,6)": st.decimals(-(10**13), 10**13, allow_nan=False, places=6),
    "bool": st.booleans(),
    "varchar(30)": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
    "date": st.dates(),
    "time": st.times(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "datetime": st.datetimes(),
    "uuid": st.uuids(),
    "blob": st.binary(max_size=100),
}


def stored(value: Any) -> Any:
    """Bytes as a frame has them: in the form in which a blob stores them."""
    return dj.blob.pack(value) if isinstance(value, bytes) else value


def test_any_values_round_trip(schema: dj.Schema) -> None:
    """Rows of any values come back as they went in, whichever form they went in by."""
    lines = [f"c{number} = null : {kind}" for number, kind in enumerate(STRATEGIES)]
    Any_: Any = schema(type("Any", (dj.Manual,), {"definition": "\n".join(("n : uint16\n---", *lines))}))
    columns = st.tuples(*(st.none() | strategy for strategy in STRATEGIES.values()))
    heading = Any_().heading
    Any_.declare()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
    @given(st.lists(columns, min_size=1, max_size=8), st.sampled_from(["dicts", "tuples", "arrow"]))
    def round_trip(rows: list[tuple[Any, ...]], form: str) -> None:
        schema.connection.execute(f"TRUNCATE {Any_().full_table_name}")
        numbered = [(n, *row) for n, row in enumerate(rows)]
        dicts = [dict(zip(heading.names, row, strict=True)) for row in numbered]
        if form == "arrow":
            arrays = [
                pa.array(
                    [v.bytes if isinstance(v, uuid.UUID) else stored(v) for v in column],
                    pa.binary(16) if attribute.type.family.value == "uuid" else attribute.type.arrow,
                )
                for column, attribute in zip(zip(*numbered, strict=True), heading, strict=True)
            ]
            Any_.insert(pa.table(arrays, names=list(heading.names)))
        else:
            Any_.insert(dicts if form == "dicts" else numbered)
        found = Any_.to_dicts()
        assert len(found) == len(dicts)
        for mine, back in zip(dicts, found, strict=True):
            for name in heading.names:
                assert same(back[name], mine[name]), (name, mine[name], back[name])

    round_trip()


# --- forms of rows -----------------------------------------------------------------------------------------------


@pytest.fixture
def items(schema: dj.Schema) -> Any:
    """Item(n; x, note, at), of which note and at have defaults."""

    @schema
    class Item(dj.Manual):
        definition = """
        n : uint32
        ---
        x : float64
        note = 'none' : varchar(10)
        at = NOW : timestamp
        """

    return Item


@pytest.mark.parametrize(
    "rows",
    [
        [{"n": 1, "x": 0.5}, {"n": 2, "x": 1.5}],
        ({"n": n, "x": n - 0.5} for n in (1, 2)),
        (row for row in [{"x": 0.5, "n": 1}, {"n": 2, "x": 1.5, "note": "none"}]),
        pl.DataFrame({"n": [1, 2], "x": [0.5, 1.5]}),
        pl.DataFrame({"x": [0.5, 1.5], "n": [1, 2]}),
        pa.table({"n": [1, 2], "x": [0.5, 1.5]}),
        pa.chunked_array([[1], [2]])
        and pa.Table.from_batches([pa.record_batch({"n": [n], "x": [n - 0.5]}) for n in (1, 2)]),
        [{"n": np.int64(1), "x": np.float32(0.5)}, {"n": np.uint8(2), "x": 1.5}],
        [{"n": 1.0, "x": Decimal("0.5")}, {"n": 2, "x": 1.5}],
    ],
    ids=["dicts", "generator", "uneven dicts", "polars", "other order", "arrow", "chunks", "numpy", "other numbers"],
)
def test_rows_of_every_form(items: Any, rows: Any) -> None:
    """Fields may stand in any order and be left out where they have a default; insert tells how many rows."""
    assert items.insert(rows) == 2
    assert items.to_dicts("n", "x", "note") == [
        {"n": 1, "x": 0.5, "note": "none"},
        {"n": 2, "x": 1.5, "note": "none"},
    ]


@pytest.mark.parametrize("rows", [[], (), iter([]), pl.DataFrame(), pa.table({}), pl.DataFrame({"n": [], "x": []})])
def test_nothing_to_insert(items: Any, rows: Any) -> None:
    """No rows are no error, and insert nothing."""
    assert items.insert(rows) == 0
    assert len(items) == 0


def test_an_empty_frame_is_checked_all_the_same(items: Any) -> None:
    """A frame without rows but with an unknown column is refused: the next one may have rows."""
    with pytest.raises(UnknownField):
        items.insert(pl.DataFrame({"nn": []}))


def test_insert1_takes_a_mapping_or_a_sequence(items: Any) -> None:
    """insert1 takes one row in either form."""
    moment = datetime.datetime(2024, 10, 28, tzinfo=UTC)
    items.insert1({"n": 1, "x": 1})
    items.insert1((2, 2, "two", moment))
    items.insert1([3, 3, "three", "2024-10-28T02:00:00+02:00"])
    assert items.fetch("x").tolist() == [1.0, 2.0, 3.0]
    assert (items & "n > 1").fetch("at").tolist() == [moment, moment]


# --- defaults ----------------------------------------------------------------------------------------------------


def test_now_is_when_the_row_is_inserted(items: Any) -> None:
    """NOW is the time of the insert in UTC, whether all rows leave it out or some."""
    before = datetime.datetime.now(UTC) - datetime.timedelta(seconds=5)
    given_moment = datetime.datetime(2024, 10, 28, tzinfo=UTC)
    items.insert([{"n": 1, "x": 1.0}])
    items.insert([{"n": 2, "x": 1.0}, {"n": 3, "x": 1.0, "at": given_moment}])
    first, second, third = items.fetch("at")
    after = datetime.datetime.now(UTC) + datetime.timedelta(seconds=5)
    assert before < first < after
    assert before < second < after
    assert third == given_moment


def test_every_default_is_that_of_the_definition(schema: dj.Schema) -> None:
    """Defaults of every type come out of the database as the definition says, left out by all rows or by some."""

    @schema
    class Full(dj.Manual):
        definition = """
        n : uint8
        ---
        i = -128 : int8
        u = 18446744073709551615 : uint64
        f = -0.1 : float64
        g = 1e300 : float64
        p = 3.14 : decimal(7,4)
        b = true : bool
        s = "it's \\"#\\" \\\\ :=" : varchar(20)
        e = "it's" : enum('a', "it's")
        d = '2024-10-28' : date
        t = '12:30:00.25' : time
        at = '2024-10-28 12:00:00' : timestamp
        dt = '2024-10-28T12:00:00.5' : datetime
        j = null : json
        id = null : uuid
        """

    expected = {
        "i": -128,
        "u": 2**64 - 1,
        "f": -0.1,
        "g": 1e300,
        "p": Decimal("3.1400"),
        "b": True,
        "s": 'it\'s "#" \\ :=',
        "e": "it's",
        "d": datetime.date(2024, 10, 28),
        "t": datetime.time(12, 30, 0, 250_000),
        "at": datetime.datetime(2024, 10, 28, 12, tzinfo=UTC),
        "dt": datetime.datetime(2024, 10, 28, 12, 0, 0, 500_000),
        "j": None,
        "id": None,
    }
    Full.insert([(0, *expected.values())])
    Full.insert([{"n": 1}])
    Full.insert([{"n": 2}, {"n": 3, **expected}])
    assert Full.to_dicts() == [{"n": n, **expected} for n in range(4)]


def test_a_row_of_defaults_only(schema: dj.Schema) -> None:
    """A row that leaves out everything is a row of defaults, where the key allows it."""

    @schema
    class Settings(dj.Manual):
        definition = "---\nspeed = 5 : uint8\nname = 'x' : varchar(4)"

    with pytest.raises(DuplicateKey):
        Settings.insert([{}, {}])
    assert len(Settings) == 0
    assert Settings.insert([{}]) == 1
    assert Settings.insert([{}], skip_duplicates=True) == 0
    assert Settings.fetch1() == {"speed": 5, "name": "x"}


def test_null_is_not_the_default(items: Any) -> None:
    """None given for an attribute with a default is NULL, which it does not take."""
    with pytest.raises(MissingField, match="note"):
        items.insert1({"n": 1, "x": 1.0, "note": None})


# --- all or nothing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["dicts", "polars", "generator"])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"n": 2**32}, InvalidValue),
        ({"x": None}, MissingField),
        ({"n": 0}, DuplicateKey),
        ({"note": "x" * 11}, RowError),
    ],
)
def test_all_or_nothing(items: Any, form: str, bad: dict[str, Any], error: type[Exception]) -> None:
    """Of 1,000 rows whose last is bad, none is inserted."""
    rows = [{"n": n, "x": 0.5, "note": "fine"} for n in range(1000)]
    rows[-1].update(bad)
    given_rows = {"dicts": rows, "polars": pl.DataFrame(rows), "generator": (row for row in rows)}[form]
    with pytest.raises(error) as caught:
        items.insert(given_rows)
    assert len(items) == 0
    if error in (InvalidValue, MissingField):
        assert caught.value.row == 999  # type: ignore[attr-defined]


def test_a_generator_that_fails_inserts_nothing(items: Any) -> None:
    """An exception of the user's own iterator passes through, and no row is there."""

    def rows() -> Any:
        yield {"n": 1, "x": 0.5}
        raise OSError("the file ended")

    with pytest.raises(OSError, match="the file ended"):
        items.insert(rows())
    assert len(items) == 0


def test_an_insert_is_taken_back_with_its_transaction(items: Any, connection: PostgresConnection) -> None:
    """Rows inserted inside a transaction are seen in it, and gone when it is rolled back."""
    items.declare()
    with pytest.raises(ZeroDivisionError), connection.transaction:  # noqa: PT012 - the block is what is tested
        items.insert([(n, 0.5, "", "2024-10-28") for n in range(10)])
        assert items.insert([{"n": 3, "x": 1.0}, {"n": 30, "x": 1.0}], skip_duplicates=True) == 1
        assert len(items) == 11
        raise ZeroDivisionError
    assert len(items) == 0


# --- skip_duplicates and ignore_extra_fields ---------------------------------------------------------------------


def test_skip_duplicates_passes_over_keys_that_are_there(items: Any) -> None:
    """Rows whose key is there, or was given before, are passed over; the rest is inserted and counted."""
    items.insert1({"n": 1, "x": 1.0})
    rows = [{"n": 1, "x": 9.0}, {"n": 2, "x": 2.0}, {"n": 2, "x": 3.0}, {"n": 3, "x": 3.0}]
    assert items.insert(rows, skip_duplicates=True) == 2
    assert items.fetch("x").tolist() == [1.0, 2.0, 3.0]
    assert items.insert(rows, skip_duplicates=True) == 0


def test_skip_duplicates_is_of_the_primary_key_only(schema: dj.Schema) -> None:
    """A row with a new key that breaks a unique index, or lacks its parent, is refused all the same."""

    @schema
    class Parent(dj.Manual):
        definition = "p : uint8\n---"

    @schema
    class Child(dj.Manual):
        definition = "c : uint8\n---\n-> Parent\nname : varchar(4)\nunique index (name)"

    Parent.insert1((1,))
    Child.insert1((1, 1, "a"))
    with pytest.raises(DuplicateKey) as caught:
        Child.insert([(2, 1, "b"), (3, 1, "a")], skip_duplicates=True)
    assert caught.value.key == {"name": "a"}
    with pytest.raises(MissingParent):
        Child.insert([(2, 7, "b")], skip_duplicates=True)
    assert Child.fetch("c").tolist() == [1]


@pytest.mark.parametrize("kind", ["uuid", "json", "uint64", "enum('a','b')", "decimal(7,4)", "blob", "timestamp"])
def test_skip_duplicates_takes_every_type(schema: dj.Schema, kind: str) -> None:
    """The way of the rows that may be skipped keeps values as well as the direct one."""
    Value = values_table(schema, kind)
    first = EXTREMES.get(kind, ["a"])[0]
    assert Value.insert([(1, first), (2, None)], skip_duplicates=True) == 2
    assert Value.insert([(2, first), (3, first)], skip_duplicates=True) == 1
    found = [row["x"] for row in Value.to_dicts()]
    assert all(same(a, b) for a, b in zip(found, [first, None, first], strict=True))


@pytest.mark.parametrize("form", ["dicts", "polars", "arrow"])
def test_extra_fields_are_ignored_when_asked(items: Any, form: str) -> None:
    """ignore_extra_fields passes over what is no attribute, whatever it holds."""
    rows: Any = [{"n": 1, "x": 0.5, "other": object() if form == "dicts" else "text"}]
    if form != "dicts":
        rows = pl.DataFrame(rows) if form == "polars" else pl.DataFrame(rows).to_arrow()
    with pytest.raises(UnknownField, match="other"):
        items.insert(rows)
    assert items.insert(rows, ignore_extra_fields=True) == 1


# --- threads and processes ---------------------------------------------------------------------------------------


def test_threads_insert_at_once(items: Any) -> None:
    """Eight threads insert into one table through one connection, and every row is there."""

    def insert(thread: int) -> int:
        return sum(
            items.insert(
                [{"n": 1000 * thread + 10 * call + n, "x": 0.0} for n in range(10)], skip_duplicates=call % 2 == 0
            )
            for call in range(5)
        )

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(insert, range(8))) == [50] * 8
    assert len(items) == 400


def test_a_forked_child_inserts(items: Any) -> None:
    """A child inserts on a session of its own, and the parent goes on."""
    items.insert1({"n": 1, "x": 0.0})
    child = os.fork()
    if child == 0:
        status = 1
        try:
            items.insert1({"n": 2, "x": 0.0})
            status = 0
        except BaseException:
            traceback.print_exc()  # the parent learns of the status only
            raise
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    items.insert1({"n": 3, "x": 0.0})
    assert items.fetch("n").tolist() == [1, 2, 3]


def test_a_second_row_of_a_singleton(schema: dj.Schema) -> None:
    """A table without key attributes takes one row; a second is a duplicate, told without hidden columns."""

    @schema
    class Setting(dj.Manual):
        definition = "---\nx = 1 : int32"

    Setting.insert1({})
    with pytest.raises(DuplicateKey) as caught:
        Setting.insert1({"x": 2})
    assert caught.value.key == {}
    assert "djarrow" not in str(caught.value)
    assert Setting.fetch1("x") == 1
