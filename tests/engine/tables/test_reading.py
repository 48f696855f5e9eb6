"""Reading: what fetch and its kin take and give. What rows a query has is the question of tests/engine/queries."""

from __future__ import annotations

from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import EngineError, InsertRefused, InvalidCondition, QueryError


@pytest.fixture
def scan(schema: dj.Schema) -> Any:
    """A table of three rows."""

    @schema
    class Scan(dj.Manual):
        definition = "subject : uint8\nscan : uint8\n---\ndepth : float64"

    Scan.insert([(1, number, number / 2) for number in range(3)])
    return Scan


def test_the_key_of_one_row(scan: Any) -> None:
    """fetch1 gives the primary key as a dict where "KEY" is asked for, alone or among attributes."""
    row = scan & "scan = 2"
    assert row.fetch1("KEY") == {"subject": 1, "scan": 2}
    assert row.fetch1("depth", "KEY", "scan") == (1.0, {"subject": 1, "scan": 2}, 2)


@pytest.mark.parametrize("number", [-1, 2.5, "1 OFFSET 2", True, float("inf")])
@pytest.mark.parametrize("option", ["limit", "offset"])
def test_what_is_no_number_of_rows(scan: Any, option: str, number: Any) -> None:
    """A limit or offset that is no number of rows is refused with its value, and never becomes part of the query."""
    for read in (scan.fetch, scan.to_arrow, scan.to_dicts, scan.keys):
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
    with pytest.raises(QueryError, match="postgres and duckdb, not for 'mysql'"):
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
