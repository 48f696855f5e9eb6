"""Each type in the database: what it holds and refuses from any client, and as what its values come back."""

from __future__ import annotations

import datetime
import decimal
import math
import warnings
from typing import Any

import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import DjarrowError
from djarrow.model.types import ROWS
from tests.each_type import CASES, Case, same

UTC = datetime.UTC
Decimal = decimal.Decimal


BY_TYPE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.written)


def test_every_core_type_is_here() -> None:
    """The cases of this file cover the table of types; the encodings of blobs are the question of the codec's tests."""
    assert {case.kind.row.name for case in CASES} == {name for name in ROWS if not name.startswith("<")}


def declared(schema: dj.Schema, written: str) -> Any:
    """A table of one attribute of a type."""
    return schema(type("Sample", (dj.Manual,), {"definition": f"n : int32\n---\nvalue = null : {written}"}))


def check_schema(query: Any, case: Case) -> None:
    """Asserts that Arrow and Polars have the declared type."""
    arrow, frame = query.to_arrow("value"), query.fetch()
    assert arrow.schema.field("value").type == case.kind.arrow
    assert frame.schema["value"] == case.kind.polars
    assert frame.schema["n"] == pl.Int32()


@BY_TYPE
def test_values_come_back(schema: dj.Schema, case: Case) -> None:
    """What a type holds, to its extremes and with NULL, is inserted and comes back as itself, under its own type."""
    sample = declared(schema, case.written)
    sample.insert([{"n": n, "value": value} for n, value in enumerate([*case.values, None])])
    assert same([row["value"] for row in sample.to_dicts()], [*case.values, None])
    check_schema(sample, case)
    assert sample.to_arrow("value").column("value").null_count == 1


@BY_TYPE
def test_values_of_another_client_come_back(connection: PostgresConnection, schema: dj.Schema, case: Case) -> None:
    """What any other client writes in the type's column comes back as the value that djarrow would have written."""
    sample = declared(schema, case.written)
    schema.activate()
    for n, text in enumerate([*case.sql, "NULL"]):
        connection.execute(f'INSERT INTO "{schema.name}".sample (n, value) VALUES ({n}, {text})')
    assert same([row["value"] for row in sample.to_dicts()], [*case.values, None])
    check_schema(sample, case)


@BY_TYPE
def test_other_values_are_refused_by_the_database(
    connection: PostgresConnection, schema: dj.Schema, case: Case
) -> None:
    """What the type does not hold is refused by the database itself, whoever writes it."""
    sample = declared(schema, case.written)
    schema.activate()
    for text in case.refused:
        with pytest.raises(DjarrowError):
            connection.execute(f'INSERT INTO "{schema.name}".sample (n, value) VALUES (1, {text})')
        assert len(sample) == 0
    sample.insert1((1, None))
    for text in case.refused:
        with pytest.raises(DjarrowError):
            connection.execute(f'UPDATE "{schema.name}".sample SET value = {text}')
    assert sample.fetch1("value") is None


@BY_TYPE
def test_an_empty_result_has_the_types(schema: dj.Schema, case: Case) -> None:
    """A result without rows has the declared types, of an empty table and of a restriction that matches nothing."""
    sample = declared(schema, case.written)
    check_schema(sample, case)
    assert sample.to_dicts() == []
    sample.insert1({"n": 1, "value": case.values[0]})
    check_schema(sample & "n = 2", case)
    assert (sample & "n = 2").to_dicts() == []


@BY_TYPE
def test_the_type_is_read_back(connection: PostgresConnection, schema: dj.Schema, case: Case) -> None:
    """The catalog tells the declared type of an attribute again, with its parameters."""
    declared(schema, case.written)
    schema.activate()
    again = dj.Schema(schema.name, connection=connection)
    sample = declared(again, case.written)
    assert again.stored_spec(sample().spec.name).heading["value"].type == case.kind
    assert len(sample) == 0


@pytest.mark.parametrize(
    ("written", "core", "column"),
    [
        ("boolean", "bool", "boolean"),
        ("tinyint(1)", "bool", "boolean"),
        ("tinyint unsigned", "uint8", "smallint"),
        ("smallint", "int16", "smallint"),
        ("mediumint", "int32", "integer"),
        ("int(11)", "int32", "integer"),
        ("int unsigned", "uint32", "bigint"),
        ("bigint unsigned", "uint64", "numeric(20,0)"),
        ("year", "int16", "smallint"),
        ("float", "float32", "real"),
        ("double precision", "float64", "double precision"),
        ("decimal", "decimal(38,9)", "numeric(38,9)"),
        ("decimal(7,2) unsigned", "decimal(7,2)", "numeric(7,2)"),
        ("timestamp(3)", "timestamp", "timestamp with time zone"),
        ("datetime(3)", "datetime", "timestamp without time zone"),
        ("tinytext", "varchar(255)", "character varying(255)"),
        ("text", "varchar(10485760)", "character varying(10485760)"),
        ("jsonb", "json", "jsonb"),
        ("bytes", "blob", "bytea"),
        ("longblob", "blob", "bytea"),
    ],
)
def test_legacy_names_land_on_core_types(
    connection: PostgresConnection, schema: dj.Schema, written: str, core: str, column: str
) -> None:
    """A name of earlier versions makes the column of its core type, and warns once, at the line that declares."""
    with pytest.warns(DeprecationWarning, match="is read as") as warned:
        sample = declared(schema, written)
    assert [(w.filename, str(w.message).partition(" is read as ")[2].partition(";")[0]) for w in warned] == [
        (__file__, repr(core))
    ]
    assert str(sample.heading["value"].type) == core
    schema.activate()
    (found,) = connection.query(
        "SELECT format_type(atttypid, atttypmod)::text AS form, col_description(attrelid, attnum) AS comment "
        f"FROM pg_attribute WHERE attrelid = '\"{schema.name}\".sample'::regclass AND attname = 'value'"
    ).to_pylist()
    assert found["form"] == column
    assert sample.describe().splitlines()[-1].split(" : ")[1].startswith(core)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert str(schema.stored_spec(sample().spec.name).heading["value"].type) == core


def test_a_text_of_any_length(schema: dj.Schema) -> None:
    """What the specification's texts hold fits the long varchar that they become."""
    with pytest.warns(DeprecationWarning, match="'longtext' is read as"):
        sample = declared(schema, "longtext")
    sample.insert1((1, "x" * 1_000_000))
    assert sample.fetch1("value") == "x" * 1_000_000


def test_log_entries_count_up(schema: dj.Schema) -> None:
    """001 5.8.5: the database numbers the entries, and the time of an entry is that of its insert."""
    with pytest.warns(DeprecationWarning, match="is read as"):

        @schema
        class Log(dj.Manual):
            definition = """
            # log entries
            entry_id : smallint auto_increment
            ---
            entry_text : varchar(4000)
            entry_time = CURRENT_TIMESTAMP : timestamp(3) # automatic timestamp with millisecond precision
            """

    before = datetime.datetime.now(UTC)
    Log.insert([{"entry_text": "first"}, {"entry_text": "second"}])
    Log.insert1({"entry_text": "third"})
    rows = Log.to_dicts()
    assert [(row["entry_id"], row["entry_text"]) for row in rows] == [(1, "first"), (2, "second"), (3, "third")]
    assert all(before <= row["entry_time"] <= datetime.datetime.now(UTC) for row in rows)
    assert "entry_id : int16 auto_increment" in Log.describe()


def test_a_moment_in_the_key(connection: PostgresConnection, schema: dj.Schema) -> None:
    """001 5.8.3: an attribute of the key may be the moment of the insert."""

    @schema
    class Event(dj.Manual):
        definition = "at = CURRENT_TIMESTAMP : timestamp\n---\nwhat : varchar(9)"

    before = datetime.datetime.now(UTC)
    Event.insert1({"what": "lick"})
    connection.execute(f"INSERT INTO \"{schema.name}\".event (what) VALUES ('stop')")
    first, second = Event.to_dicts()
    assert before <= first["at"] < second["at"] <= datetime.datetime.now(UTC)
    assert [first["what"], second["what"]] == ["lick", "stop"]


def test_defaults_hold_for_any_client(connection: PostgresConnection, schema: dj.Schema) -> None:
    """A default is the column's own: omitted fields are the same, whether djarrow or another client inserts."""

    @schema
    class Sample(dj.Manual):
        definition = r"""
        n : int8
        ---
        number = -1 : int64
        large = 18446744073709551615 : uint64
        small = .5 : float32
        infinite = -inf : float64
        price = 1e2 : decimal(5,2)
        yes = TRUE : bool
        plain = word : varchar(9)
        empty = "" : varchar(9)
        signs = 'a:b,#"\\ ''c' : varchar(20)  # a: "comment"
        side = "it's" : enum("it's", 'no')
        born : date = "2020-05-31"
        at : time = '10:20:30.5'
        seen : timestamp = '2020-05-31 02:00:00+02:00'
        local : datetime = '2020-05-31 02:00'
        """

    Sample.insert1({"n": 1})
    connection.execute(f'INSERT INTO "{schema.name}".sample (n) VALUES (2)')
    first, second = Sample.to_dicts()
    assert {**first, "n": 2} == second
    assert first == {
        "n": 1,
        "number": -1,
        "large": 2**64 - 1,
        "small": 0.5,
        "infinite": -math.inf,
        "price": Decimal(100),
        "yes": True,
        "plain": "word",
        "empty": "",
        "signs": "a:b,#\"\\ 'c",
        "side": "it's",
        "born": datetime.date(2020, 5, 31),
        "at": datetime.time(10, 20, 30, 500_000),
        "seen": datetime.datetime(2020, 5, 31, tzinfo=UTC),
        "local": datetime.datetime(2020, 5, 31, 2),
    }
    assert Sample.heading["signs"].comment == 'a: "comment"'
