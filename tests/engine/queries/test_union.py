"""Union: the rows of both operands under one key. Design section 6; specification 001 8.10."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import djarrow as dj
from djarrow.errors import IncompatibleOperands, InvalidCondition

from .conftest import Evaluate


def test_keys_alone(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Without other attributes a union is that of sets: what is in both comes once (001 8.10, example 1)."""
    some = tables.Session.proj() & "session < 3"
    more = tables.Session.proj() & "session > 1"
    assert evaluate(some + more) == evaluate(tables.Session.proj())
    assert (some + more).primary_key == ("subject_id", "session")


def test_rows_of_one_key_are_one(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Attributes of both come together, and what one of them lacks is NULL (001 8.10, example 2)."""
    union = (tables.Session.proj("day") & "session < 3") + (tables.Session.proj("x") & "session > 1")
    rows = [(r["subject_id"], r["session"], r["day"] is not None, r["x"]) for r in evaluate(union)]
    assert rows == [
        (1, 1, True, None),
        (1, 2, True, None),
        (1, 3, False, -2.5),
        (2, 1, True, None),
        (3, 1, True, None),
    ]
    assert all(union.heading[name].nullable for name in ("day", "x"))
    assert not any(union.heading[name].nullable for name in union.primary_key)
    assert union.heading["session"].lineage == tables.Session.heading["session"].lineage


def test_commutes_and_associates(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The order of operands does not matter for the rows."""
    a, b, c = (
        tables.Session.proj("day") & "session = 1",
        tables.Session.proj("x") & "session > 1",
        tables.Session.proj("method") & "subject_id < 3",
    )
    expected = [dict(sorted(row.items())) for row in evaluate((a + b) + c)]
    for query in (a + (b + c), (c + a) + b, b + c + a):
        assert [dict(sorted(row.items())) for row in evaluate(query)] == expected


def test_operators_over_a_union(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A union is a table again: restricted, joined, ordered, aggregated, united anew."""
    union = (tables.Session.proj("day") & "session = 1") + (tables.Session.proj("x") & "session > 1")
    assert [r["x"] for r in evaluate(union & "x is not null")] == [-2.5]
    assert len(evaluate(union * tables.Subject)) == 5
    assert [r["n"] for r in evaluate(tables.Subject.aggr(union, n="count(day)"))] == [1, 1, 1, 0]
    assert [r["session"] for r in evaluate(union & dj.Top(1, "x"))] == [3]
    assert len(evaluate(union - tables.Trial)) == 2
    assert len(evaluate(union + tables.Session.proj("method"))) == 5


def test_of_tops(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A limit is that of its operand, not of the union."""
    top, rest = tables.Subject.proj() & dj.Top(1), tables.Subject.proj() & dj.Top(2, "KEY DESC")
    assert [row["subject_id"] for row in evaluate(top + rest)] == [1, 3, 4]
    both = (tables.Subject.proj("name") & dj.Top(1)) + (tables.Subject.proj("sex") & dj.Top(2, "KEY DESC"))
    assert [row["subject_id"] for row in evaluate(both)] == [1, 3, 4]


def test_of_singletons(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Two tables of one row at most and no key are one such table."""
    limit = tables.Threshold
    assert evaluate(limit + limit.proj(y="limit_x + 1")) == [{"limit_x": 1.0, "y": 2.0}]
    assert evaluate((limit & "limit_x > 9") + limit.proj(y="limit_x + 1")) == [{"limit_x": None, "y": 2.0}]
    assert evaluate(limit.proj() + limit.proj()) == [{}]
    assert evaluate((limit & "limit_x > 9").proj() + (limit & "limit_x > 9").proj()) == []


def test_of_classes(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Classes stand for their tables on both sides."""
    assert evaluate(tables.Method + tables.Method) == evaluate(tables.Method)


def test_the_union_with_itself(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Computed attributes of an operand are NULL where only the other one has the row."""
    ones = (tables.Session & "session = 1").proj(one="1", text="'x'")
    rows = evaluate(ones + tables.Session.proj())
    assert [(row["one"], row["text"]) for row in rows] == [(1, "x"), (None, None), (None, None), (1, "x"), (1, "x")]


def test_refusals(tables: SimpleNamespace) -> None:
    """Other keys, homologous or not, and attributes that both have, are refused with what to do."""
    with pytest.raises(IncompatibleOperands, match=r"same primary key.*'subject_id'.*'subject_id', 'session'"):
        tables.Subject + tables.Session
    with pytest.raises(IncompatibleOperands, match=r"outside of the key.*'method'"):
        tables.Session.proj("method") + tables.Session.proj("method", "x")
    with pytest.raises(IncompatibleOperands, match="'x', but not the same one"):
        tables.Session + tables.Session.proj("x")
    with pytest.raises(IncompatibleOperands, match="but not the same one"):
        tables.Absent.proj(subject_id="code") + tables.Subject.proj()
    with pytest.raises(InvalidCondition, match=r"operand of \+ must be a table or query, not str"):
        tables.Subject + "subject_id = 1"


def test_by_name_alone(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Without the semantic check keys of the same name and type are united; types must be the same."""
    other = tables.Odd.proj(code="order")
    assert [row["code"] for row in evaluate(tables.Absent.proj().union(other, semantic_check=False))] == [1, 2]
    with pytest.raises(IncompatibleOperands, match="uint8 here and int32 there"):
        tables.Subject.proj().union(tables.Odd.proj(subject_id="order"), semantic_check=False)
