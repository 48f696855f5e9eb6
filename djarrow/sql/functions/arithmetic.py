"""How the operators of arithmetic are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, INT64
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.types import AttributeType, Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, form, forms, written
from djarrow.sql.tree import (
    Expression,
    all_typed,
    as_number,
    binary,
    cast,
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


_days = written("({0} - {1})", spark="DATEDIFF({0}, {1})", casts=True)


def _difference(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    if all(term.type.family is Family.DATE for term in call.arguments):
        return _days(call, nodes, dialect)
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


_FLOAT_TO_WHOLE = forms("CAST(TRUNC({0}) AS bigint)", "CAST(TRUNC({0}) AS BIGINT)", "CAST({0} AS BIGINT)")
_WHOLE_OF_WHOLE = forms("({0} / {1})", "({0} // {1})", "({0} DIV {1})")
_WHOLE_OF_EXACT = forms(
    "DIV(CAST({0} AS numeric), {1})",
    # DuckDB divides decimals as floats. Without its remainder the dividend is a multiple, whose quotient rounds right.
    "ROUND(CAST({0} - ({0} % {1}) AS DOUBLE) / {1})",
    "({0} DIV {1})",
)
_WHOLE_OF_WIDE = forms(
    "DIV(CAST({0} AS numeric), {1})",
    "(CAST({0} AS HUGEINT) // {1})",
    # Spark's DIV gives 64 bits of decimals too. What is left without the remainder is divided exactly.
    "((CAST({0} AS DECIMAL(20,0)) - CAST({0} AS DECIMAL(20,0)) % {1}) / {1})",
)


def _whole_quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """DIV: the quotient without its fraction, exact but for floats."""
    families = {term.type.family for term in call.arguments}
    if Family.FLOAT in families:
        return form(_FLOAT_TO_WHOLE[dialect], _quotient(call, nodes, dialect))
    divisor = call.arguments[1]
    if families != {Family.INTEGER}:
        return cast(form(_WHOLE_OF_EXACT[dialect], nodes[0], _not_zero(divisor, nodes[1])), call.type, dialect)
    if call.type != INT64:
        return cast(form(_WHOLE_OF_WIDE[dialect], nodes[0], _not_zero(divisor, nodes[1])), call.type, dialect)
    above, below = (typed(t, n, INT64, dialect) for t, n in zip(call.arguments, nodes, strict=True))
    return form(_WHOLE_OF_WHOLE[dialect], above, _not_zero(divisor, below))


def _modulo(divisor: Term, nodes: list[Expression]) -> Expression:
    return exp.Mod(this=closed(nodes[0].copy()), expression=_not_zero(divisor, nodes[1].copy()))


def _remainder(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The remainder with the sign of the dividend, NULL where the divisor is 0."""
    operands = all_typed(call, nodes, dialect)
    divisor = call.arguments[1]
    if call.type != FLOAT64:
        return _exact(call, _modulo(divisor, operands), dialect)
    return form(_REMAINDER[dialect], operands[0], _not_zero(divisor, operands[1]))


_REMAINDER = forms("({0} - {1} * TRUNC({0} / {1}))", spark="({0} % {1})")
"""Of floats. PostgreSQL has none: there and in DuckDB it is computed from the quotient."""

ARITHMETIC: dict[str, Build] = {
    "+": _arithmetic(exp.Add),
    "-": _difference,
    "*": _arithmetic(exp.Mul),
    "/": _quotient,
    "div": _whole_quotient,
    "%": _remainder,
    "neg": _negated,
    "&": written("({0} & {1})", takes=INT64),
    "|": written("({0} | {1})", takes=INT64),
    "^": written("({0} # {1})", "XOR({0}, {1})", "({0} ^ {1})", takes=INT64),
    "~": written("(~{0})", takes=INT64),
}
