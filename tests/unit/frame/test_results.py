"""What an engine gives as results of the declared types: Arrow, Polars, dicts, NumPy."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from djarrow.frame import results
from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import AttributeType, core

IDENTITY = uuid.UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime.datetime(2024, 10, 28, 12, 0, 0, 1)
UTC_NOON = NOON.replace(tzinfo=datetime.UTC)

CASES: list[tuple[AttributeType, pa.DataType, Any, Any, Any]] = [
    (core("int8"), pa.int16(), -128, -128, -128),
    (core("uint8"), pa.int16(), 255, 255, 255),
    (core("int16"), pa.int16(), 5, 5, 5),
    (core("uint16"), pa.int32(), 65535, 65535, 65535),
    (core("int32"), pa.int32(), 5, 5, 5),
    (core("uint32"), pa.int64(), 2**32 - 1, 2**32 - 1, 2**32 - 1),
    (core("int64"), pa.int64(), -(2**63), -(2**63), -(2**63)),
    (core("uint64"), pa.string(), "18446744073709551615", 2**64 - 1, 2**64 - 1),
    (core("float32"), pa.float32(), 0.5, 0.5, 0.5),
    (core("float64"), pa.float64(), -1e300, -1e300, -1e300),
    (core("decimal", 7, 4), pa.string(), "-123.4500", decimal.Decimal("-123.4500"), decimal.Decimal("-123.4500")),
    (core("bool"), pa.bool_(), True, True, True),
    (core("char", 4), pa.string(), "a", "a", "a"),
    (core("varchar", 20), pa.string(), "größe", "größe", "größe"),
    (core("enum", "b", "a"), pa.string(), "a", "a", "a"),
    (core("date"), pa.date32(), NOON.date(), NOON.date(), NOON.date()),
    (core("time"), pa.time64("us"), NOON.time(), NOON.time(), NOON.time()),
    (core("timestamp"), pa.timestamp("us", "UTC"), UTC_NOON, UTC_NOON, UTC_NOON),
    (core("datetime"), pa.timestamp("us"), NOON, NOON, NOON),
    (core("uuid"), pa.binary(16), IDENTITY.bytes, IDENTITY, IDENTITY.bytes),
    (core("json"), pa.string(), '{"a": [1]}', {"a": [1]}, '{"a": [1]}'),
    (core("blob"), pa.binary(), b"\0\xff", b"\0\xff", b"\0\xff"),
]
"""Type, the Arrow type in which the engine carries it, a value there, as a Python value, and in Polars."""

each_type = pytest.mark.parametrize(
    ("kind", "carried", "value", "python", "polars"), CASES, ids=[str(case[0]) for case in CASES]
)


def heading_of(kind: AttributeType) -> Heading:
    """The heading of one attribute of this type."""
    return Heading((Attribute("x", kind, nullable=True),), ())


def forms(values: list[Any], carried: pa.DataType, kind: AttributeType) -> list[pa.Table]:
    """The same column in the layouts in which engines give it."""
    plain = pa.array(values, carried)
    halves = pa.chunked_array([plain[:1], plain[1:]])
    tables = [pa.table({"x": plain}), pa.table({"x": halves}), pa.table({"x": halves.slice(0)})]
    if isinstance(kind.arrow, pa.BaseExtensionType):
        tables.append(pa.table({"x": pa.ExtensionArray.from_storage(kind.arrow, plain)}))
    if pa.types.is_dictionary(kind.arrow):
        tables.append(pa.table({"x": plain.dictionary_encode()}))
    return tables


@each_type
def test_declared(kind: AttributeType, carried: pa.DataType, value: Any, python: Any, polars: Any) -> None:
    """A column has the declared type, whatever the engine carried it in."""
    heading = heading_of(kind)
    for source in forms([value, None], carried, kind):
        found = results.declared(source, heading)
        found.validate(full=True)
        assert found.schema == heading.arrow_schema
        assert found.column("x").null_count == 1
        batch = results.declared_batch(source.combine_chunks().to_batches()[0], heading)
        assert batch.schema == heading.arrow_schema


@each_type
def test_python_values(kind: AttributeType, carried: pa.DataType, value: Any, python: Any, polars: Any) -> None:
    """Rows as dicts hold Python's own values: UUIDs, decoded JSON, exact decimals."""
    heading = heading_of(kind)
    for source in forms([value, None], carried, kind):
        rows = list(results.to_dicts(results.declared(source, heading), heading))
        assert rows == [{"x": python}, {"x": None}]
        assert type(rows[0]["x"]) is type(python)


@each_type
def test_polars(kind: AttributeType, carried: pa.DataType, value: Any, python: Any, polars: Any) -> None:
    """A Polars frame has the declared type and value."""
    heading = heading_of(kind)
    for source in forms([value, None], carried, kind):
        frame = results.to_polars(source, heading)
        assert frame.schema == {"x": kind.polars}
        assert frame["x"].to_list() == [polars, None]


@each_type
def test_no_rows(kind: AttributeType, carried: pa.DataType, value: Any, python: Any, polars: Any) -> None:
    """A result without rows, or without even a chunk, has the declared types all the same."""
    heading = heading_of(kind)
    for column in (pa.array([], carried), pa.chunked_array([], carried)):
        source = pa.table({"x": column})
        found = results.declared(source, heading)
        assert (found.schema, found.num_rows) == (heading.arrow_schema, 0)
        frame = results.to_polars(source, heading)
        assert (frame.schema, len(frame)) == ({"x": kind.polars}, 0)
        assert list(results.to_dicts(found, heading)) == []
        assert len(results.to_numpy(found.column("x"), heading["x"])) == 0


@each_type
def test_all_null(kind: AttributeType, carried: pa.DataType, value: Any, python: Any, polars: Any) -> None:
    """A result of NULLs only has the declared types."""
    heading = heading_of(kind)
    source = pa.table({"x": pa.nulls(2, carried)})
    assert results.declared(source, heading).schema == heading.arrow_schema
    assert results.to_polars(source, heading).schema == {"x": kind.polars}
    assert list(results.to_dicts(results.declared(source, heading), heading)) == [{"x": None}, {"x": None}]


@each_type
def test_numpy(kind: AttributeType, carried: pa.DataType, value: Any, python: Any, polars: Any) -> None:
    """A NumPy array is native where NumPy has the type and nothing is NULL, else it holds Python's values."""
    heading = heading_of(kind)
    full = results.declared(pa.table({"x": pa.array([value, value], carried)}), heading).column("x")
    array = results.to_numpy(full, heading["x"])
    native = kind.row.name.startswith(("int", "uint", "float")) or kind.row.name == "bool"
    assert array.dtype == (np.dtype(kind.row.name) if native else np.dtype(object))
    assert array.tolist() == [python, python]
    holed = results.declared(pa.table({"x": pa.array([value, None], carried)}), heading).column("x")
    array = results.to_numpy(holed, heading["x"])
    assert array.dtype == object
    assert array.tolist() == [python, None]


def test_null_is_not_nan() -> None:
    """NaN and NULL stay apart in every form."""
    heading = heading_of(core("float64"))
    source = pa.table({"x": pa.array([math.nan, None, -0.0, math.inf])})
    frame = results.to_polars(source, heading)
    assert frame["x"].null_count() == 1
    assert frame["x"].is_nan().to_list() == [True, None, False, False]
    values = [row["x"] for row in results.to_dicts(results.declared(source, heading), heading)]
    assert repr(values) == "[nan, None, -0.0, inf]"
    array = results.to_numpy(source.column("x"), heading["x"])
    assert repr(array.tolist()) == "[nan, None, -0.0, inf]"


def test_json_null_is_not_null() -> None:
    """The JSON value null is None in a dict, as NULL is, and text in a frame, where the two differ."""
    heading = heading_of(core("json"))
    source = pa.table({"x": pa.array(["null", None])})
    assert results.to_polars(source, heading)["x"].to_list() == ["null", None]
    rows = list(results.to_dicts(results.declared(source, heading), heading))
    assert rows == [{"x": None}, {"x": None}]


def test_enum_keeps_its_order() -> None:
    """An enum's values keep the declared order, so that sorting a frame follows it."""
    heading = heading_of(core("enum", "low", "mid", "high"))
    source = pa.table({"x": ["high", "low", "mid"]})
    assert results.to_polars(source, heading)["x"].sort().to_list() == ["low", "mid", "high"]
    column = results.declared(source, heading).column("x")
    assert column.chunk(0).dictionary.to_pylist() == ["low", "mid", "high"]


def test_order_of_columns() -> None:
    """Columns follow the heading, not the engine, and columns that it does not know are left out."""
    heading = Heading((Attribute("a", core("int8")), Attribute("b", core("varchar", 3))), ("a",))
    source = pa.table({"z": [0], "b": ["x"], "a": pa.array([1], pa.int16())})
    assert results.declared(source, heading).column_names == ["a", "b"]
    assert results.to_polars(source, heading).rows() == [(1, "x")]


def test_no_columns() -> None:
    """A result without attributes still has its rows as dicts."""
    heading = Heading((), ())
    rows = pa.Table.from_batches([pa.RecordBatch.from_struct_array(pa.array([{}] * 2, pa.struct([])))])
    assert list(results.to_dicts(rows, heading)) == [{}, {}]
    assert results.to_polars(rows, heading).equals(pl.DataFrame())


def test_required_columns() -> None:
    """The declared schema says which fields may be NULL."""
    heading = Heading((Attribute("a", core("int8")),), ("a",))
    found = results.declared(pa.table({"a": pa.array([1], pa.int16())}), heading)
    assert not found.schema.field("a").nullable


@pytest.mark.parametrize("kind", ["int32", "float64", "bool"])
def test_arrays_can_be_written(kind: str) -> None:
    """An array of NumPy's own dtype can be changed in place, and the result it came from stays as it is."""
    column = pa.array([True, False]) if kind == "bool" else pa.array([1, 0], core(kind).arrow)
    array = results.to_numpy(pa.chunked_array([column]), Attribute("x", core(kind)))
    array[0] = 0
    assert array.tolist() == [0, 0]
    assert column.to_pylist() == [1, 0]
