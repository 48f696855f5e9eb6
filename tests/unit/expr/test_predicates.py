"""Polars predicates -> conditions: which parts become terms, which are doubted, and which are refused by name."""

from __future__ import annotations

import re
from typing import Any

import pytest

from djarrow.errors import UnknownAttribute
from djarrow.expr.conditions import Holds
from djarrow.expr.functions import BOOL
from djarrow.expr.predicates.translate import part, predicate
from djarrow.expr.terms import Call, Cast, Column, Value, call, walk
from djarrow.model.heading import Heading
from djarrow.model.types import core

Tree = Any

SMALL: Tree = {"Column": "small"}
X: Tree = {"Column": "x"}
TRUTH: Tree = {"Column": "truth"}


def scalar(dtype: str, value: Any) -> Tree:
    """A constant in the tree."""
    return {"Literal": {"Scalar": {dtype: value}}}


def binary(left: Tree, operator: str, right: Tree) -> Tree:
    """An operator in the tree."""
    return {"BinaryExpr": {"left": left, "op": operator, "right": right}}


def function(group: str, name: Any, *inputs: Tree) -> Tree:
    """A function of a group in the tree."""
    return {"Function": {"input": list(inputs), "function": {group: name}}}


def named(heading: Heading, name: str) -> Column:
    """The column of an attribute."""
    return Column(name, heading[name].type, heading[name].nullable)


OVER = binary(SMALL, "Gt", scalar("Int8", 5))
UPPER = binary(function("StringExpr", "Uppercase", {"Column": "name"}), "Eq", scalar("String", "A"))


def test_a_comparison(every: Heading) -> None:
    """A comparison becomes a term, and nothing is left."""
    found = predicate(OVER, every)
    assert found.conditions == (Holds(call(">", named(every, "small"), Value(5, core("int8")))),)
    assert found.left == ()


def test_conjuncts_stand_alone(every: Heading) -> None:
    """Of a conjunction the parts that SQL says become conditions; of a disjunction none."""
    both = predicate(binary(binary(TRUTH, "And", UPPER), "And", OVER), every)
    assert both.conditions == (Holds(named(every, "truth")), *predicate(OVER, every).conditions)
    assert len(both.left) == 1
    assert "Uppercase" in both.left[0]
    assert predicate(binary(UPPER, "Or", OVER), every).conditions == ()


def test_arithmetic_that_may_wrap_is_doubted(every: Heading) -> None:
    """Where an operand may take the result out of its type, the row is kept for Polars to decide."""
    tree = binary(binary(SMALL, "Plus", scalar("Int8", 100)), "Gt", scalar("Int8", 50))
    found = predicate(tree, every)
    small, hundred = named(every, "small"), Value(100, core("int8"))
    beyond = call("not", call("between", small, Value(-27, core("int8")), Value(27, core("int8"))))
    compared = call(">", call("+", small, hundred), Value(50, core("int8")))
    assert found.conditions == (Holds(call("if", beyond, Value(True, BOOL), compared)),)
    assert len(found.left) == 1


def test_doubts_about_what_is_computed_come_after_those_about_its_operands(every: Heading) -> None:
    """A doubt about a product is not computed where the product itself is in doubt: it might overflow."""
    product = binary(SMALL, "Multiply", SMALL)
    found = predicate(binary(binary(product, "Plus", SMALL), "Gt", scalar("Int8", 50)), every)
    (condition,) = found.conditions
    assert isinstance(condition, Holds)
    assert isinstance(condition.term, Call)
    first, _, rest = condition.term.arguments
    assert "*" not in {inner.function for inner in walk(first) if isinstance(inner, Call)}
    assert isinstance(rest, Call)
    assert rest.function == "if"
    assert "*" in {inner.function for inner in walk(rest.arguments[0]) if isinstance(inner, Call)}


@pytest.mark.parametrize(
    ("operator", "column", "number"), [("Plus", "Int64", 100), ("Multiply", "Int16", 3), ("Modulus", "Int8", 7)]
)
def test_arithmetic_that_cannot_wrap_is_not(every: Heading, operator: str, column: str, number: int) -> None:
    """The range of the attribute rules doubt out, also where Polars casts it to a wider type."""
    operand = (
        SMALL if column == "Int8" else {"Cast": {"expr": SMALL, "dtype": {"Literal": column}, "options": "Strict"}}
    )
    assert part(binary(operand, operator, scalar(column, number)), every).doubts == ()


def test_casts_of_whole_numbers_cost_nothing(every: Heading) -> None:
    """A wider integer is the same number; a float is a cast."""
    wider = {"Cast": {"expr": SMALL, "dtype": {"Literal": "Int32"}, "options": "Strict"}}
    assert part(wider, every).term == named(every, "small")
    real = {"Cast": {"expr": SMALL, "dtype": {"Literal": "Float64"}, "options": "Strict"}}
    assert part(real, every).term == Cast(named(every, "small"), core("float64"))


REFUSED: list[tuple[Tree, str]] = [
    (binary({"Column": "size"}, "Gt", {"Column": "size"}), "constants"),
    (binary({"Column": "size"}, "Eq", scalar("String", "XL")), "'XL'"),
    (binary({"Column": "doc"}, "Eq", scalar("String", "{}")), "differ"),
    (binary(X, "Eq", scalar("Float64", None)), "is_nan"),
    (binary({"Column": "name"}, "Eq", scalar("String", "\0")), "NUL"),
    (binary({"Column": "day"}, "Eq", scalar("Date", 10**8)), "years"),
    (binary({"Column": "clock"}, "Eq", scalar("Time", 1)), "nanoseconds"),
    (binary({"Column": "tag"}, "Eq", scalar("Binary", [1, 2])), "16"),
    (binary({"Column": "moment"}, "Eq", scalar("Datetime", [0, "Milliseconds", None])), "Milliseconds"),
    (binary({"Column": "moment"}, "Eq", scalar("Datetime", [0, "Microseconds", {"inner": "Asia/Tokyo"}])), "Tokyo"),
    (binary({"Column": "single"}, "Plus", scalar("Float32", 1.0)), "Float32"),
    (binary({"Column": "price"}, "Plus", {"Column": "price"}), "computed alike"),
    (binary(SMALL, "Modulus", scalar("Int8", -3)), "positive"),
    (binary(SMALL, "And", SMALL), "true or false"),
    (function("StringExpr", {"Contains": {"literal": False}}, {"Column": "name"}, scalar("String", "a.b")), "literal"),
    (function("StringExpr", "StartsWith", {"Column": "name"}, {"Column": "name"}), "constant"),
    (function("Boolean", {"IsIn": {"nulls_equal": True}}, SMALL, scalar("List", [])), "NULL"),
    (function("Boolean", {"IsIn": {"nulls_equal": False}}, SMALL, SMALL), "constants"),
    (function("Boolean", {"Unheard": {}}, SMALL), "Unheard"),
    (function("Unheard", "Of", SMALL), "Of"),
    ({"Cast": {"expr": X, "dtype": {"Literal": "Int8"}, "options": "NonStrict"}}, "float64 to int8"),
    ({"Cast": {"expr": X, "dtype": {"Literal": "Unheard"}, "options": "NonStrict"}}, "Unheard"),
    ({"Literal": {"Scalar": {"Duration": [1, "Microseconds"]}}}, "Duration"),
    ({"Agg": {"Mean": X}}, "Agg"),
    ("Len", "Len"),
    (SMALL, "true or false"),
]


@pytest.mark.parametrize(("tree", "why"), REFUSED, ids=lambda given: str(given)[:50])
def test_refused(every: Heading, tree: Tree, why: str) -> None:
    """What SQL does not say, or not with Polars's result, is left, and the reason names it."""
    found = predicate(tree, every)
    assert found.conditions == ()
    assert any(re.search(why, reason) for reason in found.left)


def test_too_deep(every: Heading) -> None:
    """A predicate of more levels than a query has is left to Polars."""
    tree: Tree = TRUTH
    for _ in range(150):
        tree = function("Boolean", "Not", tree)
    assert "steps" in predicate(tree, every).left[0]


def test_unknown_attribute(every: Heading) -> None:
    """A name that the heading lacks is an error, as everywhere."""
    with pytest.raises(UnknownAttribute):
        predicate(binary({"Column": "smal"}, "Gt", scalar("Int8", 5)), every)
