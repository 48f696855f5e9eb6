"""How functions of numbers are written."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, VARCHAR
from djarrow.expr.terms import Call, Value
from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, casting
from djarrow.sql.tree import (
    Expression,
    all_typed,
    cast,
    cast_to,
    chain,
    choose,
    closed,
    function,
    number,
    positive,
    real,
    typed,
)


def _absolute(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return function("ABS", *all_typed(call, nodes, dialect))


def _of_reals(name: str, *, where: Callable[..., Expression] | None = None) -> Build:
    """A function of float64. where: its domain; outside it is NULL, as where text comes from, and not an error."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        arguments = [real(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        result = function(name, *arguments)
        return result if where is None else choose(where(*(argument.copy() for argument in arguments)), result)

    return build


def _not_negative(node: Expression) -> Expression:
    return exp.GTE(this=closed(node), expression=number(0))


def _within_one(node: Expression) -> Expression:
    return exp.LTE(this=function("ABS", node), expression=number(1))


def _power(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Every number has positive whole powers; other ones are NULL outside of their domain."""
    exponent = call.arguments[1]
    always = isinstance(exponent, Value) and isinstance(exponent.value, int) and exponent.value >= 0
    return _of_reals("POWER", where=None if always else _has_power)(call, nodes, dialect)


def _has_power(base: Expression, exponent: Expression) -> Expression:
    """A negative number has whole powers only, and 0 no negative ones."""
    whole = exp.EQ(this=closed(exponent), expression=function("FLOOR", exponent.copy()))
    of_negative = exp.And(this=exp.LT(this=closed(base), expression=number(0)), expression=whole)
    of_zero = exp.And(
        this=exp.EQ(this=closed(base.copy()), expression=number(0)), expression=_not_negative(exponent.copy())
    )
    return chain(exp.Or, [positive(base.copy()), of_negative, of_zero])


def _log2(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """PostgreSQL has it as a quotient of logarithms; both engines take that, so that they agree to the last digit."""
    natural = function("LN", real(call.arguments[0], nodes[0], dialect))
    result = exp.Div(this=natural, expression=function("LN", cast(number(2), FLOAT64, dialect)), typed=True)
    return choose(positive(real(call.arguments[0], nodes[0].copy(), dialect)), result)


def _edge_of_whole(name: str) -> Build:
    """FLOOR and CEIL. Whole numbers are left alone: PostgreSQL would take a bigint through float64."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        if call.arguments[0].type.family is Family.INTEGER:
            return typed(call.arguments[0], nodes[0], call.type, dialect)
        return cast(function(name, nodes[0]), call.type, dialect)

    return build


def _round(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Half away from zero, on the decimal digits that a float shows: PostgreSQL rounds floats half to even."""
    term, digits = call.arguments[0], nodes[1:]
    if term.type.family is Family.INTEGER and not digits:
        return typed(term, nodes[0], call.type, dialect)
    if dialect is Dialect.POSTGRES:
        return cast(function("ROUND", cast_to(nodes[0], "numeric"), *digits), call.type, dialect)
    if call.type != FLOAT64:
        return cast(function("ROUND", typed(term, nodes[0], call.type, dialect), *digits), call.type, dialect)
    # A cast of the float itself would bring in digits that it does not show. NaN and what is too large stay floats.
    exact = exp.TryCast(
        this=cast(nodes[0], VARCHAR, dialect),
        to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind="DECIMAL(38,15)"),
    )
    rounded = cast(function("ROUND", exact, *digits), FLOAT64, dialect)
    beyond = function("ROUND", real(term, nodes[0].copy(), dialect), *(digit.copy() for digit in digits))
    return function("COALESCE", rounded, beyond)


def float_to_whole(node: Expression, kind: AttributeType, dialect: Dialect) -> Expression:
    """A float as a whole number, half away from zero: the engines' own casts round half to even."""
    return cast(function("ROUND", cast_to(node, "numeric") if dialect is Dialect.POSTGRES else node), kind, dialect)


def _unified(name: str) -> Build:
    """Arguments of one type: greatest and least, which are NULL where an argument is."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        alike = all_typed(call, nodes, dialect)
        absent = [
            exp.Is(this=closed(node.copy()), expression=exp.Null())
            for term, node in zip(call.arguments, nodes, strict=True)
            if term.nullable
        ]
        found = function(name, *alike)
        return choose(chain(exp.Or, absent), exp.Null(), found) if absent else found

    return build


NUMBERS: dict[str, Build] = {
    "abs": _absolute,
    "round": _round,
    "floor": _edge_of_whole("FLOOR"),
    "ceiling": _edge_of_whole("CEIL"),
    "sign": casting("SIGN"),
    "sqrt": _of_reals("SQRT", where=_not_negative),
    "exp": _of_reals("EXP"),
    "ln": _of_reals("LN", where=positive),
    "log10": _of_reals("LOG10", where=positive),
    "log2": _log2,
    "power": _power,
    "sin": _of_reals("SIN"),
    "cos": _of_reals("COS"),
    "tan": _of_reals("TAN"),
    "asin": _of_reals("ASIN", where=_within_one),
    "acos": _of_reals("ACOS", where=_within_one),
    "atan": _of_reals("ATAN"),
    "atan2": _of_reals("ATAN2"),
    "radians": _of_reals("RADIANS"),
    "degrees": _of_reals("DEGREES"),
    "greatest": _unified("GREATEST"),
    "least": _unified("LEAST"),
}
