"""Each type at its extremes goes in by every form and comes out by every form bit for bit, also through a repository.

The values that the types are tested with elsewhere are those of tests/each_type.py; here are more of them.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from tests.described import drop_schemas
from tests.each_type import CASES, same


def nested(depth: int) -> Any:
    """A document so deep."""
    return [nested(depth - 1)] if depth else {"end": None}


MORE: dict[str, list[Any]] = {
    "float32": [
        *(
            0.0,
            -1.401298464324817e-45,
            1.1754942106924411e-38,
            1.1754943508222875e-38,
            16777217.0 - 1,
            0.10000000149011612,
        ),
        -3.4028234663852886e38,
    ],
    "float64": [
        *(
            0.0,
            -5e-324,
            2.225073858507201e-308,
            2.2250738585072014e-308,
            0.1,
            1 / 3,
            2.0**53 + 2,
            -1.7976931348623157e308,
        ),
        struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF))[0],  # a NaN with a payload: it stays a NaN
    ],
    "int64": [2**53 + 1, -(2**53) - 1],
    "uint64": [2**63, 2**63 - 1, 2**53 + 1],
    "decimal(7,4)": [Decimal("0.0001"), Decimal("-0.0001"), Decimal("100.0000")],
    "decimal(38,0)": [Decimal(0), Decimal(10**37), Decimal(2**64 + 1)],
    "decimal(38,38)": [Decimal("0." + "9" * 38), Decimal("-0." + "0" * 37 + "1"), Decimal("0." + "0" * 38)],
    "varchar(3)": ["\U0010ffff" * 3, "e\u0301", "\u00e9", "\u202e\u200f", "\\N", "\t\n\r", "'", '"', "\x01", "   "],
    "char(3)": ["\U0010ffff" * 3, "  a", "\t\n\r"],
    "date": [date(1, 1, 2), date(1969, 12, 31), date(1970, 1, 1), date(1582, 10, 10), date(1999, 12, 31)],
    "time": [time(0, 0, 0, 1), time(23, 59, 59), time(12, 0, 0, 999_999)],
    "timestamp": [
        datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2000, 1, 1, tzinfo=UTC),
        datetime(2262, 4, 11, 23, 47, 16, 854_776, tzinfo=UTC),  # beyond what nanoseconds reach
    ],
    "datetime": [
        datetime(1, 1, 1, 0, 0, 0, 1),
        datetime(1969, 12, 31, 23, 59, 59, 999_999),
        datetime(1677, 9, 21, 0, 12, 43, 145_224),  # before what nanoseconds reach
        datetime(2000, 1, 1, 0, 0, 0, 123_456),
    ],
    "uuid": [UUID(int=1), UUID(int=1 << 127), UUID("00112233-4455-6677-8899-aabbccddeeff")],
    "json": [
        *(
            0,
            -1,
            10**30,
            -(10**308),
            5e-324,
            0.1,
            "",
            "\U0010ffff\u202e'\"\\",
            {"": {}},
            {"k": "\\u0000"},
            [[], {}],
            False,
        ),
        *(2**63, 9007199254740993, {"a": [0.5, -7, True, None]}, nested(200), list(range(2000))),
    ],
    "blob": [b"\0", b"\\x00", b"\xff" * 3, bytes(range(256)) * 4096, b"'; --"],
}
"""Type -> values that it holds besides those of its case."""

LONG = 65_535
"""Characters of a long text."""

VALUES: dict[str, list[Any]] = {case.written: [*case.values, *MORE.get(case.written, [])] for case in CASES} | {
    f"varchar({LONG})": ["\U0010ffff" * LONG, "x" * LONG, "", "'" * LONG],
    "char(255)": ["🐭" * 255, "x" * 255],
    "varchar(10485760)": ["x" * 10_485_760, "🐭" * 1_000_000],
    f"enum('{'x' * 63}', 'a', 'A', '\u00e9', 'e\u0301')": ["x" * 63, "a", "A", "\u00e9", "e\u0301"],
}
"""Type -> the values that are tested."""

BY_TYPE = pytest.mark.parametrize("written", VALUES, ids=lambda written: written[:20])


def test_each_type_has_more_values() -> None:
    """Nothing is misspelt: what is added belongs to a case."""
    assert set(MORE) <= {case.written for case in CASES}


def declared(schema: dj.Schema, written: str, name: str = "Sample") -> Any:
    """A table of one attribute of a type."""
    return schema(type(name, (dj.Manual,), {"definition": f"n : int32\n---\nvalue = null : {written}"}))


def rows_of(written: str) -> list[dict[str, Any]]:
    """The rows with a type's values, and NULL."""
    return [{"n": n, "value": value} for n, value in enumerate([*VALUES[written], None])]


def values(table: Any) -> list[Any]:
    """The values of a table, as Python's."""
    return [row["value"] for row in table.to_dicts()]


def plain(written: str, found: list[Any]) -> list[Any]:
    """What Arrow and Polars give, which have no objects for JSON and UUIDs, as the rows have it."""
    if written == "json":
        return [None if value is None else json.loads(value) for value in found]
    if written == "uuid":
        return [UUID(bytes=value) if isinstance(value, bytes) else value for value in found]
    return found


@BY_TYPE
def test_rows_come_back(schema: dj.Schema, written: str) -> None:
    """Of rows, the values come back as rows, as an Arrow table and as a Polars frame."""
    sample = declared(schema, written)
    sample.insert(rows_of(written))
    wanted = [*VALUES[written], None]
    assert same(values(sample), wanted)
    arrow = sample.to_arrow().sort_by("n").column("value")
    assert same(plain(written, arrow.to_pylist()), wanted)
    frame = sample.to_polars().sort("n")["value"]
    assert same(plain(written, frame.to_list()), wanted)
    assert arrow.null_count == frame.null_count() == 1  # neither NaN nor what is empty is NULL


FORMS: dict[str, Callable[[Any], Any]] = {
    "arrow": lambda table: table.to_arrow(),
    "polars": lambda table: table.to_polars(),
    "pandas": lambda table: table.to_pandas(),
    "batches": lambda table: table.to_arrow().to_batches()[0],
}
"""The forms that rows come in besides dicts: each as a table gives it."""


@BY_TYPE
@pytest.mark.parametrize("form", FORMS)
def test_forms_go_in(schema: dj.Schema, written: str, form: str) -> None:
    """What comes out in a form goes into another table in that form, with all bits."""
    first, second = declared(schema, written), declared(schema, written, "Second")
    first.insert(rows_of(written))
    second.insert(FORMS[form](first))
    assert same(values(second), [*VALUES[written], None])


def test_whole_numbers_of_json_come_back_as_such(schema: dj.Schema) -> None:
    """JSON knows no floats: a whole number so large that it is written with an exponent comes back as an integer."""
    sample = declared(schema, "json")
    sample.insert([(1, 1e16), (2, 1e308), (3, 1.0), (4, 123456.0)])
    assert same(values(sample), [10**16, 10**308, 1.0, 123456.0])


NATIVE: dict[str, pl.DataType | type[pl.DataType]] = {
    "int64": pl.Int64,
    "uint64": pl.UInt64,
    "float32": pl.Float32,
    "float64": pl.Float64,
    "date": pl.Date,
    "time": pl.Time,
    "timestamp": pl.Datetime("us", "UTC"),
    "datetime": pl.Datetime("us"),
    "decimal(38,0)": pl.Decimal(38, 0),
    "decimal(38,38)": pl.Decimal(38, 38),
    "varchar(3)": pl.String,
    "blob": pl.Binary,
    "bool": pl.Boolean,
}
"""Types whose values a user's own frame has, and its type there."""


@pytest.mark.parametrize("written", NATIVE)
def test_frames_of_users_go_in(schema: dj.Schema, written: str) -> None:
    """A frame and an Arrow table that djarrow had no hand in are inserted with all bits."""
    wanted = [*VALUES[written], None]
    frame = pl.DataFrame({"n": range(len(wanted)), "value": pl.Series(wanted, dtype=NATIVE[written], strict=True)})
    for name, given in (("Frame", frame), ("Arrow", frame.to_arrow())):
        table = declared(schema, written, name)
        table.insert(given)
        assert same(values(table), wanted)


def test_bits_of_floats_arrive(schema: dj.Schema, connection: PostgresConnection) -> None:
    """The server has the very bits: what it sends as bytes is what was given, but for the payload of a NaN."""
    for written, form, send in (("float32", "!f", "float4send"), ("float64", "!d", "float8send")):
        sample = declared(schema, written, f"Of{written[-2:]}")
        sample.insert(rows_of(written))
        text = f'SELECT {send}(value) AS bits FROM "{schema.name}".of{written[-2:]} WHERE value IS NOT NULL ORDER BY n'
        found = connection.read(text).column("bits").to_pylist()
        for value, bits in zip(VALUES[written], found, strict=True):
            assert bits == struct.pack(form, value) or (math.isnan(value) and math.isnan(struct.unpack(form, bits)[0]))


# --- repositories ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(
    connection: PostgresConnection, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[dj.Schema, SimpleNamespace]]:
    """A schema with a table for each type, and the repository that it was exported to."""
    schema = dj.Schema("test_extremes", connection=connection)
    tables = {}
    for number, written in enumerate(VALUES):
        tables[written] = declared(schema, written, f"Type{number}")
        tables[written].insert(rows_of(written))
    folder = tmp_path_factory.mktemp("extremes") / "repository"
    dj.export(schema, folder)
    repository = dj.open(folder)
    yield schema, SimpleNamespace(tables=tables, repository=repository)
    repository.close()
    drop_schemas(connection, schema.name)


@BY_TYPE
def test_a_repository_has_the_bits(published: tuple[dj.Schema, SimpleNamespace], written: str) -> None:
    """Exported as Parquet and read through DuckDB, the values are the same as rows, in Arrow and in Polars."""
    schema, found = published
    table, wanted = found.tables[written], [*VALUES[written], None]
    with found.repository.using(schema):
        assert same(values(table), wanted)
        assert same(plain(written, table.to_arrow().sort_by("n").column("value").to_pylist()), wanted)
        assert same(plain(written, table.to_polars().sort("n")["value"].to_list()), wanted)


def test_arrow_of_both_engines_is_one(published: tuple[dj.Schema, SimpleNamespace]) -> None:
    """The Arrow tables of PostgreSQL and of the repository have one schema, and the same values."""
    schema, found = published
    for written, table in found.tables.items():
        ours = table.to_arrow().sort_by("n")
        with found.repository.using(schema):
            theirs = table.to_arrow().sort_by("n")
        assert ours.schema == theirs.schema
        assert isinstance(ours, pa.Table)
        assert same(ours.column("value").to_pylist(), theirs.column("value").to_pylist()), written
