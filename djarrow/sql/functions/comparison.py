"""How comparison and logic are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.terms import Call
from djarrow.sql.collation import in_order
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, by_engine, written
from djarrow.sql.tree import Expression, binary, chain, closed


def _operator(kind: type[exp.Expression]) -> Build:
    return lambda _, nodes, __: binary(kind, *nodes)


def _in_order(kind: type[exp.Expression]) -> Build:
    """A comparison by order, of strings by their code points."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        return binary(kind, in_order(call.arguments[0].type, nodes[0], dialect), nodes[1])

    return build


def _connector(kind: type[exp.Expression]) -> Build:
    return lambda _, nodes, __: chain(kind, nodes)


def _between(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    value, low, high = map(closed, nodes)
    value = in_order(call.arguments[0].type, value, dialect)
    return exp.Between(this=value, low=low, high=high)


def _in(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    return exp.In(this=closed(nodes[0]), expressions=nodes[1:])


def _is(value: Expression) -> Build:
    return lambda _, nodes, __: exp.Is(this=closed(nodes[0]), expression=value.copy())


def _pattern(kind: type[exp.Expression]) -> Build:
    """LIKE and ILIKE with backslash as escape, which DuckDB must be told."""

    def match(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
        return binary(kind, *nodes)

    def escaped(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
        return exp.Escape(this=binary(kind, *nodes), expression=exp.Literal.string("\\"))

    return by_engine(match, escaped, match)


_ilike_of_all_letters = written('({0} COLLATE "default" ILIKE {1} COLLATE "default")')
"""On PostgreSQL, where the collation "C" of stored strings has ASCII letters only."""

COMPARISON: dict[str, Build] = {
    "=": _operator(exp.EQ),
    "<>": _operator(exp.NEQ),
    "<": _in_order(exp.LT),
    "<=": _in_order(exp.LTE),
    ">": _in_order(exp.GT),
    ">=": _in_order(exp.GTE),
    "<=>": _operator(exp.NullSafeEQ),
    "in": _in,
    "between": _between,
    "is null": _is(exp.Null()),
    "is true": _is(exp.Boolean(this=True)),
    "is false": _is(exp.Boolean(this=False)),
    "like": _pattern(exp.Like),
    "ilike": by_engine(_ilike_of_all_letters, _pattern(exp.ILike), _pattern(exp.ILike)),
    "regexp": _operator(exp.RegexpLike),
    "and": _connector(exp.And),
    "or": _connector(exp.Or),
    "xor": _operator(exp.NEQ),
    "not": lambda _, nodes, __: exp.Not(this=closed(nodes[0])),
}
