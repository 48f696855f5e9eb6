"""Comparison and membership: where both engines compare values as Polars does."""

from __future__ import annotations

import operator as operators
import uuid
from collections.abc import Callable
from typing import Any

from djarrow.expr.functions import BOOL
from djarrow.expr.predicates.constants import members
from djarrow.expr.predicates.known import Known, refused, truth
from djarrow.expr.terms import Value, call
from djarrow.model.types import Family

_EXACT = frozenset({Family.INTEGER, Family.DECIMAL})
_ORDERED = frozenset(Family) - {Family.ENUM, Family.JSON}


def compare(operator: str, left: Known, right: Known) -> Known:
    """A comparison, where both engines compare as Polars does.

    NaN equals itself and is greater than all numbers, in all three.
    """
    left, right = _met(left, right), _met(right, left)
    kinds = {left.kind, right.kind}
    families = {kind.family for kind in kinds}
    if len(kinds) > 1 and not families <= _EXACT:
        raise refused(f"{left.kind} {operator} {right.kind}", "the types differ")
    equality = operator in ("=", "<>", "<=>")
    if families == {Family.ENUM} and not equality:
        return _enum_order(operator, left, right)
    if Family.JSON in families or not (equality or families <= _ORDERED):
        raise refused(f"{left.kind} {operator} {right.kind}", "engines and Polars order it differently")
    return truth(call(operator, left.term, right.term), left, right)


_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "<": operators.lt, "<=": operators.le, ">": operators.gt, ">=": operators.ge,
}  # fmt: skip


def _enum_order(operator: str, left: Known, right: Known) -> Known:
    """The order of an enum's values is that in which it lists them: what is on one side of a constant is a list."""
    choices = left.kind.choices
    match left.constant, right.constant:
        case None, str(bound):
            known, wanted = left, [c for c in choices if _ORDERS[operator](choices.index(c), choices.index(bound))]
        case str(bound), None:
            known, wanted = right, [c for c in choices if _ORDERS[operator](choices.index(bound), choices.index(c))]
        case _:
            raise refused(f"{left.kind} {operator} {right.kind}", "the order of enums is looked up for constants only")
    return _among(known, [Value(choice, known.kind) for choice in wanted])


def _met(known: Known, other: Known) -> Known:
    """A constant in the type of what it meets, where Polars leaves it in another: enums and UUIDs."""
    if not isinstance(known.term, Value):
        return known
    match other.family, known.term.value:
        case Family.ENUM, str(text) if known.family is Family.STRING:
            if text not in other.kind.choices:
                raise refused(repr(text), f"it is no value of {other.kind}")
            return Known(Value(text, other.kind), other.kind)
        case Family.UUID, bytes(content):
            if len(content) != 16:
                raise refused("a constant of bytes", "a UUID has 16")
            return Known(Value(uuid.UUID(bytes=content), other.kind), other.kind)
    return known


def is_between(options: Any, value: Known, low: Known, high: Known) -> Known:
    """Both bounds, each with or without equality."""
    above, below = _BOUNDS[options["closed"]]
    both = compare(above, value, low), compare(below, value, high)
    return truth(call("and", *(known.term for known in both)), *both)


_BOUNDS = {"Both": (">=", "<="), "Left": (">=", "<"), "Right": (">", "<="), "None": (">", "<")}


def is_in(options: Any, known: Known, listed: Any) -> Known:
    """Membership of a list of constants. NULL is in no list, and what is in no list is not NULL for that."""
    if options.get("nulls_equal"):
        raise refused("is_in", "NULL is to equal NULL")
    return _among(known, members(listed, known.kind))


def _among(known: Known, values: list[Value]) -> Known:
    """Whether it is one of these, which are not NULL; NULL where it is NULL, also where there are none."""
    if values:
        return truth(call("in", known.term, *values), known)
    return truth(call("if", call("is null", known.term), Value(None, BOOL), Value(False, BOOL)), known)
