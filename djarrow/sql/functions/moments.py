"""How functions of dates and times are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import INT64
from djarrow.expr.terms import Call, Term
from djarrow.model.types import core
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build
from djarrow.sql.tree import Expression, cast, function, in_utc, number


def _extract(part: str, call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return exp.Extract(this=exp.Var(this=part), expression=in_utc(call.arguments[0], nodes[0], dialect))


def _part(name: str) -> Build:
    return lambda call, nodes, dialect: cast(_extract(name, call, nodes, dialect), INT64, dialect)


def _second(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Whole seconds: without FLOOR, PostgreSQL would round half a second up to 60."""
    return cast(function("FLOOR", _extract("SECOND", call, nodes, dialect)), INT64, dialect)


def _day_of_week(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """1 for Sunday to 7 for Saturday."""
    return exp.Add(this=cast(_extract("DOW", call, nodes, dialect), INT64, dialect), expression=number(1))


def _weekday(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """0 for Monday to 6 for Sunday."""
    return exp.Sub(this=cast(_extract("ISODOW", call, nodes, dialect), INT64, dialect), expression=number(1))


def _date(term: Term, node: Expression, dialect: Dialect) -> Expression:
    return cast(in_utc(term, node, dialect), core("date"), dialect)


def _date_difference(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    first, second = (_date(term, node, dialect) for term, node in zip(call.arguments, nodes, strict=True))
    return cast(exp.Sub(this=first, expression=second), INT64, dialect)


MOMENTS: dict[str, Build] = {
    "year": _part("YEAR"),
    "quarter": _part("QUARTER"),
    "month": _part("MONTH"),
    "day": _part("DAY"),
    "dayofyear": _part("DOY"),
    "dayofweek": _day_of_week,
    "weekday": _weekday,
    "hour": _part("HOUR"),
    "minute": _part("MINUTE"),
    "second": _second,
    "date": lambda call, nodes, dialect: _date(call.arguments[0], nodes[0], dialect),
    "datediff": _date_difference,
}
