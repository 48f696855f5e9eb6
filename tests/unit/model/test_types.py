"""The table of types: what each core type is in PostgreSQL, DuckDB, Arrow and Polars, and what is refused."""

from __future__ import annotations

import warnings

import polars as pl
import pyarrow as pa
import pytest

from djarrow.errors import UnknownType
from djarrow.model.definition import AttributeLine, parse_definition, parse_type
from djarrow.model.legacy import LEGACY
from djarrow.model.names import TableName
from djarrow.model.spec import table_spec
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
    (core("<dj_blob>"), "<dj_blob>", "bytea", "BLOB", pa.binary(), pl.Binary()),
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


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("decimal", "NaN"),
        ("enum", "IN ({choices})"),
        ("date", "< '10000-01-01'"),
        ("time", "< '24:00:00'"),
        ("timestamp", "< '10000-01-01 00:00:00+00'"),
        ("datetime", "< '10000-01-01'"),
    ],
)
def test_other_checks(name: str, wanted: str) -> None:
    """What PostgreSQL would take and the type does not hold is checked: NaN, infinity, years, values of no enum."""
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
        attribute_type(name, parameters, table="subject", line=3, column=7)
    written = caught.value.type_text
    assert str(caught.value).startswith(f"Table 'subject', line 3, column 7: {written!r} is not a type: ")
    assert written.startswith(name)
    assert str(caught.value).endswith(reason)
    assert (caught.value.table, caught.value.line, caught.value.column) == ("subject", 3, 7)


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
    ("written", "new"),
    [
        ("boolean", "bool"),
        ("tinyint(1)", "bool"),
        ("tinyint( 1 )", "bool"),
        ("tinyint", "int8"),
        ("tinyint(4)", "int8"),
        ("tinyint unsigned", "uint8"),
        ("tinyint(1) unsigned", "uint8"),
        ("smallint", "int16"),
        ("smallint(6) unsigned", "uint16"),
        ("mediumint", "int32"),
        ("mediumint unsigned", "uint32"),
        ("int", "int32"),
        ("int(11)", "int32"),
        ("INT(10) UNSIGNED", "uint32"),
        ("Int  unsigned", "uint32"),
        ("integer", "int32"),
        ("integer unsigned", "uint32"),
        ("bigint", "int64"),
        ("bigint(20) unsigned", "uint64"),
        ("serial", "int64"),
        ("year", "int16"),
        ("year(4)", "int16"),
        ("float", "float32"),
        ("float(24)", "float32"),
        ("float(25)", "float64"),
        ("float(53)", "float64"),
        ("float(7,3)", "float32"),
        ("float unsigned", "float32"),
        ("real", "float64"),
        ("real unsigned", "float64"),
        ("double", "float64"),
        ("double(9,3)", "float64"),
        ("double unsigned", "float64"),
        ("double precision", "float64"),
        ("decimal", "decimal(38,9)"),
        ("decimal(7)", "decimal(7,0)"),
        ("decimal(7,2) unsigned", "decimal(7,2)"),
        ("numeric", "decimal(38,9)"),
        ("numeric(7,2)", "decimal(7,2)"),
        ("dec(7) unsigned", "decimal(7,0)"),
        ("fixed(7,2)", "decimal(7,2)"),
        ("time(0)", "time"),
        ("timestamp(3)", "timestamp"),
        ("DateTime(6)", "datetime"),
        ("tinytext", "varchar(255)"),
        ("text", "varchar(10485760)"),
        ("mediumtext", "varchar(10485760)"),
        ("longtext", "varchar(10485760)"),
        ("jsonb", "json"),
        ("bytes", "blob"),
        ("tinyblob", "blob"),
        ("mediumblob", "blob"),
        ("longblob", "blob"),
    ],
)
def test_legacy_names(written: str, new: str) -> None:
    """The names of earlier versions are read as core types, with one warning that says which."""
    with pytest.warns(DeprecationWarning, match="is read as") as warned:
        kind = parse_type(written, table="subject")
    assert str(kind) == new
    assert kind == parse_type(new, table="subject")
    (warning,) = warned
    text = f"{new} auto_increment" if written == "serial" else new
    assert f" is read as {text!r}; write {text!r}" in str(warning.message)
    assert str(warning.message).endswith(" (table 'subject')")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("int(11) unsigned", "the type 'int(11) unsigned' is read as 'uint32'; write 'uint32' (table 'rig', line 2)"),
        (
            "decimal(5,2) unsigned",
            "the type 'decimal(5, 2) unsigned' is read as 'decimal(5,2)'; write 'decimal(5,2)', "
            "which also takes negative numbers (table 'rig', line 2)",
        ),
        (
            "real",
            "the type 'real' is read as 'float64'; write 'float64', which holds all digits of MySQL's REAL; for a "
            "column that DataJoint-Python made in PostgreSQL, of half the size, write 'float32' (table 'rig', line 2)",
        ),
        (
            "timestamp(3)",
            "the type 'timestamp(3)' is read as 'timestamp'; write 'timestamp', which keeps microseconds "
            "(table 'rig', line 2)",
        ),
    ],
)
def test_what_the_warning_says(written: str, said: str) -> None:
    """The warning tells the type as written, the core type, what differs, the table and the line, at the caller."""
    (line,) = parse_definition(f"# rigs\na : {written}", table="rig").key
    assert isinstance(line, AttributeLine)
    with pytest.warns(DeprecationWarning, match="is read as") as warned:
        attribute_type(line.type_name, line.parameters, table="rig", line=line.line)
    assert [str(warning.message) for warning in warned] == [said]
    assert warned[0].filename == __file__


def test_each_attribute_warns_once() -> None:
    """Python shows the warning once for each line of a definition, however often the table is declared."""
    definition = "a : int\nb : int\n---\nc : float"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("default")
        for _ in range(3):
            table_spec(definition, TableName("lab", "rig"), lambda *_: None)
    assert [str(warning.message).rpartition(" (")[2] for warning in warned] == [
        "table 'rig', line 1)",
        "table 'rig', line 2)",
        "table 'rig', line 4)",
    ]


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("int('a')", "its parameters cannot be read; write 'int32'."),
        ("int(1,2)", "its parameters cannot be read; write 'int32'."),
        ("float(1,2,3)", "its parameters cannot be read; write 'float32'."),
        ("text(20)", "its parameters cannot be read; write 'varchar'."),
        ("longblob(20)", "its parameters cannot be read; write 'blob'."),
        ("numeric(39,2)", "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal(39)", "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("decimal('a') unsigned", "it takes precision (1 to 38) and scale, decimal(7, 4)."),
        ("timestamp(7)", "it takes no parameters."),
        ("date(3)", "it takes no parameters."),
        ("uint8 unsigned", "the types are int8, "),
        ("int zerofill", "the types are int8, "),
        ("auto_increment", "the types are int8, "),
        ("varchar(20) auto_increment", "the types are int8, "),
        ("str", "the types are int8, "),
    ],
)
def test_legacy_names_that_do_not_fit(written: str, reason: str) -> None:
    """Parameters and words that no earlier version had are refused."""
    with pytest.raises(UnknownType) as caught:
        parse_type(written, table="subject")
    assert reason in str(caught.value)


@pytest.mark.parametrize("written", ["<graph>", "<Graph@>", "<numpy-npy@main>"])
def test_custom_types_are_not_there_yet(written: str) -> None:
    """A custom type is refused with that reason, under the name it was given."""
    with pytest.raises(UnknownType, match="djarrow has no custom types yet") as caught:
        parse_type(written, table="subject")
    assert caught.value.type_text == written


@pytest.mark.parametrize(
    "written", ["object", "object@main", "attach", "attach@main", "filepath", "filepath@main", "longblob@main", "blob@"]
)
def test_object_types_are_not_there_yet(written: str) -> None:
    """A type that needs a store is refused with that reason."""
    with pytest.raises(UnknownType, match="djarrow has no object stores yet") as caught:
        parse_type(written, table="subject")
    assert caught.value.type_text == written


@pytest.mark.parametrize("name", LEGACY)
def test_every_legacy_name_leads_to_a_core_type(name: str) -> None:
    """The table of earlier names leads to core types only, whose text reads back without a warning."""
    with pytest.warns(DeprecationWarning, match="is read as"):
        kind = parse_type(f"{name}(3)" if name in {"time", "timestamp", "datetime"} else name, table="t")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse_type(str(kind), table="t") == kind


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
