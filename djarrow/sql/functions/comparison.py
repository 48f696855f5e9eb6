"""How comparison and logic are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.terms import Call
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build
from djarrow.sql.tree import Expression, binary, chain, closed


def _operator(kind: type[exp.Expression]) -> Build:
    return lambda _, nodes, __: binary(kind, *nodes)


def _connector(kind: type[exp.Expression]) -> Build:
    return lambda _, nodes, __: chain(kind, nodes)


def _between(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    value, low, high = map(closed, nodes)
    return exp.Between(this=value, low=low, high=high)


def _in(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    return exp.In(this=closed(nodes[0]), expressions=nodes[1:])


def _is(value: Expression) -> Build:
    return lambda _, nodes, __: exp.Is(this=closed(nodes[0]), expression=value.copy())


def _pattern(kind: type[exp.Expression]) -> Build:
    """LIKE and ILIKE with backslash as escape, which DuckDB must be told."""

    def build(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        match = binary(kind, *nodes)
        return match if dialect is Dialect.POSTGRES else exp.Escape(this=match, expression=exp.Literal.string("\\"))

    return build


COMPARISON: dict[str, Build] = {
    "=": _operator(exp.EQ),
    "<>": _operator(exp.NEQ),
    "<": _operator(exp.LT),
    "<=": _operator(exp.LTE),
    ">": _operator(exp.GT),
    ">=": _operator(exp.GTE),
    "<=>": _operator(exp.NullSafeEQ),
    "in": _in,
    "between": _between,
    "is null": _is(exp.Null()),
    "is true": _is(exp.Boolean(this=True)),
    "is false": _is(exp.Boolean(this=False)),
    "like": _pattern(exp.Like),
    "ilike": _pattern(exp.ILike),
    "regexp": _operator(exp.RegexpLike),
    "and": _connector(exp.And),
    "or": _connector(exp.Or),
    "xor": _operator(exp.NEQ),
    "not": lambda _, nodes, __: exp.Not(this=closed(nodes[0])),
}
