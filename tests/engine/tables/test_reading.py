"""Reading: what fetch and its kin take and give. What rows a query has is the question of tests/engine/queries."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import djarrow as dj
from djarrow.engine.postgres import PostgresConnection
from djarrow.errors import (
    EngineError,
    InsertRefused,
    InvalidCondition,
    MissingPackage,
    NotOneRow,
    QueryError,
    UnknownAttribute,
)


@pytest.fixture
def scan(schema: dj.Schema) -> Any:
    """A table of three rows."""

    @schema
    class Scan(dj.Manual):
        definition = "subject : uint8\nscan : uint8\n---\ndepth : float64"

    Scan.insert([(1, number, number / 2) for number in range(3)])
    return Scan


@pytest.fixture(params=["postgres", "duckdb"])
def scans(request: pytest.FixtureRequest, scan: Any, schema: dj.Schema, tmp_path: Path) -> Iterator[Any]:
    """The same table, read by either engine."""
    if request.param == "postgres":
        yield scan
        return
    dj.export(schema, tmp_path / "lab")
    repository = dj.open(tmp_path / "lab")
    yield repository[schema.name].Scan
    repository.close()


def test_the_key_of_one_row(scan: Any) -> None:
    """fetch1 gives the primary key as a dict where "KEY" is asked for, alone or among attributes."""
    row = scan & "scan = 2"
    assert row.fetch1("KEY") == {"subject": 1, "scan": 2}
    assert row.fetch1("depth", "KEY", "scan") == (1.0, {"subject": 1, "scan": 2}, 2)


@pytest.mark.parametrize("number", [-1, 2.5, "1 OFFSET 2", True, float("inf")])
@pytest.mark.parametrize("option", ["limit", "offset"])
def test_what_is_no_number_of_rows(scan: Any, option: str, number: Any) -> None:
    """A limit or offset that is no number of rows is refused with its value, and never becomes part of the query."""
    every = (scan.fetch, scan.to_arrow, scan.to_dicts, scan.keys, scan.to_batches, scan.to_numpy, scan.to_arrays)
    for read in (*every, scan.to_pandas):
        with pytest.raises(InvalidCondition, match=f"{option} is a number of rows"):
            read(**{option: number})


@pytest.mark.parametrize("given", [5, None, ["scan"]])
def test_what_is_no_name(scan: Any, given: Any) -> None:
    """What is no name of an attribute cannot be read, and the error shows it."""
    for read in (scan.fetch, scan.fetch1, scan.to_arrow):
        with pytest.raises(InvalidCondition, match="names of attributes, one argument each"):
            read(given)


def test_text_for_an_engine_that_is_not_known(scan: Any) -> None:
    """The SQL of a query for an engine that djarrow does not write for is refused with those it writes for."""
    with pytest.raises(QueryError, match="postgres, duckdb, spark, and not for 'mysql'"):
        scan.to_sql("mysql")


def test_inside_using_nothing_is_inserted(scan: Any, schema: dj.Schema, tmp_path: Any) -> None:
    """Where queries run on a repository, an insert is refused and reaches no database."""
    dj.export(schema, tmp_path / "lab")
    with dj.open(tmp_path / "lab").using(schema), pytest.raises(InsertRefused, match="read only"):
        scan.insert1((2, 2, 2.0))
    assert len(scan) == 3


def test_rows_come_from_where_they_were_asked_for(scan: Any, schema: dj.Schema, tmp_path: Any) -> None:
    """An iteration that begins inside a `using` block reads the repository, also when it goes on outside."""
    dj.export(schema, tmp_path / "lab")
    scan.insert1((9, 9, 9.0))
    with dj.open(tmp_path / "lab").using(schema):
        rows, batches = iter(scan), scan.to_batches("scan")
    assert [row["subject"] for row in rows] == [1, 1, 1]
    assert sum(batch.num_rows for batch in batches) == 3
    assert len(list(scan)) == 4


def alone(query: dj.QueryExpression) -> dj.QueryExpression:
    """The query itself."""
    return query


def nested(query: dj.QueryExpression) -> dj.AndList:
    """The query deep in a condition."""
    return dj.AndList([{}, [dj.Not(query)]])


@pytest.mark.parametrize("wrapped", [alone, nested])
def test_queries_of_two_places(scan: Any, schema: dj.Schema, tmp_path: Any, wrapped: Any) -> None:
    """A query of a database and one of a repository cannot be combined, also where one stands inside a condition."""
    dj.export(schema, tmp_path / "lab")
    other = dj.open(tmp_path / "lab")[schema.name].Scan.proj()
    with pytest.raises(QueryError, match="different databases"):
        scan & wrapped(other)
    with pytest.raises(QueryError, match="different databases"):
        scan - wrapped(other)


def test_a_closed_repository(scan: Any, schema: dj.Schema, tmp_path: Any) -> None:
    """Reading a repository that was closed raises an error of djarrow."""
    dj.export(schema, tmp_path / "lab")
    repository = dj.open(tmp_path / "lab")
    offline = repository[schema.name].Scan
    assert len(offline) == 3
    repository.close()
    with pytest.raises(EngineError, match="closed"):
        offline.fetch()


FORMS: dict[str, Any] = {
    "to_arrow": lambda query, **options: query.to_arrow("scan", **options).column(0).to_pylist(),
    "to_polars": lambda query, **options: query.to_polars("scan", **options)["scan"].to_list(),
    "to_pandas": lambda query, **options: query.to_pandas("scan", **options)["scan"].tolist(),
    "to_dicts": lambda query, **options: [row["scan"] for row in query.to_dicts("scan", **options)],
    "to_numpy": lambda query, **options: query.to_numpy("scan", **options)["scan"].tolist(),
    "to_arrays": lambda query, **options: query.to_arrays("scan", **options).tolist(),
    "fetch": lambda query, **options: query.fetch("scan", **options).tolist(),
    "keys": lambda query, **options: [key["scan"] for key in query.keys(**options)],
    "to_batches": lambda query, **options: [
        n for batch in query.to_batches("scan", **options) for n in batch.column(0).to_pylist()
    ],
    "to_batches of two": lambda query, **options: [
        n for batch in query.to_batches("scan", rows=2, **options) for n in batch.column(0).to_pylist()
    ],
}


@pytest.mark.parametrize("form", FORMS)
def test_order_limit_and_offset(scans: Any, form: str) -> None:
    """Every form takes an order, a limit and an offset, of a class, an instance and a query."""
    for query in (scans, scans(), scans & "subject = 1"):
        assert FORMS[form](query, order_by="KEY DESC") == [2, 1, 0]
        assert FORMS[form](query, order_by=["subject", "depth DESC"], limit=2) == [2, 1]
        assert FORMS[form](query, order_by="KEY", offset=1) == [1, 2]
        assert FORMS[form](query, order_by="KEY", limit=1, offset=1) == [1]
        assert FORMS[form](query, order_by="KEY", limit=0) == []
        with pytest.raises(UnknownAttribute, match="dept"):
            FORMS[form](query, order_by="dept")


def test_arrays(scans: Any) -> None:
    """to_arrays gives a tuple, of one attribute its array, of none records; keys come first where asked for."""
    numbers, depths = scans.to_arrays("scan", "depth")
    assert (numbers.dtype, numbers.tolist(), depths.tolist()) == (np.uint8, [0, 1, 2], [0.0, 0.5, 1.0])
    keys, depths = scans.to_arrays("depth", include_key=True)
    assert keys == scans.keys() == scans.to_arrays("KEY")
    assert depths.tolist() == [0.0, 0.5, 1.0]
    records = scans.to_arrays()
    assert records.dtype == np.dtype([("subject", np.uint8), ("scan", np.uint8), ("depth", np.float64)])
    assert records.tolist() == [(1, 0, 0.0), (1, 1, 0.5), (1, 2, 1.0)]
    assert scans.to_numpy("depth", "KEY").dtype.names == ("depth", "subject", "scan")


def test_pandas(scans: Any) -> None:
    """The key is the index where all of it is read; else, and where told so, rows are numbered."""
    frame = scans.to_pandas(order_by="KEY")
    assert (list(frame.index.names), list(frame.columns)) == (["subject", "scan"], ["depth"])
    assert frame.loc[(1, 2), "depth"] == 1.0
    assert list(scans.to_pandas(index=False).columns) == ["subject", "scan", "depth"]
    assert list(scans.to_pandas("depth", "scan").columns) == ["depth", "scan"]
    assert scans.to_pandas("scan", index=True).index.names == [None]


def test_pandas_is_not_there(scan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pandas, the error names what to install; it is an ImportError."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackage, match="to_pandas needs pandas, which is not installed: `pip install pandas`"):
        scan.to_pandas()
    assert issubclass(MissingPackage, ImportError)


def test_head_and_tail(scans: Any) -> None:
    """The first and the last rows in key order, as Polars frames."""
    assert scans.head(2)["scan"].to_list() == [0, 1]
    assert scans.tail(2)["scan"].to_list() == [1, 2]
    assert scans.tail(limit=1).equals(pl.DataFrame(scans.to_polars(order_by="KEY")[-1:]))
    assert (scans.head().height, scans.tail().height) == (3, 3)


def test_in(scans: Any) -> None:
    """A mapping is in a table or query that has a row with its values; NULL is None."""
    for query in (scans, scans(), scans & "depth > 0"):
        assert {"subject": 1, "scan": 2} in query
        assert {"scan": 1, "depth": 0.5} in query
        assert {"subject": 2} not in query
        assert {"depth": None} not in query
    assert {"scan": 0} in scans
    assert {"scan": 0} not in scans & "depth > 0"
    assert {} in scans
    assert {} not in scans & "depth > 5"


def test_what_cannot_be_in(scans: Any) -> None:
    """A name that is no attribute is refused with the nearest one, and so is what is no mapping."""
    for query in (scans, scans & "depth > 0"):
        with pytest.raises(UnknownAttribute, match=r"in: there is no attribute 'scam'\. Did you mean 'scan'"):
            {"scam": 1} in query  # noqa: B015 - it raises
        with pytest.raises(InvalidCondition, match="by a mapping of attributes to values, not by 5"):
            5 in query  # noqa: B015 - it raises


def test_length_and_truth(scans: Any) -> None:
    """A query is as long as it has rows, and true where it has any."""
    assert (len(scans), len(scans()), len(scans & "scan > 0")) == (3, 3, 2)
    assert bool(scans()) is True
    assert bool(scans & "scan > 5") is False


def test_one_row_in_each_form(scans: Any) -> None:
    """fetch1 gives a dict, a value or a tuple, and refuses none and several rows with their number."""
    row = scans & "scan = 1"
    assert row.fetch1() == {"subject": 1, "scan": 1, "depth": 0.5}
    assert list(row.fetch1()) == ["subject", "scan", "depth"]
    assert row.fetch1("depth") == 0.5
    assert row.fetch1("depth", "scan", "depth") == (0.5, 1, 0.5)
    for query, count in ((scans, "more than one"), (scans & "scan = 5", "none")):
        with pytest.raises(NotOneRow, match=f"found {count}"):
            query.fetch1()


@pytest.mark.parametrize("rows", [0, -1, 2.5, True, "2"])
def test_batches_of_no_size(scan: Any, rows: Any) -> None:
    """A batch has a whole number of rows, from 1 up; another value is refused at once."""
    with pytest.raises(InvalidCondition, match="rows is the number of rows of a batch"):
        scan.to_batches(rows=rows)


def test_explain(scans: Any) -> None:
    """The engine's own plan, which names what it reads; with analyze it has run, and says how many rows there were."""
    query = scans & "scan > 0"
    assert "scan" in query.explain().lower()
    assert "actual" not in query.explain()
    analyzed = query.explain(analyze=True)
    assert "actual" in analyzed or "Total Time" in analyzed
    assert len(analyzed.splitlines()) > 3


@pytest.mark.parametrize(
    "text", ["DROP VIEW x", "SELECT 1; SELECT 2", "COPY (SELECT 1) TO 'x.csv'", "SELECT 1; DROP VIEW x"]
)
def test_only_a_select_is_explained(scan: Any, schema: dj.Schema, tmp_path: Path, text: str) -> None:
    """The engine of a repository explains one SELECT, and what is more than that is refused unseen."""
    dj.export(schema, tmp_path / "lab")
    repository = dj.open(tmp_path / "lab")
    with pytest.raises(EngineError, match="read only, by one SELECT"):
        repository.reader.explain(text, analyze=True)
    assert len(repository[schema.name].Scan) == len(scan)
    repository.close()


def test_an_iteration_that_ends_early(scan: Any, connection: PostgresConnection) -> None:
    """An iteration that is closed or left half-read gives its connection back."""
    idle = connection._sessions.idle
    for _ in range(10):
        rows = iter(scan)
        assert next(rows)["scan"] == 0
        rows.close()
        batches = scan.to_batches(rows=1)
        assert next(batches).num_rows == 1
        batches.close()
        assert [row["scan"] for row in islice(scan, 2)] == [0, 1]
    busy = [session for session in connection._sessions._all if session.buffer_stream is not None]
    assert busy == []
    assert connection._sessions.idle <= max(idle, 4)


def test_two_iterations_at_once(scans: Any) -> None:
    """Two iterations over the same and over different queries keep their rows apart."""
    pairs = zip(scans, scans & "scan > 0", strict=False)
    assert [(one["scan"], other["scan"]) for one, other in pairs] == [(0, 1), (1, 2)]


def test_an_error_in_the_middle_of_rows(connection: PostgresConnection, scan: Any) -> None:
    """A value that cannot be computed raises an error of djarrow where its row is read, and reading goes on after."""
    scan.insert([(2, number, 0.0) for number in range(200)])
    query = scan.proj(beyond="9223372036854775805 + scan")
    for read in (lambda: list(query), lambda: list(query.to_batches(rows=2)), query.to_polars):
        with pytest.raises(EngineError, match="out of range"):
            read()
    assert len(scan) == 203


def test_the_forms_of_fetch(scan: Any) -> None:
    """DataJoint's arguments give what its forms are here."""
    assert scan.fetch(as_dict=True) == scan.to_dicts()
    assert scan.fetch("KEY", as_dict=True) == scan.keys()
    assert scan.fetch(format="array").tolist() == scan.to_numpy().tolist()
    assert scan.fetch(format="frame").equals(scan.to_pandas(order_by="KEY"))
    with pytest.raises(InvalidCondition, match="'array' or 'frame', not 'csv'"):
        scan.fetch(format="csv")
