"""How the operators of arithmetic are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, INT64
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build
from djarrow.sql.tree import (
    Expression,
    all_typed,
    as_number,
    binary,
    cast,
    cast_to,
    closed,
    function,
    number,
    real,
    typed,
)


def _arithmetic(kind: type[exp.Expression]) -> Build:
    """One operand takes the result's type before, so that nothing overflows on the way (smallint * smallint would)."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        operands = [as_number(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        if not any(_carries(term, call.type) for term in call.arguments):
            operands[0] = cast(operands[0], call.type, dialect)
        return _exact(call, binary(kind, *operands), dialect)

    return build


def _carries(term: Term, kind: AttributeType) -> bool:
    """Whether an operator over this operand gives the kind of number wanted, whatever the other operand is."""
    if isinstance(term, Value):
        return False
    return term.type == kind or (term.type.family is Family.DECIMAL and kind.family is Family.DECIMAL)


def _exact(call: Call, node: Expression, dialect: Dialect) -> Expression:
    """Decimals in the stated precision: engines differ in the scale that they give."""
    return cast(node, call.type, dialect) if call.type.family is Family.DECIMAL else node


def _difference(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    if all(term.type.family is Family.DATE for term in call.arguments):
        return cast(binary(exp.Sub, *nodes), INT64, dialect)
    return _arithmetic(exp.Sub)(call, nodes, dialect)


def _negated(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return exp.Neg(this=exp.Paren(this=typed(call.arguments[0], nodes[0], call.type, dialect)))


def _not_zero(term: Term, node: Expression) -> Expression:
    """A divisor, NULL where it is 0."""
    if isinstance(term, Value) and term.value:
        return closed(node)
    return function("NULLIF", node, number(0))


def _quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Exact division, NULL where the divisor is 0."""
    above, below = (real(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True))
    return exp.Div(this=closed(above), expression=_not_zero(call.arguments[1], below), typed=True)


def _whole_quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """DIV: the quotient without its fraction, exact but for floats."""
    families = {term.type.family for term in call.arguments}
    if Family.FLOAT in families:
        return cast(function("TRUNC", _quotient(call, nodes, dialect)), INT64, dialect)
    divisor = call.arguments[1]
    if families == {Family.INTEGER} and call.type == INT64:
        above, below = (typed(t, n, INT64, dialect) for t, n in zip(call.arguments, nodes, strict=True))
        kind = exp.IntDiv if dialect is Dialect.DUCKDB else exp.Div
        return kind(this=closed(above), expression=_not_zero(divisor, below), typed=True)
    if dialect is Dialect.POSTGRES:
        above, below = (cast_to(node, "numeric") for node in nodes)
        return cast(function("DIV", above, _not_zero(divisor, below)), call.type, dialect)
    if families == {Family.INTEGER}:
        above, below = (cast_to(node, "HUGEINT") for node in nodes)
        return cast(exp.IntDiv(this=above, expression=_not_zero(divisor, below)), call.type, dialect)
    # DuckDB divides decimals as floats. Without its remainder the dividend is a multiple, whose quotient rounds right.
    rest = exp.Paren(this=exp.Sub(this=closed(nodes[0]), expression=exp.Paren(this=_modulo(divisor, nodes))))
    whole = exp.Div(this=cast(rest, FLOAT64, dialect), expression=_not_zero(divisor, nodes[1].copy()), typed=True)
    return cast(function("ROUND", whole), call.type, dialect)


def _modulo(divisor: Term, nodes: list[Expression]) -> Expression:
    return exp.Mod(this=closed(nodes[0].copy()), expression=_not_zero(divisor, nodes[1].copy()))


def _remainder(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The remainder with the sign of the dividend, NULL where the divisor is 0."""
    operands = all_typed(call, nodes, dialect)
    divisor = call.arguments[1]
    if call.type != FLOAT64:
        return _exact(call, _modulo(divisor, operands), dialect)
    # PostgreSQL has no remainder of floats: both engines compute x - y * trunc(x / y).
    above, below = map(closed, operands)
    whole = function("TRUNC", exp.Div(this=above.copy(), expression=_not_zero(divisor, below.copy()), typed=True))
    return exp.Sub(this=above, expression=exp.Mul(this=below, expression=whole))


ARITHMETIC: dict[str, Build] = {
    "+": _arithmetic(exp.Add),
    "-": _difference,
    "*": _arithmetic(exp.Mul),
    "/": _quotient,
    "div": _whole_quotient,
    "%": _remainder,
    "neg": _negated,
}
