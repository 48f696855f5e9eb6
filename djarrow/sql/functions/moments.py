"""How functions of dates and times are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import INT64
from djarrow.expr.terms import Call
from djarrow.model.types import core
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build
from djarrow.sql.tree import Expression, cast, function, number


def _extract(part: str, node: Expression) -> Expression:
    return exp.Extract(this=exp.Var(this=part), expression=node)


def _part(name: str) -> Build:
    return lambda _, nodes, dialect: cast(_extract(name, nodes[0]), INT64, dialect)


def _second(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Whole seconds: without FLOOR, PostgreSQL would round half a second up to 60."""
    return cast(function("FLOOR", _extract("SECOND", nodes[0])), INT64, dialect)


def _day_of_week(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """1 for Sunday to 7 for Saturday."""
    return exp.Add(this=cast(_extract("DOW", nodes[0]), INT64, dialect), expression=number(1))


def _weekday(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """0 for Monday to 6 for Sunday."""
    return exp.Sub(this=cast(_extract("ISODOW", nodes[0]), INT64, dialect), expression=number(1))


def _date_difference(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    first, second = (cast(node, core("date"), dialect) for node in nodes)
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
    "date": lambda _, nodes, dialect: cast(nodes[0], core("date"), dialect),
    "datediff": _date_difference,
}
