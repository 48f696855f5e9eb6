"""How aggregates are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, VARCHAR
from djarrow.expr.terms import Call
from djarrow.model.types import Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build
from djarrow.sql.tree import Expression, as_number, cast, function, real, typed


def _over(name: str, call: Call, node: Expression) -> Expression:
    return function(name, exp.Distinct(expressions=[node]) if call.distinct else node)


def _count(call: Call, nodes: list[Expression], _: Dialect) -> Expression:
    return _over("COUNT", call, nodes[0]) if nodes else function("COUNT", exp.Star())


def _sum(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Floats are added as float64, whole numbers in the engine's own wider type, which is then cast to the result's."""
    term = call.arguments[0]
    if call.type == FLOAT64:
        return _over("SUM", call, real(term, nodes[0], dialect))
    return cast(_over("SUM", call, as_number(term, nodes[0], dialect)), call.type, dialect)


def _extreme(name: str, of_truths: str) -> Build:
    """MIN and MAX. PostgreSQL has none of booleans, nor of UUIDs, whose text has the same order."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        match call.type.family:
            case Family.BOOLEAN:
                return _over(of_truths, call, nodes[0])
            case Family.UUID:
                return cast(_over(name, call, cast(nodes[0], VARCHAR, dialect)), call.type, dialect)
            case _:
                return _over(name, call, typed(call.arguments[0], nodes[0], call.type, dialect))

    return build


def _statistic(name: str) -> Build:
    """Over float64, so that both engines compute the same."""
    return lambda call, nodes, dialect: _over(name, call, real(call.arguments[0], nodes[0], dialect))


AGGREGATES: dict[str, Build] = {
    "count": _count,
    "sum": _sum,
    "min": _extreme("MIN", "BOOL_AND"),
    "max": _extreme("MAX", "BOOL_OR"),
    "avg": _statistic("AVG"),
    "stddev_pop": _statistic("STDDEV_POP"),
    "stddev_samp": _statistic("STDDEV_SAMP"),
    "var_pop": _statistic("VAR_POP"),
    "var_samp": _statistic("VAR_SAMP"),
}
