"""Terms -> nodes of the SQL tree, over the expressions that stand for the attributes."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from djarrow.expr.terms import Call, Cast, Column, Term, Value
from djarrow.model.types import Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions import RENDER
from djarrow.sql.functions.numbers import shown_digits, to_whole
from djarrow.sql.template import Values
from djarrow.sql.tree import Expression, cast, in_utc, typed


def render(term: Term, columns: Mapping[str, Expression], values: Values, dialect: Dialect) -> Expression:
    """The node of a term. columns: attribute -> the expression that it is here."""
    match term:
        case Column():
            return columns[term.name].copy()
        case Value():
            return cast(exp.Null(), term.type, dialect) if term.value is None else values.mark(term.value, term.type)
        case Cast():
            return _cast(term, render(term.term, columns, values, dialect), dialect)
        case Call():
            nodes = [render(argument, columns, values, dialect) for argument in term.arguments]
            return RENDER[term.function](term, nodes, dialect)


def _cast(term: Cast, node: Expression, dialect: Dialect) -> Expression:
    if term.type.family is Family.INTEGER and term.term.type.family in (Family.FLOAT, Family.DECIMAL):
        return to_whole(term.term, node, term.type, dialect)
    if term.type.family is Family.DECIMAL and term.term.type.family is Family.FLOAT:
        return cast(shown_digits(term.term, node, dialect), term.type, dialect)
    if term.term.type.family is Family.TIMESTAMP and term.type.family in (Family.DATE, Family.DATETIME):
        return cast(in_utc(term.term, node, dialect), term.type, dialect)
    return typed(term.term, node, term.type, dialect)
