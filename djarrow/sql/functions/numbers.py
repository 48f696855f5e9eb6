"""How functions of numbers are written."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from djarrow.expr.functions import FLOAT64
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.types import AttributeType, Family
from djarrow.sql.collation import in_order
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, Forms, casting, form, forms, null_where_any_is, written
from djarrow.sql.tree import (
    Expression,
    all_typed,
    cast,
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


def _of_angles(name: str) -> Build:
    """A function of an angle, which infinity is not. PostgreSQL would raise an error for it; NaN stays NaN."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        infinity = cast(exp.Literal.string("Infinity"), FLOAT64, dialect)
        finite = _of_reals(name, where=lambda angle: exp.NEQ(this=function("ABS", angle), expression=infinity))
        return finite(call, nodes, dialect)

    return build


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
    """FLOOR and CEIL. Whole numbers are left alone: PostgreSQL would take a bigint through float64. Spark gives a
    bigint of a float; what does not fit into one has no fraction.
    """
    of_float = forms(
        f"{name}({{0}})",
        spark=f"CASE WHEN ABS({{0}}) < 1E15 THEN CAST({name}({{0}}) AS DOUBLE) ELSE CAST({{0}} AS DOUBLE) END",
    )

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        if call.arguments[0].type.family is Family.INTEGER:
            return typed(call.arguments[0], nodes[0], call.type, dialect)
        text = of_float[dialect] if call.type == FLOAT64 else f"{name}({{0}})"
        return cast(form(text, nodes[0]), call.type, dialect)

    return build


_ROUNDED_FLOAT = forms(
    # A cast of the float itself would keep 6 or 15 digits, and not all that it shows.
    "ROUND(CAST(CAST({0} AS text) AS numeric){1})",
    # A cast of the float itself would bring in digits that it does not show. NaN and what is too large stay floats.
    "COALESCE(CAST(ROUND(TRY_CAST(CAST({0} AS VARCHAR) AS DECIMAL(38,20)){1}) AS DOUBLE),"
    " ROUND(CAST({0} AS DOUBLE){1}))",
    "ROUND(CAST(CAST({0} AS STRING) AS DOUBLE){1})",
)
_TRUNCATED_FLOAT = forms(
    "TRUNC(CAST(CAST({0} AS text) AS numeric){1})",
    "COALESCE(CAST(TRUNC(TRY_CAST(CAST({0} AS VARCHAR) AS DECIMAL(38,20)){1}) AS DOUBLE), CAST({0} AS DOUBLE))",
    "CASE WHEN ABS({0}) < 1E15 THEN CAST(CASE WHEN {0} < 0 THEN CEIL(CAST(CAST({0} AS STRING) AS DECIMAL(38,15)){2})"
    " ELSE FLOOR(CAST(CAST({0} AS STRING) AS DECIMAL(38,15)){2}) END AS DOUBLE) ELSE CAST({0} AS DOUBLE) END",
)
_TRUNCATED = forms(
    "TRUNC(CAST({0} AS numeric){1})",
    "TRUNC({0}{1})",
    "CASE WHEN {0} < 0 THEN CEIL({0}{2}) ELSE FLOOR({0}{2}) END",
)


def _shortened(exact: Forms, of_floats: Forms) -> Build:
    """ROUND and TRUNCATE: to a number of digits, half away from zero, on the decimal digits that a float shows."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        term, digits = call.arguments[0], nodes[1:]
        if term.type.family is Family.INTEGER and not digits:
            return typed(term, nodes[0], call.type, dialect)
        node = nodes[0] if call.type == FLOAT64 else typed(term, nodes[0], call.type, dialect)
        text = (of_floats if call.type == FLOAT64 else exact)[dialect]
        text = text.replace("{1}", ", {1}" if digits else "").replace("{2}", ", {1}" if digits else ", 0")
        return cast(form(text, node, *digits), call.type, dialect)

    return build


_SHOWN = forms("CAST({0} AS text)", "CAST({0} AS VARCHAR)", "CAST({0} AS STRING)")


def shown_digits(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """The node as what is cast to a decimal; a float by its text, the shortest digits that are it.

    PostgreSQL's own cast keeps 6 digits of a float32 and 15 of a float64; those of the others bring in digits.
    """
    if term.type.family is not Family.FLOAT:
        return node
    return form(_SHOWN[dialect], node)


_NEAREST_WHOLE = forms("ROUND(CAST({0} AS numeric))", "ROUND({0})", "ROUND({0})")


def to_whole(term: Term, node: Expression, kind: AttributeType, dialect: Dialect) -> Expression:
    """A float or decimal as a whole number, half away from zero: the engines' own casts round half to even, or cut."""
    exact = shown_digits(term, node, dialect) if dialect is Dialect.POSTGRES else node
    return cast(form(_NEAREST_WHOLE[dialect], exact), kind, dialect)


def _unified(name: str) -> Build:
    """Arguments of one type: greatest and least, which are NULL where an argument is."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        alike = all_typed(call, nodes, dialect)
        alike[0] = in_order(call.type, alike[0], dialect)
        return null_where_any_is(call, nodes, function(name, *alike))

    return build


_EXPONENTIAL = (
    "CASE WHEN {0} BETWEEN -745 AND 709.78 THEN EXP({0}) WHEN {0} < 0 THEN 0"
    " ELSE {0} + CAST('Infinity' AS double precision) END"
)
"""PostgreSQL raises an error where the result is too large for a float64, or too small to be told from 0."""

_COTANGENT = tuple(
    f"CASE WHEN {{0}} <> 0 AND ABS({{0}}) <> CAST('Infinity' AS {float64}) THEN 1 / TAN({{0}}) END"
    for float64 in ("double precision", "DOUBLE")
)

NUMBERS: dict[str, Build] = {
    "abs": _absolute,
    "round": _shortened(forms("ROUND({0}{1})"), _ROUNDED_FLOAT),
    "truncate": _shortened(_TRUNCATED, _TRUNCATED_FLOAT),
    "floor": _edge_of_whole("FLOOR"),
    "ceiling": _edge_of_whole("CEIL"),
    "sign": casting("SIGN"),
    "sqrt": _of_reals("SQRT", where=_not_negative),
    "exp": written(_EXPONENTIAL, "EXP({0})", takes=FLOAT64),
    "ln": _of_reals("LN", where=positive),
    "log10": _of_reals("LOG10", where=positive),
    "log2": _log2,
    "power": _power,
    "sin": _of_angles("SIN"),
    "cos": _of_angles("COS"),
    "tan": _of_angles("TAN"),
    "asin": _of_reals("ASIN", where=_within_one),
    "acos": _of_reals("ACOS", where=_within_one),
    "atan": _of_reals("ATAN"),
    "atan2": _of_reals("ATAN2"),
    "cot": written(*_COTANGENT, takes=FLOAT64),
    "sinh": _of_reals("SINH"),
    "cosh": _of_reals("COSH"),
    "tanh": _of_reals("TANH"),
    "pi": written("PI()"),
    "radians": _of_reals("RADIANS"),
    "degrees": _of_reals("DEGREES"),
    "greatest": _unified("GREATEST"),
    "least": _unified("LEAST"),
}
