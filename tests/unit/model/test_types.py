"""The table of types: what each core type is in PostgreSQL, DuckDB, Arrow and Polars, and what is refused."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from djarrow.errors import UnknownType
from djarrow.model.definition import parse_type
from djarrow.model.types import KEYLESS_FAMILIES, ROWS, AttributeType, Family, attribute_type, core

TABLE: list[tuple[AttributeType, str, str, str, pa.DataType, pl.DataType]] = [
    (core("int8"), "int8", "smallint", "TINYINT", pa.int8(), pl.Int8()),
    (core("uint8"), "uint8", "smallint", "UTINYINT", pa.uint8(), pl.UInt8()),
    (core("int16"), "int16", "smallint", "SMALLINT", pa.int16(), pl.Int16()),
    (core("uint16"), "uint16", "integer", "USMALLINT", pa.uint16(), pl.UInt16()),
    (core("int32"), "int32", "integer", "INTEGER", pa.int32(), pl.Int32()),
    (core("uint32"), "uint32", "bigint", "UINTEGER", pa.uint32(), pl.UInt32()),
    (core("int64"), "int64", "bigint", "BIGINT", pa.int64(), pl.Int64()),
    (core("uint64"), "uint64", "numeric(20,0)", "UBIGINT", pa.uint64(), pl.UInt64()),
    (core("float32"), "float32", "real", "FLOAT", pa.float32(), pl.Float32()),
    (core("float64"), "float64", "double precision", "DOUBLE", pa.float64(), pl.Float64()),
    (core("decimal", 7, 4), "decimal(7,4)", "numeric(7,4)", "DECIMAL(7,4)", pa.decimal128(7, 4), pl.Decimal(7, 4)),
    (core("bool"), "bool", "boolean", "BOOLEAN", pa.bool_(), pl.Boolean()),
    (core("char", 4), "char(4)", "varchar(4)", "VARCHAR", pa.string(), pl.String()),
    (core("varchar", 20), "varchar(20)", "varchar(20)", "VARCHAR", pa.string(), pl.String()),
    (
        core("enum", "a", "b"),
        "enum('a','b')",
        "text",
        "VARCHAR",
        pa.dictionary(pa.int16(), pa.string(), ordered=True),
        pl.Enum(["a", "b"]),
    ),
    (core("date"), "date", "date", "DATE", pa.date32(), pl.Date()),
    (core("time"), "time", "time", "TIME", pa.time64("us"), pl.Time()),
    (core("timestamp"), "timestamp", "timestamptz", "TIMESTAMPTZ", pa.timestamp("us", "UTC"), pl.Datetime("us", "UTC")),
    (core("datetime"), "datetime", "timestamp", "TIMESTAMP", pa.timestamp("us"), pl.Datetime("us")),
    (core("uuid"), "uuid", "uuid", "UUID", pa.uuid(), pl.Binary()),
    (core("json"), "json", "jsonb", "JSON", pa.json_(), pl.String()),
    (core("blob"), "blob", "bytea", "BLOB", pa.binary(), pl.Binary()),
]
"""Design section 4, row by row: type, text, PostgreSQL, DuckDB, Arrow, Polars."""


def test_the_table_is_complete() -> None:
    """The expectations of this file cover every core type."""
    assert [kind.row.name for kind, *_ in TABLE] == list(ROWS)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_table(row: tuple[AttributeType, str, str, str, pa.DataType, pl.DataType]) -> None:
    """Each core type has the column types and frame types of the design's table."""
    kind, text, postgres, duckdb, arrow, polars = row
    assert str(kind) == repr(kind) == text
    assert kind.postgres == postgres
    assert kind.duckdb == duckdb
    assert kind.arrow == arrow
    assert kind.polars == polars


@pytest.mark.parametrize(
    ("name", "low", "high", "checked"),
    [
        ("int8", -128, 127, True),
        ("uint8", 0, 255, True),
        ("int16", -32768, 32767, False),
        ("uint16", 0, 65535, True),
        ("int32", -2147483648, 2147483647, False),
        ("uint32", 0, 4294967295, True),
        ("int64", -9223372036854775808, 9223372036854775807, False),
        ("uint64", 0, 18446744073709551615, True),
    ],
)
def test_integer_ranges(name: str, low: int, high: int, checked: bool) -> None:
    """An integer type has its own range, which a check holds where PostgreSQL's column is wider."""
    row = ROWS[name]
    assert (row.minimum, row.maximum) == (low, high)
    assert row.check == (f"{{column}} BETWEEN {low} AND {high}" if checked else None)


@pytest.mark.parametrize("name", ["decimal", "enum", "date", "timestamp", "datetime"])
def test_other_checks(name: str) -> None:
    """What PostgreSQL would take and the type does not hold is checked: NaN, infinity, values outside an enum."""
    wanted = {"decimal": "NaN", "enum": "IN ({choices})"}.get(name, "isfinite({column})")
    check = ROWS[name].check
    assert check is not None
    assert wanted in check


def test_wide_numerics_are_read_as_text() -> None:
    """The types that travel as numeric, and only they, are read as text."""
    assert {name for name, row in ROWS.items() if row.as_text} == {"uint64", "decimal"}


def test_equality() -> None:
    """Types are equal when name and parameters are, and can be keys of a dict."""
    assert core("varchar", 3) == attribute_type("varchar", (3,))
    assert core("varchar", 3) != core("char", 3)
    assert core("varchar", 3) != core("varchar", 4)
    assert core("enum", "a", "b") != core("enum", "b", "a")
    assert len({core("int8"), core("int8"), core("int16")}) == 2


def test_choices_and_length() -> None:
    """An enum tells its values in order, a string its length; other types have neither."""
    assert core("enum", "b", "a").choices == ("b", "a")
    assert core("varchar", 7).max_length == 7
    assert (core("decimal", 7, 4).choices, core("decimal", 7, 4).max_length) == ((), None)


def test_keyless_families() -> None:
    """Blobs and JSON have no order and cannot be in a key."""
    assert {Family.BLOB, Family.JSON} == KEYLESS_FAMILIES


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("int32", (11,), "it takes no parameters."),
        ("uuid", ("x",), "it takes no parameters."),
        ("date", (6,), "it takes no parameters."),
        ("varchar", (), "it takes a length from 1 to 10485760, varchar(20)."),
        ("varchar", (0,), "it takes a length from 1 to 10485760, varchar(20)."),
        ("varchar", (10_485_761,), "it takes a length from 1 to 10485760, varchar(20)."),
        ("varchar", ("a",), "it takes a length from 1 to 10485760, varchar(20)."),
        ("char", (2, 3), "it takes a length from 1 to 10485760, char(20)."),
        ("decimal", (), "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal", (7,), "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal", (39, 2), "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal", (0, 0), "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal", (4, 5), "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal", ("7", "4"), "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("enum", (), "an enum lists its values as strings, enum('a', 'b')."),
        ("enum", (1, 2), "an enum lists its values as strings, enum('a', 'b')."),
        ("enum", ("a", 2), "an enum lists its values as strings, enum('a', 'b')."),
        ("enum", ("a", "a"), "an enum's values must differ."),
    ],
)
def test_wrong_parameters(name: str, parameters: tuple[int | str, ...], reason: str) -> None:
    """Parameters that a type does not take are refused with those that it takes."""
    with pytest.raises(UnknownType) as caught:
        attribute_type(name, parameters, table="subject", line=3)
    assert str(caught.value).startswith(f"Table 'subject', line 3: {caught.value.type_text!r} is not a type: ")
    assert caught.value.type_text.startswith(name)
    assert str(caught.value).endswith(reason)
    assert (caught.value.table, caught.value.line) == ("subject", 3)


@pytest.mark.parametrize("limits", [("decimal", 38, 38), ("decimal", 1, 0), ("varchar", 1), ("varchar", 10_485_760)])
def test_parameter_limits(limits: tuple[str, int, int]) -> None:
    """The largest and the smallest parameters are taken."""
    name, *parameters = limits
    assert attribute_type(name, tuple(parameters)).parameters == tuple(parameters)


@pytest.mark.parametrize(("wrong", "near"), [("unit8", "uint8"), ("int23", "int32"), ("varcahr", "varchar")])
def test_unknown_type(wrong: str, near: str) -> None:
    """An unknown type is refused with the nearest one and the list of all."""
    with pytest.raises(UnknownType, match=f"Did you mean '{near}'") as caught:
        attribute_type(wrong)
    assert caught.value.type_text == wrong
    assert "the types are int8, uint8, int16" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "parameters", "new"),
    [
        ("int", (), "int32"),
        ("int", (11,), "int32"),
        ("integer", (), "int32"),
        ("tinyint", (), "int8"),
        ("tinyint", (1,), "bool"),
        ("tinyint", (4,), "int8"),
        ("smallint", (), "int16"),
        ("mediumint", (), "int32"),
        ("bigint", (), "int64"),
        ("int unsigned", (), "uint32"),
        ("INT  UNSIGNED", (), "uint32"),
        ("tinyint unsigned", (), "uint8"),
        ("smallint unsigned", (), "uint16"),
        ("bigint unsigned", (), "uint64"),
        ("float", (), "float32"),
        ("real", (), "float32"),
        ("double", (), "float64"),
        ("double precision", (), "float64"),
        ("boolean", (), "bool"),
        ("longblob", (), "blob"),
        ("mediumblob", (), "blob"),
    ],
)
def test_legacy_names(old: str, parameters: tuple[int, ...], new: str) -> None:
    """The names of earlier versions are read as core types, with a warning that says which."""
    with pytest.warns(DeprecationWarning, match=f"is read as '{new}'; write '{new}'"):
        assert attribute_type(old, parameters) == core(new)


def test_core_names_do_not_warn(recwarn: pytest.WarningsRecorder) -> None:
    """The core names, in any case, are read without a warning."""
    for name in ("INT32", "Bool", "uuid"):
        assert str(attribute_type(name)) == name.lower()
    assert not recwarn.list


def test_enum_text_escapes() -> None:
    """Quotes and backslashes in an enum's values are written so that a definition reads them back."""
    kind = core("enum", "it's", "C:\\", "a,b", '"', "{0}", "größe")
    assert str(kind) == r"""enum('it''s','C:\\','a,b','"','{0}','größe')"""
    assert parse_type(str(kind), table="t") == kind
