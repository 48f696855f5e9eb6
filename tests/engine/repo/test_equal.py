"""A repository answers as the server does."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import djarrow as dj
from djarrow.model.names import split_table_name
from djarrow.model.spec import TableSpec
from djarrow.repo.exporting.export import Exported
from djarrow.table.expression import QueryExpression

from .conftest import EVERY_VALUE, Opener, declared, same


def test_every_type(every: type[dj.Table], folder: Path, opened: Opener) -> None:
    """Rows of every type come back as they were inserted: NULL, both ends, NaN, infinities, -0.0."""
    dj.export(every, folder)
    table = opened(folder)[every().spec.name.schema].Every
    assert same(table.fetch(order_by="KEY"), every.fetch(order_by="KEY"))
    rows = table.to_dicts()
    assert list(map(repr, rows)) == list(map(repr, every.to_dicts()))
    for found, given in zip(rows, EVERY_VALUE, strict=True):
        for name, value in found.items():
            wanted = given.get(name)
            assert repr(value) == repr(wanted) or value == wanted, (given["n"], name)


@pytest.mark.parametrize("form", ["to_arrow", "to_polars", "to_dicts", "keys"])
def test_forms(every: type[dj.Table], folder: Path, opened: Opener, form: str) -> None:
    """Each form of result is the same from both, with the same types."""
    dj.export(every, folder)
    table = opened(folder)[every().spec.name.schema].Every
    ours, theirs = (getattr(cls, form)(order_by="KEY") for cls in (table, every))
    if form == "to_polars":
        assert same(ours, theirs)
    elif form == "to_arrow":
        assert ours.schema.equals(theirs.schema)
        assert str(ours.to_pydict()) == str(theirs.to_pydict())
    else:
        assert str(ours) == str(theirs)


def test_length_truth_and_iteration(every: type[dj.Table], folder: Path, opened: Opener) -> None:
    """len, bool and iteration are those of the rows."""
    dj.export(every, folder)
    table = opened(folder)[every().spec.name.schema].Every
    assert len(table) == len(EVERY_VALUE)
    assert bool(table())
    assert not table & "n > 100"
    assert [row["n"] for row in table] == [0, 1, 2, 3, 4]
    assert (table & {"n": 2}).fetch1("kind", "u64") == ("b\\c", 2**64 - 1)


def test_all_tables(lab: dj.Schema, exported: Exported, opened: Opener) -> None:
    """Every table is there with its rows: lookups, parts, computed ones, a singleton, and one without rows."""
    repository = opened(exported.path)
    assert exported.tables == len(lab.tables) == 8
    for cls in lab.tables:
        table = _class(repository[lab.name], cls().spec)
        assert same(table.fetch(order_by="KEY"), cls.fetch(order_by="KEY")), cls
        assert table().spec == cls().spec
        assert table.describe() == cls.describe()


def _class(schema: Any, spec: TableSpec) -> Any:
    """The class of a repository for a table."""
    if spec.master is None:
        return getattr(schema, spec.class_name)
    return getattr(getattr(schema, split_table_name(spec.master.table)[1]), spec.class_name)


Query = Callable[[Any], QueryExpression]

QUERIES: dict[str, Query] = {
    "text": lambda t: t.Subject & "weight > 3 and name like 'n%'",
    "mapping": lambda t: t.Session & {"subject_id": 3},
    "mapping with NULL": lambda t: t.Session & {"way": None},
    "list": lambda t: t.Subject & [{"subject_id": 1}, {"sex": "F", "subject_id": 4}, "subject_id = 7"],
    "table": lambda t: t.Subject & t.Session,
    "table with a condition": lambda t: t.Subject & (t.Session & "session = 2"),
    "not a table": lambda t: t.Session - t.Score,
    "not a condition with NULL": lambda t: t.Subject - "weight > 3",
    "not through a nullable reference": lambda t: t.Subject - t.Session.proj(owner="subject_id", subject_id="helper"),
    "NaN equals nothing less": lambda t: t.Session & "x > 1",
    "NaN is not less": lambda t: t.Session & "x < 1",
    "projection": lambda t: t.Subject.proj("name", twice="weight * 2", year="year(born)"),
    "division": lambda t: t.Session.proj(q="session / 4", none="x / 0", i="1 / 3"),
    "rename": lambda t: t.Session.proj("x", day="session"),
    "all and one more": lambda t: t.Session.proj(..., big="x > 2"),
    "text functions": lambda t: t.Subject.proj(c="concat(name, '-', sex)", l="length(name)", u="upper(name)"),
    "join": lambda t: t.Subject * t.Session,
    "join with a renamed key": lambda t: t.Session.proj(method="way") * t.Method & "gain > 0",
    "join of three": lambda t: t.Session * t.Session.Note * t.Score.proj(s="score"),
    "aggregation": lambda t: t.Subject.aggr(t.Session, n="count(*)", m="avg(session)", s="sum(session)", l="max(way)"),
    "aggregation over nothing": lambda t: t.Session.aggr(t.Session.Note, n="count(*)", k="max(note)"),
    "aggregation of conditions": lambda t: t.Subject.aggr(
        t.Session, late="sum(session > 3)", ways="count(distinct way)"
    ),
    "top": lambda t: t.Session & dj.Top(7, "x DESC"),
    "top, then more": lambda t: ((t.Session & dj.Top(9, "session DESC", offset=3)) * t.Subject) & "subject_id > 2",
    "and, not": lambda t: t.Session & dj.AndList(["x > 1", dj.Not("session = 3")]),
    "a part of the restricted": lambda t: t.Session.Note & (t.Session & "x >= 2"),
}


@pytest.fixture
def tables(lab: dj.Schema) -> Any:
    """The classes of `lab` as attributes."""

    class Tables:
        pass

    for cls in lab.tables:
        if cls().spec.master is None:
            setattr(Tables, cls.__name__, cls)
    return Tables


def test_queries(tables: Any, exported: Exported, opened: Opener) -> None:
    """Every operator gives the same rows, types and length on a repository's classes as on the server's."""
    offline = opened(exported.path)[tables.Subject().spec.name.schema]
    for name, query in QUERIES.items():
        theirs, ours = query(tables), query(offline)
        found = ours.fetch(order_by="KEY")
        assert same(found, theirs.fetch(order_by="KEY")), name
        assert len(ours) == len(theirs) == len(found), name
        assert bool(ours) == bool(theirs), name
        assert str(ours.to_dicts()) == str(theirs.to_dicts()), name


def test_queries_have_rows(tables: Any) -> None:
    """None of these comparisons is of nothing with nothing."""
    assert [name for name, query in QUERIES.items() if not query(tables)] == []


def test_filter_keeps_nan(schema: dj.Schema, folder: Path, opened: Opener) -> None:
    """A condition on a float column does not lose the rows with NaN, which is greater than all numbers."""
    table = declared(schema, "Mixed", "n : int32\n---\nx : float64\ny : float32\n")
    table.insert([(n, math.nan if n == 7 else n, math.nan if n == 8 else n) for n in range(100)])
    dj.export(schema, folder)
    mixed = opened(folder)[schema.name].Mixed
    for condition, found in {
        "x > 1000": [7],
        "y > 1000": [8],
        "x > 98": [7, 99],
        "x >= 99 or y > 1000": [7, 8, 99],
    }.items():
        assert (mixed & condition).fetch("n").tolist() == found
        assert (table & condition).fetch("n").tolist() == found
