"""Each type in each form of a result, on both engines: what a value comes back as, with NULL, and without rows."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import djarrow as dj
from djarrow.frame.results import to_values
from djarrow.model.types import Family
from tests.crossed import crossed
from tests.each_type import CASES, Case, same

BY_TYPE = pytest.mark.parametrize("case", CASES, ids=lambda case: case.written)
NATIVE = (Family.INTEGER, Family.FLOAT, Family.BOOLEAN)
Sample = Callable[[Case], Any]


@pytest.fixture(params=["postgres", "duckdb"])
def sample(request: pytest.FixtureRequest, schema: dj.Schema, tmp_path: Path) -> Iterator[Sample]:
    """Makes a table with a row for each value of a type and one of NULL, to be read by the engine."""
    opened = []

    def make(case: Case) -> Any:
        table: Any = schema(
            type("Sample", (dj.Manual,), {"definition": f"n : int32\n---\nvalue = null : {case.written}"})
        )
        table.insert([{"n": n, "value": value} for n, value in enumerate([*case.values, None])])
        if request.param == "postgres":
            return table
        dj.export(schema, tmp_path / "lab")
        opened.append(dj.open(tmp_path / "lab"))
        return opened[0][schema.name].Sample

    yield make
    for repository in opened:
        repository.close()


def in_polars(value: Any) -> Any:
    """The value as a Polars frame holds it: UUIDs are bytes."""
    return value.bytes if isinstance(value, uuid.UUID) else value


def values_of(array: Any, query: Any) -> list[Any]:
    """An Arrow column of the attribute as Python values."""
    return to_values(array, query.heading["value"])


def from_pandas(series: Any, case: Case) -> list[Any]:
    """The values of a pandas column as Python values, None where they are missing."""
    if case.kind.family is Family.JSON:
        return [None if missing else json.loads(text) for text, missing in zip(series, series.isna(), strict=True)]
    if case.kind.family in (Family.UUID, Family.ENUM):
        return [None if missing else value for value, missing in zip(series, series.isna(), strict=True)]
    values: list[Any] = pa.array(series).to_pylist()
    return values


@BY_TYPE
def test_row_forms(sample: Sample, case: Case) -> None:
    """Dicts, arrays, iteration and single rows hold Python's own values, the same in all of them."""
    query, wanted = sample(case), [*case.values, None]
    assert same([row["value"] for row in query.to_dicts()], wanted)
    assert same([row["value"] for row in query], wanted)
    assert same([(query & {"n": n}).fetch1("value") for n in range(len(wanted))], wanted)
    assert same([(query & {"n": n}).fetch1()["value"] for n in range(len(wanted))], wanted)
    assert same(query.to_arrays("value").tolist(), wanted)
    assert same([record["value"] for record in query.to_numpy()], wanted)


@BY_TYPE
def test_columnar_forms(sample: Sample, case: Case) -> None:
    """Arrow, batches and Polars have the declared type and the values, in one read or in several."""
    query, wanted = sample(case), [*case.values, None]
    table = query.to_arrow(order_by="KEY")
    assert table.schema == query.heading.arrow_schema
    assert same(values_of(table.column("value"), query), wanted)
    batches = list(query.to_batches(order_by="KEY", rows=2))
    assert [batch.num_rows for batch in batches] == [2] * (len(wanted) // 2) + [1] * (len(wanted) % 2)
    assert same([v for batch in batches for v in values_of(batch.column("value"), query)], wanted)
    assert {batch.schema for batch in batches} == {table.schema}
    frame = query.to_polars(order_by="KEY")
    assert frame.schema == {"n": pl.Int32(), "value": case.kind.polars}
    shown = [json.loads(v) if v and case.kind.family is Family.JSON else v for v in frame["value"].to_list()]
    assert same(shown, [in_polars(value) for value in wanted])


@BY_TYPE
@pytest.mark.parametrize("sample", ["postgres"], indirect=True)
def test_partitions(sample: Sample, case: Case) -> None:
    """A read over several connections gives the rows, types and order of a single one, to the bit."""
    query = sample(case)
    for order_by, partitions in crossed(["KEY", "KEY DESC", "value", "value DESC"], [2, 20]):
        single = query.to_arrow(order_by=order_by)
        found = query.to_arrow(order_by=order_by, partitions=partitions)
        assert found.schema == single.schema
        assert same(values_of(found.column("value"), query), values_of(single.column("value"), query))
        assert found.column("n").equals(single.column("n"))
    frame = query.to_polars(order_by="KEY", partitions=3)
    assert frame.equals(query.to_polars(order_by="KEY"), null_equal=True)


@BY_TYPE
def test_pandas(sample: Sample, case: Case) -> None:
    """A pandas frame has Arrow's dtypes and the values; NULL is missing, NaN is a value."""
    query, wanted = sample(case), [*case.values, None]
    frame = query.to_pandas(order_by="KEY")
    assert frame.index.names == ["n"]
    assert frame["value"].isna().tolist() == [value is None for value in wanted]
    dtype = {Family.UUID: "object", Family.ENUM: "category", Family.JSON: "string[pyarrow]"}.get(case.kind.family)
    assert str(frame["value"].dtype) == (dtype or f"{case.kind.arrow}[pyarrow]")
    assert same(from_pandas(frame["value"], case), wanted)
    assert list((query & "n = -1").to_pandas().dtypes) == list(frame.dtypes)


@BY_TYPE
def test_no_rows(sample: Sample, case: Case) -> None:
    """Every form of a result without rows has the declared types."""
    none = sample(case) & "n = -1"
    assert none.to_arrow().schema == none.heading.arrow_schema
    assert none.to_arrow(partitions=3).schema == none.heading.arrow_schema
    assert none.to_polars(partitions=3).schema == {"n": pl.Int32(), "value": case.kind.polars}
    assert (none.to_dicts(), none.keys(), list(none), list(none.to_batches(rows=5))) == ([], [], [], [])
    assert none.to_numpy().shape == (0,)
    native = case.kind.row.name if case.kind.family in NATIVE else "object"
    assert none.to_numpy().dtype.descr[1][0] == "value"
    assert (none.to_arrays("value").dtype, none.to_numpy().dtype["value"]) == (native, native)


def test_arrow_keeps_uuids_as_uuids(sample: Sample) -> None:
    """A UUID is sixteen bytes with Arrow's extension, and an enum a dictionary of its values."""
    (case,) = [case for case in CASES if case.written == "uuid"]
    column = sample(case).to_arrow("value", order_by="n").column("value")
    assert column.type == pa.uuid()
    assert column.to_pylist() == [*case.values, None]
