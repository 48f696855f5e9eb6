"""Building blocks of the SQL tree: casts, calls, parentheses where they are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from sqlglot import exp

from djarrow.expr.functions import FLOAT64
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.types import AttributeType, Family, core
from djarrow.sql.dialects import Dialect
from djarrow.sql.literals import quoted

Expression = exp.Expression
Build = Callable[[Call, list[Expression], Dialect], Expression]
"""Builds a function from its call and the nodes of its arguments."""

_STRINGS = (Family.STRING, Family.ENUM)
INT32 = core("int32")


def cast(node: Expression, kind: AttributeType, dialect: Dialect) -> Expression:
    """CAST(node AS the column type of kind)."""
    return cast_to(node, dialect.type_name(kind))


def cast_to(node: Expression, type_name: str) -> Expression:
    """CAST(node AS a type of the engine)."""
    return exp.Cast(this=node, to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=type_name))


def function(name: str, *arguments: Expression) -> Expression:
    """A call by name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def closed(node: Expression) -> Expression:
    """The node in parentheses where an operator around it could read it otherwise."""
    loose = isinstance(node, exp.Binary | exp.Not | exp.Between | exp.In | exp.Neg | exp.Is)
    return exp.Paren(this=node) if loose else node


def number(value: int) -> Expression:
    """A whole number."""
    return exp.Literal.number(value)


def string(text: str, dialect: Dialect) -> Expression:
    """A string that is a part of a function, and no value that could be another: a format, a path, a separator."""
    return exp.Var(this=quoted(text, dialect))


def binary(kind: type[exp.Expression], left: Expression, right: Expression) -> Expression:
    """An operator between two operands."""
    return kind(this=closed(left), expression=closed(right))


def chain(kind: type[exp.Expression], nodes: Sequence[Expression]) -> Expression:
    """AND or OR of all. AND inside OR needs no parentheses, nor does a chain inside one of its own kind."""
    if kind is exp.And and len(nodes) > 1:
        nodes = [exp.Paren(this=node) if isinstance(node, exp.Or) else node for node in nodes]
    return reduce(lambda left, right: kind(this=left, expression=right), nodes)


def choose(test: Expression, yes: Expression, no: Expression | None = None) -> Expression:
    """CASE WHEN test THEN yes [ELSE no] END."""
    return exp.Case(ifs=[exp.If(this=test, true=yes)], default=no)


def typed(term: Term, node: Expression, kind: AttributeType, dialect: Dialect) -> Expression:
    """The node as a value of a type. A bare whole number is of the smallest SQL type that holds it, so it is cast."""
    if term.type.family in _STRINGS and kind.family in _STRINGS:
        return node
    is_bare = isinstance(term, Value) and term.type.family in (Family.INTEGER, Family.DECIMAL)
    if not is_bare and dialect.type_name(term.type) == dialect.type_name(kind):
        return node
    return cast(as_number(term, node, dialect), kind, dialect)


def as_number(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """A truth value as 1 or 0, because `sum(correct = 1)` counts; other nodes as they are."""
    return cast(node, INT32, dialect) if term.type.family is Family.BOOLEAN else node


def all_typed(call: Call, nodes: list[Expression], dialect: Dialect) -> list[Expression]:
    """The arguments of a call, each as a value of the call's type."""
    return [typed(t, n, call.type, dialect) for t, n in zip(call.arguments, nodes, strict=True)]


def real(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """The node as a float64."""
    return typed(term, node, FLOAT64, dialect)


def in_utc(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """The node; a moment as its date and time in UTC.

    Sessions run in UTC, so that this is what they give anyway. But PostgreSQL indexes only what no session decides.
    """
    if term.type.family is not Family.TIMESTAMP or dialect is not Dialect.POSTGRES:
        return node
    return exp.AtTimeZone(this=closed(node), zone=exp.Literal.string("UTC"))


def positive(node: Expression) -> Expression:
    """The node > 0."""
    return exp.GT(this=closed(node), expression=number(0))
