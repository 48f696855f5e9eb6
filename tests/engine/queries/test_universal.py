"""Universal sets: distinct values and aggregates over them. Design section 6; specification 000, 001 8.11."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest

import djarrow as dj
from djarrow.errors import IncompatibleOperands, InvalidCondition, QueryError, UnknownAttribute

from .conftest import Evaluate


def test_distinct_values(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The values that there are, each once; they are the key, and NULL is none of them."""
    query = dj.U("method") & tables.Session
    assert query.primary_key == ("method",)
    assert not query.heading["method"].nullable
    assert evaluate(query) == [{"method": "patch"}, {"method": "probe"}]
    assert [row["name"] for row in evaluate(dj.U("name", "sex") & tables.Subject)] == ["Ann", "Bob", "ann"]


def test_lineage_stays(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """What traces to a definition still matches it."""
    query = tables.Method - (dj.U("method") & tables.Session)
    assert evaluate(query) == [{"method": "wide"}]
    assert evaluate(tables.Subject & (dj.U("subject_id") & (tables.Session & "x > 0"))) == evaluate(
        tables.Subject & "subject_id < 3"
    )


def test_of_computed_values(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The example of 000: all years of a query that computes them."""
    query = dj.U("year") & (tables.Session & "x is not null").proj(year="YEAR(day)")
    assert evaluate(query) == [{"year": 2023}, {"year": 2024}]
    assert evaluate(dj.U("one") & tables.Session.proj(one="1")) == [{"one": 1}]
    assert evaluate(dj.U("one") & tables.Session.proj(one="NULL")) == []


def test_without_names(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """One row, which has no attributes, where there is any."""
    assert evaluate(dj.U() & tables.Session) == [{}]
    assert evaluate(dj.U() & tables.Absent) == []
    assert len((dj.U() & tables.Session).heading) == 0
    assert evaluate(tables.Method * (dj.U() & tables.Session)) == evaluate(tables.Method)
    assert evaluate(tables.Method * (dj.U() & tables.Absent)) == []
    assert evaluate(tables.Method - (dj.U() & tables.Absent)) == evaluate(tables.Method)


def test_aggregation(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Aggregates for each combination of values; rows where one is NULL belong to none."""
    query = dj.U("sex").aggr(tables.Subject, n="count(*)", heaviest="max(weight)", both="concat(sex, count(*))")
    assert query.primary_key == ("sex",)
    rows = {row["sex"]: (row["n"], row["both"]) for row in evaluate(query)}
    assert rows == {"F": (2, "F2"), "M": (1, "M1")}
    grouped = dj.U("day", "method").aggr(tables.Session, n="count(*)")
    assert [(row["day"], row["n"]) for row in evaluate(grouped)] == [
        (datetime.date(2023, 12, 31), 1),
        (datetime.date(2024, 1, 31), 1),
        (datetime.date(2024, 2, 1), 1),
    ]


def test_of_everything(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """One group of all rows; over nothing there is no group, as `(U() & A).aggr(A)` says."""
    assert evaluate(dj.U().aggr(tables.Subject, n="count(*)")) == [{"n": 4}]
    assert evaluate(dj.U().aggr(tables.Absent, n="count(*)")) == []
    assert evaluate(dj.U().aggr(tables.Subject & "weight > 2", n="count(*)", m="sum(subject_id)")) == [{"n": 1, "m": 3}]


def test_of_computed_and_renamed(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Groups may be computed, renamed in the result, and read aggregates of computed attributes."""
    source = tables.Session.proj("x", year="year(day)", twice="x * 2")
    query = dj.U("year").aggr(source, when="year", total="sum(twice)", n="count(*)")
    assert query.primary_key == ("when",)
    assert evaluate(query) == [{"when": 2023, "total": 20.0, "n": 1}, {"when": 2024, "total": -3.0, "n": 4}]


def test_is_the_aggregation_over_its_values(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """`U.aggr(A, ...)` is `(U & A).aggr(A, ...)`, where the attributes have a lineage."""
    short = dj.U("method").aggr(tables.Session, n="count(*)", m="max(x)")
    long = (dj.U("method") & tables.Session).aggr(tables.Session, n="count(*)", m="max(x)")
    assert evaluate(short) == evaluate(long)


def test_operators_over_it(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The result is a table again."""
    counted = dj.U("method").aggr(tables.Session, n="count(*)")
    assert evaluate(counted & "n > 1") == [{"method": "patch", "n": 2}]
    assert evaluate(tables.Method.aggr(counted, m="max(n)"))[2] == {"method": "wide", "m": None}
    assert evaluate(counted & dj.Top(1, "n")) == [{"method": "probe", "n": 1}]
    assert evaluate(counted.proj(more="n + 1") * tables.Method) == [
        {"method": "patch", "more": 3},
        {"method": "probe", "more": 2},
    ]
    again = dj.U("n").aggr(dj.U("subject_id").aggr(tables.Session, n="count(*)"), times="count(*)")
    assert evaluate(again) == [{"n": 1, "times": 2}, {"n": 3, "times": 1}]


def test_over_top(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The values of the first rows are those of these rows only."""
    first = tables.Session & dj.Top(2, "x DESC")
    assert evaluate(dj.U("method") & first) == [{"method": "patch"}, {"method": "probe"}]
    assert evaluate(dj.U("method").aggr(first & dj.Top(1), n="count(*)")) == [{"method": "patch", "n": 1}]


def test_as_a_condition(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """It has every entity, so that restricting by it restricts nothing."""
    assert evaluate(tables.Session & dj.U("method")) == evaluate(tables.Session)
    assert evaluate(tables.Session & dj.U()) == evaluate(tables.Session)
    assert evaluate(tables.Session & dj.Not(dj.U("x"))) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda u, a: u * a,
        lambda u, a: a * u,
        lambda u, a: u - a,
        lambda u, a: u + a,
        lambda u, a: a + u,
        lambda u, a: a.aggr(u, n="count(*)"),
        lambda u, a: a.join(u),
        lambda u, a: u.join(a),
        lambda u, _: u.fetch(),
        lambda u, _: u.fetch1("method"),
        lambda u, _: u.proj(),
        lambda u, _: list(u),
        lambda u, _: len(u),
        lambda u, _: bool(u),
    ],
)
def test_infinite(tables: SimpleNamespace, use: Any) -> None:
    """What would need all of it is refused, with what makes it finite."""
    with pytest.raises(QueryError, match=r"every entity that could be.*`U\('method'\) & A`"):
        use(dj.U("method"), tables.Session())
    with pytest.raises(QueryError, match="every entity that could be"):
        use(dj.U("method"), tables.Session)


def test_refusals(tables: SimpleNamespace) -> None:
    """Unknown attributes come with the nearest, and what can be in no key or is no query is refused."""
    with pytest.raises(UnknownAttribute, match=r"'metod'.*Did you mean 'method'"):
        dj.U("metod") & tables.Session
    with pytest.raises(UnknownAttribute, match="'metod'"):
        dj.U("metod").aggr(tables.Session, n="count(*)")
    with pytest.raises(InvalidCondition, match="'raw' is blob"):
        dj.U("raw") & tables.Kinds
    with pytest.raises(InvalidCondition, match="takes a table or query"):
        dj.U("method") & "method = 'patch'"
    with pytest.raises(InvalidCondition, match="names of attributes"):
        dj.U(["method"])  # type: ignore[arg-type]
    with pytest.raises(IncompatibleOperands, match="'day', but not the same one"):
        (dj.U("day") & tables.Session).aggr(tables.Session, n="count(*)")
    with pytest.raises(AttributeError, match="no attribute 'elsewhere'"):
        dj.U("method").elsewhere  # noqa: B018 - asking is what is tested
