"""Aggregation: every row of A, with aggregates over its matching rows of B. Design section 6; specification 001 8.9."""

from __future__ import annotations

import decimal
import uuid
from types import SimpleNamespace

import pytest

from djarrow.errors import EngineError, IncompatibleOperands, InvalidTerm, UnknownAttribute
from djarrow.expr.functions import FUNCTIONS
from djarrow.expr.operators import join, project
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import aggregates as term_aggregates

from .cases import AGGREGATES
from .conftest import Evaluate

D = decimal.Decimal


def test_counts_and_nothing(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Every row comes; over no rows a count is 0 and the rest is NULL, in expressions too."""
    query = tables.Session.aggr(
        tables.Trial, n="count(*)", k="count(rt)", best="min(rt)", share="sum(correct) / count(*)", more="count(*) + 1"
    )
    found = {(row["subject_id"], row["session"]): row for row in evaluate(query)}
    assert len(found) == 5
    assert [found[key]["n"] for key in sorted(found)] == [3, 1, 0, 2, 0]
    assert [found[key]["k"] for key in sorted(found)] == [2, 1, 0, 1, 0]
    assert [found[key]["more"] for key in sorted(found)] == [4, 2, 1, 3, 1]
    assert [found[key]["best"] for key in sorted(found)] == [0.25, pytest.approx(0.1), None, 0.75, None]
    assert [found[key]["share"] for key in sorted(found)] == [pytest.approx(1 / 3), 1.0, None, None, None]


def test_stated_values(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each aggregate gives what it says, of the type that it says."""
    texts = AGGREGATES
    query = tables.Subject.aggr(tables.Session, **{f"c{number}": text for number, text in enumerate(texts)})
    row = evaluate(query)[0]
    wrong = {
        text: row[f"c{number}"]
        for number, (text, wanted) in enumerate(texts.items())
        if row[f"c{number}"] != pytest.approx(wanted) or type(row[f"c{number}"]) is not type(wanted)
    }
    assert wrong == {}
    heading = join(tables.Session().node, project(tables.Subject().node)).heading
    used = {call.function for text in texts for call in term_aggregates(parse_term(text, heading))}
    assert {name for name in FUNCTIONS if FUNCTIONS[name].aggregate} == used


def test_of_every_type(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Sums of wide and exact numbers are exact, and least values are there for every type that has an order."""
    groups = tables.Threshold.proj()
    query = groups.aggr(
        tables.Kinds & "id < 3",
        wide="sum(u64)",
        large="sum(i32)",
        exact="sum(exact)",
        tag="max(tag)",
        day="min(day)",
        moment="max(moment)",
        choice="min(choice)",
        clock="max(clock)",
    )
    (row,) = evaluate(query)
    assert (row["wide"], row["large"], row["exact"]) == (D(2**64 - 1), 2_000_000_000 - 2**31, D("12.30"))
    assert row["tag"] == uuid.UUID(int=2**127 + 5)
    assert (row["day"].isoformat(), row["moment"].year, row["choice"], row["clock"].hour) == (
        "0001-01-01",
        2024,
        "high",
        13,
    )


def test_attributes_kept_and_renamed(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """As with proj: attributes of A are named, `...`, renamed, copied or computed beside the aggregates."""
    query = tables.Subject.aggr(tables.Session, "name", who="subject_id", n="count(*)", size="length(name)")
    assert query.primary_key == ("who",)
    assert evaluate(query)[0] == {"who": 1, "name": "Ann", "n": 3, "size": 3}
    assert list(evaluate(tables.Subject.aggr(tables.Session, ..., "-sex", n="count(*)"))[0]) == [
        "subject_id", "name", "weight", "n",
    ]  # fmt: skip
    assert evaluate(tables.Subject.aggr(tables.Session)) == evaluate(tables.Subject.proj())


def test_attributes_of_groups_in_terms(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Attributes of A may stand outside of aggregates, and inside, where each matching row has them."""
    query = tables.Subject.aggr(
        tables.Session, heavy="sum(x * weight)", per="count(*) / weight", k="count(distinct subject_id)"
    )
    rows = evaluate(query)
    assert [row["heavy"] for row in rows] == [-2.25, None, 0.0, None]
    assert [row["per"] for row in rows] == [2.0, None, pytest.approx(1 / 20.25), 0.0]
    assert [row["k"] for row in rows] == [1, 1, 1, 0]


def test_attributes_of_groups_matched_by_name(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Attributes of A stand inside of aggregates also where A and B match by name only."""
    groups = tables.Odd.proj("desc", session="order")
    query = groups.aggr(tables.Session, n="count(*)", v="sum(`desc` + x)", semantic_check=False)
    assert evaluate(query) == [{"session": 1, "n": 3, "v": 17.0}, {"session": 2, "n": 1, "v": None}]


def test_over_nullable_reference(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Rows whose reference is NULL belong to no group."""
    query = tables.Method.aggr(tables.Session, n="count(*)", most="max(x)")
    assert evaluate(query) == [
        {"method": "patch", "n": 2, "most": 1.0},
        {"method": "probe", "n": 1, "most": 10.0},
        {"method": "wide", "n": 0, "most": None},
    ]


def test_matched_by_more_than_the_key(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """All shared attributes match, those outside of the key too: where one is NULL there is no match."""
    query = tables.Session.aggr(tables.Session.proj("method"), "method", n="count(*)")
    assert [(row["method"], row["n"]) for row in evaluate(query)] == [
        ("patch", 1), (None, 0), ("patch", 1), ("probe", 1), (None, 0),
    ]  # fmt: skip


def test_of_first_rows(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The first rows of either operand are what is aggregated, and what groups there are."""
    assert [r["n"] for r in evaluate(tables.Subject.aggr(tables.Session.top(2), n="count(*)"))] == [2, 0, 0, 0]
    assert evaluate(tables.Subject.top(1, "subject_id DESC", 2).aggr(tables.Session, n="count(*)")) == [
        {"subject_id": 2, "n": 1}
    ]


def test_of_restricted(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A restriction of the rows changes the counts, one of the groups changes which there are."""
    rows = evaluate((tables.Subject & "subject_id < 3").aggr(tables.Session & "x > 0", n="count(*)"))
    assert rows == [{"subject_id": 1, "n": 1}, {"subject_id": 2, "n": 1}]
    assert [row["n"] for row in evaluate(tables.Subject.aggr(tables.Absent * tables.Session, n="count(*)"))] == [0] * 4


def test_of_aggregated(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """An aggregate can be restricted, ordered, computed with, joined and aggregated again."""
    counts = tables.Session.aggr(tables.Trial, n="count(*)")
    assert [row["n"] for row in evaluate(counts & "n > 1")] == [3, 2]
    assert [row["n"] for row in evaluate(counts - "n > 1")] == [1, 0, 0]
    assert [row["n"] for row in evaluate(counts.top(2, "n DESC"))] == [3, 2]
    assert [row["m"] for row in evaluate(counts.proj(m="n * n"))] == [9, 1, 0, 4, 0]
    twice = tables.Subject.aggr(counts, total="sum(n)", most="max(n)", sessions="count(*)")
    assert [(row["total"], row["most"], row["sessions"]) for row in evaluate(twice)] == [
        (4, 3, 3), (2, 2, 1), (0, 0, 1), (None, None, 0),
    ]  # fmt: skip
    again = counts.aggr(tables.Trial & "rt > 0.3", "n", fast="count(*)", both="count(*) * n")
    assert [(row["n"], row["fast"], row["both"]) for row in evaluate(again)] == [
        (3, 1, 3), (1, 0, 0), (0, 0, 0), (2, 1, 2), (0, 0, 0),
    ]  # fmt: skip


def test_attribute_named_as_an_alias(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Names that the compiler might use for itself can be attributes: no name clashes with one of its own."""
    groups = tables.Subject.proj(a1="subject_id", n="name", t1="weight")
    query = groups.aggr(tables.Session.proj(a1="subject_id", t2="x"), ..., found="count(*)", t3="sum(t2)")
    assert evaluate(query)[1] == {"a1": 2, "n": "Bob", "t1": None, "found": 1, "t3": 10.0}
    assert len(groups & "n = 'Bob'") == 1


def test_renamed_groups(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Groups match under the name that both operands have."""
    query = tables.Subject.proj(second="subject_id").aggr(tables.Pair, n="count(*)", s="sum(strength)")
    assert [(row["second"], row["n"], row["s"]) for row in evaluate(query)] == [
        (1, 2, 13),
        (2, 1, 5),
        (3, 0, None),
        (4, 1, -1),
    ]


def test_of_singleton(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Over a table without key there is one group, of all rows; over none of them too."""
    query = tables.Threshold.aggr(tables.Session, ..., above="sum(x > limit_x)", n="count(*)")
    assert evaluate(query) == [{"limit_x": 1.0, "above": 1, "n": 5}]
    assert evaluate(tables.Threshold.aggr(tables.Absent, n="count(*)", m="max(code)")) == [{"n": 0, "m": None}]
    assert evaluate((tables.Threshold & False).aggr(tables.Session, n="count(*)")) == []


def test_count_is_of_groups(tables: SimpleNamespace) -> None:
    """`len` of an aggregation is the number of groups."""
    assert len(tables.Subject.aggr(tables.Session, n="count(*)")) == 4
    assert len(tables.Subject.aggr(tables.Session, n="count(*)") & "n = 0") == 1
    assert bool(tables.Subject.aggr(tables.Absent * tables.Session, n="count(*)"))


def test_nullability(tables: SimpleNamespace) -> None:
    """A count is never NULL, other aggregates may be."""
    heading = tables.Subject.aggr(tables.Session, n="count(*)", m="max(session)").heading
    assert (heading["n"].nullable, heading["m"].nullable) == (False, True)


@pytest.mark.parametrize("text", ["sum(9223372036854775807)", "max(i64) * max(i64)", "sum(i64 * 1000) + 1"])
def test_overflow_raises(tables: SimpleNamespace, evaluate: Evaluate, text: str) -> None:
    """A whole number that does not fit into 64 bits is an error, and never another number."""
    with pytest.raises(EngineError):
        evaluate(tables.Threshold.aggr(tables.Kinds, v=text))


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("x", InvalidTerm, "aggregate"),
        ("x + count(*)", InvalidTerm, "'x' has many values"),
        ("sum(max(x))", InvalidTerm, "two steps"),
        ("sum(y)", UnknownAttribute, "y"),
        ("sum(day)", InvalidTerm, "sum"),
        ("count(x, session)", InvalidTerm, "count takes"),
        ("count(distinct *)", InvalidTerm, r"count\(\*\)"),
        ("sum(x) over ()", InvalidTerm, "window"),
        ("group_concat(x)", InvalidTerm, "cannot be applied to float64"),
        ("group_concat(x > 0)", InvalidTerm, "cannot be applied to bool"),
        ("group_concat(method, '-')", InvalidTerm, "separator ', '"),
        ("group_concat()", InvalidTerm, "takes one term"),
        ("string_agg(method, day)", InvalidTerm, "wants a string"),
        ("group_concat(distinct method order by day)", InvalidTerm, "ordered by x only"),
        ("percentile(x, 1.5)", InvalidTerm, "from 0 to 1"),
        ("percentile(x, session)", InvalidTerm, "from 0 to 1"),
        ("percentile(x)", InvalidTerm, "takes 2 arguments"),
        ("rank() within group (order by x)", InvalidTerm, "percentile_cont"),
        ("median(distinct x)", InvalidTerm, "no DISTINCT"),
        ("stdev(distinct x)", InvalidTerm, "no DISTINCT"),
        ("any_value(x)", InvalidTerm, "use min or max"),
        ("mode(x)", InvalidTerm, "two steps"),
        ("bit_and(x)", InvalidTerm, "cannot be applied"),
    ],
)
def test_refusals(tables: SimpleNamespace, text: str, error: type[Exception], words: str) -> None:
    """What is no aggregate of B's rows is refused when it is written."""
    with pytest.raises(error, match=words):
        tables.Subject.aggr(tables.Session, v=text)


def test_groups_that_rows_do_not_belong_to(tables: SimpleNamespace) -> None:
    """B must have A's key; where the operands are the wrong way round the error says so."""
    with pytest.raises(IncompatibleOperands, match=r"Did you mean .*\.aggr\(queries\.trial"):
        tables.Trial.aggr(tables.Session, n="count(*)")
    with pytest.raises(IncompatibleOperands, match="lacks 'method'"):
        tables.Method.aggr(tables.Trial, n="count(*)")


def test_without_those_that_match_nothing(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """`exclude_nonmatching` leaves out the rows without a match, whatever is asked of the others."""
    query = tables.Session.aggr(tables.Trial, n="count(*)", k="count(rt)", exclude_nonmatching=True)
    assert [(row["n"], row["k"]) for row in evaluate(query)] == [(3, 2), (1, 1), (2, 1)]
    assert evaluate(tables.Session.proj().aggr(tables.Trial, exclude_nonmatching=True)) == evaluate(
        tables.Session.proj() & tables.Trial
    )
    plain = tables.Session.aggr(tables.Trial, "day", s="session + 1", exclude_nonmatching=True)
    assert [row["s"] for row in evaluate(plain)] == [2, 3, 2]
    some = (tables.Session & "x > 0").aggr(tables.Trial, n="count(*)", exclude_nonmatching=True)
    assert [row["n"] for row in evaluate(some)] == [3, 2]


def test_of_a_singleton_without_matches(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A group without a key has no match where there are no rows at all."""
    assert evaluate(tables.Threshold.aggr(tables.Absent, n="count(*)")) == [{"n": 0}]
    assert evaluate(tables.Threshold.aggr(tables.Absent, n="count(*)", exclude_nonmatching=True)) == []
    assert evaluate(tables.Threshold.aggr(tables.Session, n="count(*)", exclude_nonmatching=True)) == [{"n": 5}]


def test_over_no_other_table(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Without a table to aggregate it is the projection (001 8.9)."""
    assert evaluate(tables.Session.aggr(y="x * 2")) == evaluate(tables.Session.proj(y="x * 2"))
