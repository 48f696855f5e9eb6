"""How aggregates are written."""

from __future__ import annotations

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, VARCHAR
from djarrow.expr.terms import Call
from djarrow.model.types import AttributeType, Family
from djarrow.sql.collation import in_order
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, by_engine, form, forms, written
from djarrow.sql.tree import Expression, as_number, cast, cast_to, function, real, string, typed


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
                node = typed(call.arguments[0], nodes[0], call.type, dialect)
                return _over(name, call, in_order(call.type, node, dialect))

    return build


def _statistic(name: str) -> Build:
    """Over float64, so that all engines compute the same."""
    return lambda call, nodes, dialect: _over(name, call, real(call.arguments[0], nodes[0], dialect))


_PERCENTILE = forms(
    "PERCENTILE_CONT({1}) WITHIN GROUP (ORDER BY {0})",
    "QUANTILE_CONT({0}, {1})",
    "PERCENTILE_CONT({1}) WITHIN GROUP (ORDER BY {0})",
)


def _percentile(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Between two values, as far between them as the share says. The median is that of one half."""
    (share,) = call.options or (0.5,)
    return form(_PERCENTILE[dialect], real(call.arguments[0], nodes[0], dialect), exp.Literal.number(share))


def _of_pairs(name: str) -> Build:
    """Over pairs without NULL. Where there is nothing to compute it from, engines give NULL or NaN: here it is NULL."""
    return written(
        f"NULLIF({name}({{0}}, {{1}}), CAST('NaN' AS double precision))",
        f"NULLIF({name}({{0}}, {{1}}), CAST('NaN' AS DOUBLE))",
        takes=FLOAT64,
    )


# --- group_concat ------------------------------------------------------------------------------------------------


def _shown(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The values as text."""
    if not _of_strings(call):
        return cast(as_number(call.arguments[0], nodes[0], dialect), VARCHAR, dialect)
    # PostgreSQL casts a varchar by itself to the text that it joins, and would not know it again in ORDER BY.
    text = cast_to(nodes[0], "text") if dialect is Dialect.POSTGRES else _ordering(VARCHAR, nodes[0], dialect)
    return in_order(VARCHAR, text, dialect)


def _ordering(kind: AttributeType, node: Expression, dialect: Dialect) -> Expression:
    """The node as something to order by: DuckDB takes no bare constant, which a computed attribute may be."""
    bare = dialect is Dialect.DUCKDB and node.find(exp.Column) is None
    return cast(node, kind, dialect) if bare else node


def _of_strings(call: Call) -> bool:
    return call.arguments[0].type.family in (Family.STRING, Family.ENUM)


def _order(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """ORDER BY of what the call is ordered by, NULLs last. DISTINCT text is ordered by just that text."""
    if call.distinct and _of_strings(call):
        terms = [_shown(call, [nodes[0].copy()], dialect)]
    else:
        pairs = zip(call.arguments[1:], nodes[1:], strict=True)
        terms = [in_order(by.type, _ordering(by.type, node, dialect), dialect) for by, node in pairs]
    ordered = [
        exp.Ordered(this=term, desc=direction == "desc", nulls_first=False)
        for term, direction in zip(terms, call.options[1:], strict=True)
    ]
    return exp.Order(expressions=ordered)


def _joined(plain: str, distinct: str, distinct_other: str) -> Build:
    """group_concat. Distinct values that are no strings are told apart and ordered as what they are, then joined:
    DISTINCT takes no other order than that of the text.
    """

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        order, separator = _order(call, nodes, dialect), string(str(call.options[0]), dialect)
        if call.distinct and not _of_strings(call):
            down = exp.Boolean(this=call.options[1] == "desc")
            return form(distinct_other, nodes[0].copy(), separator, order, down)
        return form(distinct if call.distinct else plain, _shown(call, nodes, dialect), separator, order)

    return build


AGGREGATES: dict[str, Build] = {
    "count": _count,
    "count_if": written("COUNT(CASE WHEN {0} THEN 1 END)"),
    "sum": _sum,
    "min": _extreme("MIN", "BOOL_AND"),
    "max": _extreme("MAX", "BOOL_OR"),
    "avg": _statistic("AVG"),
    "stddev_pop": _statistic("STDDEV_POP"),
    "stddev_samp": _statistic("STDDEV_SAMP"),
    "var_pop": _statistic("VAR_POP"),
    "var_samp": _statistic("VAR_SAMP"),
    "median": _percentile,
    "percentile": _percentile,
    "corr": _of_pairs("CORR"),
    "covar_pop": _of_pairs("COVAR_POP"),
    "covar_samp": _of_pairs("COVAR_SAMP"),
    "regr_slope": _of_pairs("REGR_SLOPE"),
    "regr_intercept": _of_pairs("REGR_INTERCEPT"),
    "bool_and": written("BOOL_AND({0})"),
    "bool_or": written("BOOL_OR({0})"),
    "bit_and": written("BIT_AND({0})", casts=True),
    "bit_or": written("BIT_OR({0})", casts=True),
    "bit_xor": written("BIT_XOR({0})", casts=True),
    "group_concat": by_engine(
        _joined(
            "STRING_AGG({0}, {1}{2})",
            "STRING_AGG(DISTINCT {0}, {1}{2})",
            "ARRAY_TO_STRING(ARRAY_AGG(DISTINCT {0}{2}) FILTER (WHERE {0} IS NOT NULL), {1})",
        ),
        _joined(
            "STRING_AGG({0}, {1}{2})",
            "STRING_AGG(DISTINCT {0}, {1}{2})",
            "ARRAY_TO_STRING(LIST(DISTINCT {0}{2}) FILTER (WHERE {0} IS NOT NULL), {1})",
        ),
        _joined(
            "LISTAGG({0}, {1}) WITHIN GROUP ({2})",
            "LISTAGG(DISTINCT {0}, {1}) WITHIN GROUP ({2})",
            "CASE WHEN COUNT({0}) > 0 THEN ARRAY_JOIN(SORT_ARRAY(COLLECT_SET({0}), NOT {3}), {1}) END",
        ),
    ),
}
