"""The first rows: dj.Top binds under everything that is applied later. Design section 6; specification 000."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import djarrow as dj
from djarrow.errors import InvalidCondition, InvalidTerm, UnknownAttribute

from .conftest import Evaluate

KEYS = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]


@pytest.mark.parametrize(
    ("order_by", "wanted"),
    [
        ("KEY", [(1, 1), (1, 2)]),
        ("key", [(1, 1), (1, 2)]),
        (None, [(1, 1), (1, 2)]),
        ([], [(1, 1), (1, 2)]),
        ("KEY DESC", [(2, 1), (3, 1)]),
        ("x", [(1, 3), (3, 1)]),
        ("x ASC", [(1, 3), (3, 1)]),
        ("x desc", [(1, 1), (2, 1)]),
        ("-x", [(1, 1), (2, 1)]),
        (["method DESC", "KEY DESC"], [(1, 3), (2, 1)]),
        (["session", "KEY"], [(1, 1), (2, 1)]),
        ("abs(x - 9) DESC", [(1, 3), (3, 1)]),
        ("if(x is null, 1, 0) DESC", [(1, 1), (1, 2)]),
        ("day", [(1, 1), (2, 1)]),
    ],
)
def test_orders(tables: SimpleNamespace, evaluate: Evaluate, order_by: Any, wanted: list[tuple[int, int]]) -> None:
    """Rows are taken in the order asked for; equal ones in key order, and NULLs last either way."""
    found = evaluate(tables.Session & dj.Top(2, order_by))
    assert [(row["subject_id"], row["session"]) for row in found] == wanted


def test_nulls_are_last(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The row without a value is the last one in both directions."""
    for order_by in ("x", "x DESC"):
        assert [row["session"] for row in evaluate(tables.Session & dj.Top(None, order_by, 4))] == [2]


def test_limits(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """No rows, more rows than there are, all after an offset, and numbers of NumPy."""
    assert evaluate(tables.Session & dj.Top(0)) == []
    assert len(evaluate(tables.Session & dj.Top(100))) == 5
    assert len(evaluate(tables.Session & dj.Top(None, offset=3))) == 2
    assert len(evaluate(tables.Session & dj.Top(np.int64(2)))) == 2  # type: ignore[arg-type]


def test_restricted_later(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A restriction is of the first rows, and does not change which they are."""
    assert evaluate(tables.Session.top(1, "x DESC") & "x < 5") == []
    assert [row["x"] for row in evaluate((tables.Session & "x < 5").top(1, "x DESC"))] == [1.0]
    assert len(evaluate(tables.Session.top(2) - "session = 1")) == 1


def test_of_top(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The first rows of the first rows: the second window is within the first."""
    query = tables.Session & dj.Top(3) & dj.Top(5, offset=2)
    assert [(row["subject_id"], row["session"]) for row in evaluate(query)] == [(1, 3)]
    query = tables.Session & dj.Top(3, "KEY DESC") & dj.Top(1, "KEY")
    assert [(row["subject_id"], row["session"]) for row in evaluate(query)] == [(1, 3)]


def test_as_condition(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A query of first rows restricts by those rows only, and so does its complement."""
    first = tables.Session.proj().top(2)
    assert len(evaluate(tables.Session & first)) == 2
    assert len(evaluate(tables.Session - first)) == 3
    assert [row["subject_id"] for row in evaluate(tables.Subject & first)] == [1]


def test_counted(tables: SimpleNamespace) -> None:
    """`len` and `bool` are of the first rows."""
    assert len(tables.Session.top(2)) == 2
    assert not bool(tables.Session.top(0))
    assert bool(tables.Session.top(1))
    assert not bool(tables.Session.top(5, offset=5))


def test_ordered_by_what_is_left_out(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The order may be by attributes that are then left out, renamed or computed anew."""
    query = tables.Session.top(1, "x DESC").proj(x="session")
    assert evaluate(query) == [{"subject_id": 2, "x": 1}]


def test_of_computed(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """The order may be by computed attributes and aggregates."""
    assert [r["y"] for r in evaluate(tables.Session.proj(y="-x").top(1, "y"))] == [-10.0]
    counts = tables.Subject.aggr(tables.Session, n="count(*)")
    assert [r["subject_id"] for r in evaluate(counts.top(1, ["n DESC", "KEY"]))] == [1]


def test_of_constants(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A computed attribute that is a constant orders nothing."""
    query = tables.Session.proj(s="'a'", n="2", b="true").top(1, ["s", "n DESC", "b", "KEY DESC"])
    assert [(row["subject_id"], row["session"]) for row in evaluate(query)] == [(3, 1)]


def test_of_singleton(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """A table without key has a first row too."""
    assert evaluate(tables.Threshold.top(1)) == [{"limit_x": 1.0}]


def test_reserved_words(tables: SimpleNamespace, evaluate: Evaluate) -> None:
    """Attributes called `key` and `desc` can be ordered by: lower case means the attribute where there is one."""
    assert [row["order"] for row in evaluate(tables.Odd.top(1, "`desc` DESC"))] == [1]
    assert [row["order"] for row in evaluate(tables.Odd.top(1, "key"))] == [1]
    assert [row["order"] for row in evaluate(tables.Odd.top(1, "KEY DESC"))] == [2]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((-1,), InvalidCondition),
        ((1.5,), InvalidCondition),
        (("1",), InvalidCondition),
        ((True,), InvalidCondition),
        ((1, "KEY", -1), InvalidCondition),
        ((1, "KEY", None), InvalidCondition),
        ((1, "y"), UnknownAttribute),
        ((1, "1"), InvalidTerm),
        ((1, "count(*)"), InvalidTerm),
        ((1, "x NULLS FIRST"), InvalidTerm),
        ((1, "x, , session"), InvalidTerm),
        ((1, ""), InvalidTerm),
        ((1, 5), InvalidCondition),
        ((1, [5]), InvalidCondition),
    ],
)
def test_refusals(tables: SimpleNamespace, arguments: tuple[Any, ...], error: type[Exception]) -> None:
    """Limits that are no numbers of rows, and orders that are no expressions, are refused when they are written."""
    with pytest.raises(error):
        tables.Session & dj.Top(*arguments)


def test_complement_is_not_defined(tables: SimpleNamespace) -> None:
    """`A - Top` is refused, and so is Top inside of lists and Not."""
    for condition in ([dj.Top(1)], dj.Not(dj.Top(1)), dj.AndList([dj.Top(1)])):
        with pytest.raises(InvalidCondition, match="Top"):
            tables.Session & condition
    with pytest.raises(InvalidCondition, match="Top"):
        tables.Session - dj.Top(1)
