"""How choices are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.terms import Call
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build
from djarrow.sql.tree import Expression, all_typed, binary, cast, choose, function, typed


def _coalesce(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return function("COALESCE", *all_typed(call, nodes, dialect))


def _null_if(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The engines' own gives a value of the type that both arguments have in common, which may be a rounded one."""
    if call.arguments[1].type == call.type:
        return function("NULLIF", *nodes)
    return choose(binary(exp.EQ, *nodes), cast(exp.Null(), call.type, dialect), nodes[0].copy())


def _choice(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    yes, no = (typed(t, n, call.type, dialect) for t, n in zip(call.arguments[1:], nodes[1:], strict=True))
    return choose(nodes[0], yes, no)


CHOICE: dict[str, Build] = {
    "coalesce": _coalesce,
    "nullif": _null_if,
    "if": _choice,
}
