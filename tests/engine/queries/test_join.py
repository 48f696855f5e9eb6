"""Join: pairs of matching rows, and the key of the result. Design section 6; specification 001 8.7."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import djarrow as dj
from djarrow.errors import IncompatibleOperands, InvalidCondition

from .conftest import Evaluate


def test_child_and_parent(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Each child has one parent, so that the key is the child's, whichever comes first."""
    for query in (tables.Session * tables.Subject, tables.Subject * tables.Session):
        assert query.primary_key == ("subject_id", "session")
        assert [(row["session"], row["name"]) for row in evaluate(query)] == [
            (1, "Ann"), (2, "Ann"), (3, "Ann"), (1, "Bob"), (1, "Cyd"),
        ]  # fmt: skip


def test_over_nullable_reference(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """NULL matches nothing; the reference determines the other row, so that the key stays, and cannot be NULL now."""
    query = tables.Session * tables.Method
    assert query.primary_key == ("subject_id", "session")
    assert not query.heading["method"].nullable
    assert [(row["session"], row["method"]) for row in evaluate(query)] == [(1, "patch"), (3, "patch"), (1, "probe")]


def test_nothing_shared(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Without shared attributes all pairs come, and the keys are joined."""
    query = tables.Method * tables.Pair.proj()
    assert query.primary_key == ("method", "first", "second")
    assert len(evaluate(query)) == 12
    assert evaluate(tables.Method * tables.Absent) == []


def test_with_itself(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table joined with its own key is itself; with a renamed one, it gives pairs within what is shared."""
    assert evaluate(tables.Session * tables.Session.proj()) == evaluate(tables.Session)
    pairs = tables.Session.proj("x") * tables.Session.proj(other="session", other_x="x")
    assert pairs.primary_key == ("subject_id", "session", "other")
    assert len(evaluate(pairs)) == 9 + 1 + 1
    assert len(evaluate(pairs & "session < other")) == 3


def test_both_references_to_one_table(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Renamed references match the table under each of their names."""
    first = tables.Subject.proj(first="subject_id", first_name="name")
    second = tables.Subject.proj(second="subject_id", second_name="name")
    query = tables.Pair * first * second
    assert query.primary_key == ("first", "second")
    assert [(row["first_name"], row["second_name"]) for row in evaluate(query)] == [
        ("Ann", "Ann"), ("Ann", "Bob"), ("Bob", "Ann"), ("Cyd", "ann"),
    ]  # fmt: skip


def test_right_operand_is_a_join(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A join on the right matches by attributes of any of its tables: join is associative and commutative."""
    left = (tables.Trial.proj("rt") * tables.Session.proj("method")) * tables.Method
    right = tables.Method * (tables.Trial.proj("rt") * tables.Session.proj("method"))
    assert evaluate(left) == evaluate(right)
    assert len(evaluate(right)) == 5
    nested = tables.Method * (tables.Subject.proj() * tables.Session.proj("method"))
    assert len(evaluate(nested)) == 3


def test_right_operand_is_an_aggregation(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """An aggregation on the right keeps its rows without matches."""
    counts = tables.Session.aggr(tables.Trial, "method", n="count(*)")
    query = tables.Method * (counts & "n = 0")
    assert [(row["method"], row["n"]) for row in evaluate(query)] == [("patch", 0)]
    both = (tables.Session * tables.Method.proj()).proj() * counts.proj("n")
    assert [row["n"] for row in evaluate(both)] == [3, 0, 2]


def test_of_restricted(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Restrictions of either side hold in the join, each on its own rows."""
    query = (tables.Session & "x > 0 or x is null") * (tables.Subject & "name = 'Ann' or name = 'Bob'")
    assert [(row["name"], row["session"]) for row in evaluate(query)] == [("Ann", 1), ("Ann", 2), ("Bob", 1)]


def test_of_first_rows(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A join with the first rows is with those only; the first rows of a join are of all pairs."""
    assert [r["session"] for r in evaluate(tables.Session * tables.Subject.top(1, "subject_id DESC"))] == []
    assert [r["session"] for r in evaluate(tables.Subject.top(1) * tables.Session)] == [1, 2, 3]
    assert [r["x"] for r in evaluate((tables.Session * tables.Subject).top(1, "x DESC"))] == [10.0]


def test_of_computed(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Computed attributes of both sides are in the join, and can be computed with."""
    query = tables.Session.proj(double="x * 2") * tables.Subject.proj(size="length(name)")
    assert evaluate((query & "double > size").proj(v="double + size"))[0] == {"subject_id": 2, "session": 1, "v": 23.0}


def test_with_singleton(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table of one row joins with every row and leaves the key as it is."""
    query = tables.Session * tables.Threshold & "x >= limit_x"
    assert query.primary_key == ("subject_id", "session")
    assert [row["x"] for row in evaluate(query)] == [1.0, 10.0]


def test_key_of_determined(tables: SimpleNamespace) -> None:
    """The key is that of the operand which determines the other, through secondary attributes too."""
    renamed = tables.Session.proj("method")
    assert (tables.Method * renamed).primary_key == ("subject_id", "session")
    assert (renamed * tables.Method).primary_key == ("subject_id", "session")


def test_secondary_namesakes_do_not_match(tables: SimpleNamespace) -> None:
    """Attributes of one name outside of keys and references are refused, with both origins and what to write."""
    with pytest.raises(IncompatibleOperands) as caught:
        tables.Session * tables.Session
    assert "'day'" in str(caught.value)
    assert ".proj(..., '-day')" in str(caught.value)
    with pytest.raises(IncompatibleOperands, match=r"Rename it .*other_subject_id='subject_id'"):
        tables.Kinds.proj(subject_id="id") * tables.Subject


@pytest.mark.parametrize("other", ["x", {"a": 1}, None, 5, int])
def test_other_operands(tables: SimpleNamespace, other: object) -> None:
    """Only a table or a query can be joined."""
    with pytest.raises(InvalidCondition, match="table or query"):
        tables.Session * other


def test_left_join(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Every row of the left one stays, with NULL for what a missing match would have given."""
    for query in (
        tables.Session.join(tables.Method.proj(size="length(method)"), left=True),
        tables.Session.extend(tables.Method.proj(size="length(method)")),
    ):
        assert query.primary_key == ("subject_id", "session")
        assert query.heading["method"].nullable
        assert query.heading["size"].nullable
        rows = [(row["session"], row["method"], row["size"]) for row in evaluate(query)]
        assert rows == [(1, "patch", 5), (2, None, None), (3, "patch", 5), (1, "probe", 5), (1, None, None)]


def test_left_join_of_a_restricted_side(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """What restricts the right one decides what matches, and what restricts the result decides what stays."""
    heavy = tables.Subject & "weight > 2"
    assert [row["name"] for row in evaluate(tables.Session.extend(heavy))] == [None, None, None, None, "Cyd"]
    assert [row["session"] for row in evaluate(tables.Session.extend(heavy) & "name is null")] == [1, 2, 3, 1]
    assert [row["name"] for row in evaluate((tables.Session & "session = 1").extend(heavy))] == [None, None, "Cyd"]


def test_left_join_of_constants(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A computed attribute of the right one is NULL without a match, also where it is a constant."""
    marked = (tables.Subject & "sex = 'F'").proj(mark="1")
    assert [row["mark"] for row in evaluate(tables.Subject.proj().extend(marked))] == [1, None, None, 1]


def test_left_join_inside_of_others(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Joined, aggregated, united and ordered, it is a table like any other."""
    query = tables.Session.proj("x").extend(tables.Subject.proj("weight") & "subject_id > 1")
    assert len(evaluate(tables.Trial * query)) == 6
    assert len(evaluate(query * tables.Trial)) == 6
    assert [row["w"] for row in evaluate(tables.Subject.proj().aggr(query, w="count(weight)"))] == [0, 0, 1, 0]
    assert [row["x"] for row in evaluate(query & dj.Top(2, ["weight", "x DESC"]))] == [10.0, 0.0]
    assert len(evaluate(query.extend(tables.Subject.proj("name")))) == 5
    assert len(evaluate(tables.Method * query & "weight is null")) == 12


def test_left_join_of_a_singleton(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table without a key is determined by any other."""
    assert [row["limit_x"] for row in evaluate(tables.Method.extend(tables.Threshold))] == [1.0] * 3
    nothing = tables.Threshold & "limit_x > 9"
    assert [row["limit_x"] for row in evaluate(tables.Method.extend(nothing))] == [None] * 3


def test_left_join_needs_one_match(tables: SimpleNamespace) -> None:
    """Where a row could match many, a row without a match would have no key."""
    with pytest.raises(IncompatibleOperands, match=r"lacks 'trial' of the key of queries\.trial"):
        tables.Session.extend(tables.Trial)
    with pytest.raises(IncompatibleOperands, match="lacks 'session'"):
        tables.Subject.join(tables.Session, left=True)


def test_by_name_alone(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Without the semantic check attributes of one name match, whatever they trace to."""
    named = tables.Subject.proj(code="subject_id", order="subject_id + 0")
    with pytest.raises(IncompatibleOperands, match="not the same one"):
        tables.Odd * named
    assert [row["order"] for row in evaluate(tables.Odd.join(named, semantic_check=False))] == [1, 2]
    assert [row["order"] for row in evaluate(tables.Odd.restrict(named & "code > 1", semantic_check=False))] == [2]
    assert len(evaluate(tables.Odd.extend(named.proj(..., "-order", order="code"), semantic_check=False))) == 2
    counts = tables.Odd.aggr(named, n="count(*)", semantic_check=False)
    assert [row["n"] for row in evaluate(counts)] == [1, 1]


def test_names_of_types_that_differ(tables: SimpleNamespace) -> None:
    """Values that can never be equal are refused, by name too."""
    for other in (tables.Subject.proj(user="subject_id"), tables.Kinds.proj(user="raw"), tables.Kinds.proj(user="doc")):
        with pytest.raises(IncompatibleOperands, match=r"'user', here varchar.* cannot be compared"):
            tables.Odd.join(other, semantic_check=False)
