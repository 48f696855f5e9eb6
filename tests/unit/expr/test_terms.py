"""Terms: what is in them, and how they are told apart."""

from __future__ import annotations

import math

import pytest

from djarrow.errors import InvalidTerm
from djarrow.expr.functions import BOOL, FLOAT64, FUNCTIONS, INT64
from djarrow.expr.parse import parse_term
from djarrow.expr.terms import (
    NULL,
    Value,
    aggregates,
    as_boolean,
    call,
    column,
    depth,
    names,
    names_outside,
    number,
    walk,
)
from djarrow.model.heading import Heading


def test_names_in_a_term(every: Heading) -> None:
    """The attributes that a term reads, inside and outside of its aggregates."""
    term = parse_term("sum(x * id) / count(*) + y", every)
    assert names(term) == {"x", "id", "y"}
    assert names_outside(term) == {"y"}


def test_aggregates_in_a_term(every: Heading) -> None:
    """Each aggregate once, in order of appearance."""
    term = parse_term("sum(x) / count(*) + sum(x)", every)
    assert [found.function for found in aggregates(term)] == ["sum", "count"]


def test_parts_and_depth(every: Heading) -> None:
    """A term's parts are it and all inside it; its depth is the number of levels."""
    term = parse_term("if(x > 1, y, cast(id as double))", every)
    assert len(list(walk(term))) == 7
    assert depth(term) == 3
    assert depth(NULL) == 1


def test_constants_are_told_apart() -> None:
    """The sign of zero and the type are part of a constant; NaN equals itself."""
    assert Value(0.0, FLOAT64) != Value(-0.0, FLOAT64)
    assert Value(1, INT64) != Value(1.0, FLOAT64)
    assert Value(math.nan, FLOAT64) == Value(float("nan"), FLOAT64)
    assert len({Value(math.nan, FLOAT64), Value(float("nan"), FLOAT64)}) == 1


def test_truth_values(every: Heading) -> None:
    """Numbers are true where they are not 0; NULL has no truth; strings are refused by name."""
    assert as_boolean(Value(5, INT64)) == Value(True, BOOL)
    assert as_boolean(NULL) == Value(None, BOOL)
    assert as_boolean(column(every["x"])).type == BOOL
    with pytest.raises(InvalidTerm, match="name is varchar"):
        as_boolean(column(every["name"]))


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999", "1_0", "--1"])
def test_no_numbers(text: str) -> None:
    """Text that is no finite number is none."""
    with pytest.raises(ValueError):  # noqa: PT011 - callers say what of
        number(text)


def test_arity() -> None:
    """Too few and too many arguments are refused with how many are wanted."""
    for function, arguments, words in (
        ("sqrt", 2, "takes 1"),
        ("substring", 1, "2 to 3"),
        ("greatest", 1, "2 or more"),
    ):
        with pytest.raises(InvalidTerm, match=words):
            call(function, *[Value(1, INT64)] * arguments)


def test_the_table_of_functions() -> None:
    """Each row is under its own name, and aggregates say whether they are NULL over nothing."""
    for name, row in FUNCTIONS.items():
        assert row.name == name
        assert row.aggregate or row.over_nothing is None
        assert not row.aggregate or row.nullable == (row.over_nothing is None)
