"""Arithmetic: where SQL's numbers are those of Polars, and where they would leave the range in which they are.

Integers of Polars wrap at the width of their type, and PostgreSQL raises errors where floats overflow or underflow.
So each operation carries doubts, which are conditions on its operands, unless their types rule them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from attrs import frozen

from djarrow.expr.functions import FLOAT64, INT64
from djarrow.expr.predicates.known import Known, doubts, refused
from djarrow.expr.terms import Cast, Term, Value, call
from djarrow.model.types import AttributeType, Family

Limits = tuple[float, float]

LARGEST_SUMMAND = 8e307
"""Sums of floats up to this are finite."""

FACTORS = (1e-150, 1e150)
"""Products and quotients of floats between these, and of 0, neither overflow nor underflow."""


ARITHMETIC = frozenset({"+", "-", "*", "/", "div", "%", "neg", "abs"})
"""The functions that can raise an error for values that they are not made for."""


def value_range(kind: AttributeType) -> tuple[int, int]:
    """The least and the greatest value of an integer type."""
    low, high = kind.row.minimum, kind.row.maximum
    if low is None or high is None:
        raise refused("arithmetic", f"{kind} is no integer type")
    return low, high


def arithmetic(operator: str, left: Known, right: Known) -> Known:
    """Apply an operator, a row of OPERATORS. Raises InvalidCondition for types that it does not take."""
    families = {left.family, right.family}
    if left.kind != right.kind or families not in ({Family.INTEGER}, {Family.FLOAT}):
        raise refused(f"{left.kind} {operator} {right.kind}", "only integers, and Float64, are computed alike")
    if left.kind.row.name == "float32":
        raise refused(f"Float32 {operator} Float32", "it is computed in Float64; cast an operand to pl.Float64")
    return OPERATORS[operator](operator, left, right)


def _sum_or_product(operator: str, left: Known, right: Known) -> Known:
    outside = _float_doubts if left.family is Family.FLOAT else _integer_doubts
    return Known(_term(operator, left, right), left.kind, (*doubts(left, right), *outside(operator, left, right)))


def _term(operator: str, left: Known, right: Known) -> Term:
    return call(operator, left.term, right.term)


def _integer_doubts(operator: str, left: Known, right: Known) -> list[Term]:
    """That an operand is so large that the result may leave the type, or 64 bits."""
    low, high = value_range(left.kind)
    if operator == "-" and low == 0:
        return [call("<", left.term, right.term)]
    pairs = [(operand, other) for operand, other in ((left, right), (right, left)) if operand.constant is None]
    largest = [(operand, _largest(operator, high, other)) for operand, other in pairs]
    return [doubt for operand, most in largest for doubt in _beyond(operand, (-most if low else 0, most))]


def _largest(operator: str, high: int, other: Known) -> int:
    """The largest operand whose result with the other one, if that is no larger or is this constant, is within high."""
    if other.constant is None:
        return math.isqrt(high) if operator == "*" else high // 2
    size = abs(int(other.constant))
    return high // max(size, 1) if operator == "*" else high - size


def _float_doubts(operator: str, left: Known, right: Known) -> list[Term]:
    if operator in "+-":
        limits = (-LARGEST_SUMMAND, LARGEST_SUMMAND)
        return [doubt for operand in (left, right) for doubt in _beyond(operand, limits)]
    tiny, huge = FACTORS
    found = [doubt for operand in (left, right) for doubt in _beyond(operand, (-huge, huge))]
    return found + [doubt for operand in (left, right) for doubt in _too_near_to_zero(operand, tiny)]


@frozen
class _Extent:
    """What is known of the size of an operand's values: least and most, and how near to 0 those other than 0 come."""

    least: float
    most: float
    nearest: float


def _extent(operand: Known) -> _Extent | None:
    """The extent of a constant, of an integer and of a float32, also where they are cast."""
    value = operand.constant
    if value is not None:
        return _Extent(value, value, abs(value) or math.inf)
    own = (operand.term.term if isinstance(operand.term, Cast) else operand.term).type.row
    if own.minimum is not None and own.maximum is not None:
        return _Extent(own.minimum, own.maximum, 1)
    return _Extent(-3.5e38, 3.5e38, 1e-45) if own.name == "float32" else None


def _beyond(operand: Known, limits: Limits) -> list[Term]:
    """That the operand is not within the limits; nothing where its extent is."""
    low, high = limits
    extent = _extent(operand)
    if extent is not None and low <= extent.least and extent.most <= high:
        return []
    return [call("not", call("between", operand.term, Value(low, operand.kind), Value(high, operand.kind)))]


def _too_near_to_zero(operand: Known, tiny: float) -> list[Term]:
    extent = _extent(operand)
    if extent is not None and extent.nearest >= tiny:
        return []
    near = call("between", operand.term, Value(-tiny, operand.kind), Value(tiny, operand.kind))
    return [call("and", near, call("<>", operand.term, Value(0.0, operand.kind)))]


def _quotient(operator: str, left: Known, right: Known) -> Known:
    """`/`: of integers, as of Float64. Polars gives an infinity or NaN for a divisor of 0, and SQL does not."""
    above, below = (_as_float(operand) for operand in (left, right))
    found = (*doubts(left, right), *_float_doubts(operator, above, below))
    if not below.constant:
        found = (*found, call("=", below.term, Value(0.0, FLOAT64)))
    return Known(call("/", above.term, below.term), FLOAT64, found)


def _as_float(operand: Known) -> Known:
    if operand.family is Family.FLOAT:
        return operand
    if operand.constant is not None:
        return Known(Value(float(operand.constant), FLOAT64), FLOAT64)
    return Known(Cast(operand.term, FLOAT64), FLOAT64)


def _floored(operator: str, left: Known, right: Known) -> Known:
    """`//` and `%` by a positive constant, which Polars rounds down: SQL rounds towards 0, so that signs differ."""
    divisor = right.constant
    if left.family is not Family.INTEGER or not isinstance(divisor, int) or not 0 < divisor < 2**62:
        raise refused(f"{left.kind} {operator} {right.kind}", "only integers by a positive constant are computed alike")
    rest = call("%", left.term, right.term)
    if operator == "%":
        result: Term = rest
        negative: Term = call("+", rest, right.term)
    else:
        result = call("div", left.term, right.term)
        negative = call("-", result, Value(1, INT64))
    if value_range(left.kind)[0] < 0:
        result = call("if", call("<", rest, Value(0, INT64)), negative, result)
    return Known(result, left.kind, left.doubts)


OPERATORS: dict[str, Callable[[str, Known, Known], Known]] = {
    "+": _sum_or_product,
    "-": _sum_or_product,
    "*": _sum_or_product,
    "/": _quotient,
    "//": _floored,
    "%": _floored,
}


def negated(operand: Known) -> Known:
    """`-x`."""
    return _mirrored("neg", operand)


def absolute(operand: Known) -> Known:
    """`x.abs()`."""
    return _mirrored("abs", operand)


def floor(operand: Known) -> Known:
    """`x.floor()`."""
    return _whole("floor", operand)


def ceiling(operand: Known) -> Known:
    """`x.ceil()`."""
    return _whole("ceiling", operand)


def _whole(function: str, operand: Known) -> Known:
    if operand.kind != FLOAT64:
        raise refused(function, f"it is computed of Float64 only, not of {operand.kind}")
    return Known(call(function, operand.term), FLOAT64, operand.doubts)


def _mirrored(function: str, operand: Known) -> Known:
    """-x and |x|: in Polars the least integer is its own. Floats have no such one."""
    if operand.family is Family.FLOAT:
        return Known(call(function, operand.term), operand.kind, operand.doubts)
    if operand.family is not Family.INTEGER:
        raise refused(function, f"it is not computed of {operand.kind}")
    low, _ = value_range(operand.kind)
    if low == 0 and function == "neg":
        raise refused("-x", f"{operand.kind} has no negative numbers")
    doubted = (call("=", operand.term, Value(low, INT64)),) if low else ()
    return Known(call(function, operand.term), operand.kind, (*operand.doubts, *doubted))
