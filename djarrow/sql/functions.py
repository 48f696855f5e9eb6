"""How each function and operator of expr/functions.py is written. One row a name; where engines differ, a row each.

A row builds nodes of the SQL tree from the arguments' nodes. Results have the type that expr/functions.py states,
on every engine: where an engine would give another, the row casts.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, INT64, WIDE
from djarrow.expr.terms import Call, Term
from djarrow.model.types import AttributeType, Family, core
from djarrow.sql.dialects import Dialect

Expression = exp.Expression
Build = Callable[[Call, list[Expression], Dialect], Expression]


def cast(node: Expression, kind: AttributeType, dialect: Dialect) -> Expression:
    """CAST(node AS the column type of kind)."""
    target = exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=dialect.type_name(kind))
    return exp.Cast(this=node, to=target)


def function(name: str, *arguments: Expression) -> Expression:
    """A call by name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def closed(node: Expression) -> Expression:
    """The node in parentheses where an operator around it could read it otherwise."""
    loose = isinstance(node, exp.Binary | exp.Not | exp.Between | exp.In | exp.Neg | exp.Is)
    return exp.Paren(this=node) if loose and not isinstance(node, exp.Dot) else node


def number(value: int) -> Expression:
    """A whole number."""
    return exp.Literal.number(value)


def binary(kind: type[exp.Expression], left: Expression, right: Expression) -> Expression:
    """An operator between two operands."""
    return kind(this=closed(left), expression=closed(right))


def as_number(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """A truth value as 1 or 0, because `sum(correct = 1)` counts; other nodes as they are."""
    return cast(node, core("int32"), dialect) if term.type.family is Family.BOOLEAN else node


def _operator(kind: type[exp.Expression]) -> Build:
    return lambda _, nodes, __: binary(kind, *nodes)


def _connector(kind: type[exp.Expression]) -> Build:
    """AND and OR: a chain of the same needs no parentheses."""

    def build(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
        left, right = (node if isinstance(node, exp.Binary) and _binds_tighter(node, kind) else closed(node) for node in nodes)
        return kind(this=left, expression=right)

    return build


def _binds_tighter(node: Expression, connector: type[exp.Expression]) -> bool:
    if isinstance(node, exp.Connector):
        return isinstance(node, connector)
    return True


def _arithmetic(kind: type[exp.Expression]) -> Build:
    """Operands take the result's type before, so that nothing overflows on the way (smallint * smallint would)."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        operands = [as_number(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        if not any(term.type == call.type for term in call.arguments) and not _both_decimal(call):
            operands[0] = cast(operands[0], _carrier(call.type), dialect)
        return binary(kind, operands[0], operands[1])

    return build


def _both_decimal(call: Call) -> bool:
    return call.type.family is Family.DECIMAL and any(t.type.family is Family.DECIMAL for t in call.arguments)


def _carrier(kind: AttributeType) -> AttributeType:
    return WIDE if kind.family is Family.DECIMAL else kind


def _difference(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    if all(term.type.family is Family.DATE for term in call.arguments):
        return cast(exp.Paren(this=binary(exp.Sub, *nodes)), INT64, dialect)
    return _arithmetic(exp.Sub)(call, nodes, dialect)


def _decimal_result(build: Build) -> Build:
    """Cast decimals to the stated precision: engines differ in the scale that they give."""

    def wrapped(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        node = build(call, nodes, dialect)
        return cast(node, call.type, dialect) if call.type.family is Family.DECIMAL else node

    return wrapped


def _quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Exact division, NULL where the divisor is 0."""
    above, below = (_real(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True))
    return exp.Div(this=closed(above), expression=function("NULLIF", below, number(0)), typed=True)


def _real(term: Term, node: Expression, dialect: Dialect) -> Expression:
    if term.type == FLOAT64:
        return node
    return cast(as_number(term, node, dialect), FLOAT64, dialect)


def _whole_quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """DIV: the quotient without its fraction."""
    if all(t.type.family is Family.INTEGER for t in call.arguments):
        wide = cast(nodes[0], INT64, dialect)
        below = function("NULLIF", nodes[1], number(0))
        if dialect is Dialect.DUCKDB:
            return exp.IntDiv(this=wide, expression=below)
        return exp.Div(this=wide, expression=below, typed=True)
    return cast(function("TRUNC", _quotient(call, nodes, dialect)), INT64, dialect)


def _remainder(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    if call.type.family is Family.FLOAT:
        exact = core("decimal", 38, 10)
        nodes = [cast(node, exact, dialect) for node in nodes]
        rest = exp.Mod(this=nodes[0], expression=function("NULLIF", nodes[1], number(0)))
        return cast(rest, FLOAT64, dialect)
    return exp.Mod(this=closed(nodes[0]), expression=function("NULLIF", nodes[1], number(0)))


def _plain(name: str, *, real: bool = False) -> Build:
    """The function of the same meaning under this name; real: its arguments as float64."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        if real:
            nodes = [_real(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        return function(name, *nodes)

    return build


def _typed(name: str) -> Build:
    """A function whose own result is of another type than stated."""
    return lambda call, nodes, dialect: cast(function(name, *nodes), call.type, dialect)


def _domain(name: str, allowed: Callable[[Expression], Expression]) -> Build:
    """A real function that is NULL outside its domain, as in the dialect that text is read in, and not an error."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        argument = _real(call.arguments[0], nodes[0], dialect)
        return exp.Case(ifs=[exp.If(this=allowed(argument.copy()), true=function(name, argument))])

    return build


def _positive(node: Expression) -> Expression:
    return exp.GT(this=closed(node), expression=number(0))


def _not_negative(node: Expression) -> Expression:
    return exp.GTE(this=closed(node), expression=number(0))


def _within_one(node: Expression) -> Expression:
    return exp.LTE(this=function("ABS", node), expression=number(1))


def _log2(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    argument = _real(call.arguments[0], nodes[0], dialect)
    exact = function("LOG2", argument) if dialect is Dialect.DUCKDB else exp.Div(
        this=function("LN", argument), expression=function("LN", cast(number(2), FLOAT64, dialect)), typed=True
    )
    return exp.Case(ifs=[exp.If(this=_positive(argument.copy()), true=exact)])


def _log10(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    argument = _real(call.arguments[0], nodes[0], dialect)
    return exp.Case(ifs=[exp.If(this=_positive(argument.copy()), true=function("LOG10", argument))])


def _round(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Half away from zero, on the decimal digits that a float shows: PostgreSQL rounds floats half to even."""
    exact = nodes[0]
    if call.type.family is Family.FLOAT:
        exact = cast(nodes[0], core("decimal", 38, 15) if dialect is Dialect.DUCKDB else core("decimal"), dialect)
    return cast(function("ROUND", exact, *nodes[1:]), call.type, dialect)


def _part(name: str) -> Build:
    return lambda _, nodes, dialect: cast(
        exp.Extract(this=exp.Var(this=name), expression=nodes[0]), INT64, dialect
    )


def _second(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Whole seconds: without FLOOR, PostgreSQL would round half a second up to 60."""
    return cast(function("FLOOR", exp.Extract(this=exp.Var(this="SECOND"), expression=nodes[0])), INT64, dialect)


def _day_of_week(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """1 for Sunday to 7 for Saturday."""
    zero_based = cast(exp.Extract(this=exp.Var(this="DOW"), expression=nodes[0]), INT64, dialect)
    return exp.Add(this=zero_based, expression=number(1))


def _weekday(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """0 for Monday to 6 for Sunday."""
    iso = cast(exp.Extract(this=exp.Var(this="ISODOW"), expression=nodes[0]), INT64, dialect)
    return exp.Sub(this=iso, expression=number(1))


def _date_difference(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    first, second = (cast(node, core("date"), dialect) for node in nodes)
    return cast(exp.Paren(this=exp.Sub(this=first, expression=second)), INT64, dialect)


def _between(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    value, low, high = map(closed, nodes)
    return exp.Between(this=value, low=low, high=high)


def _in(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    return exp.In(this=closed(nodes[0]), expressions=nodes[1:])


def _is(value: Expression) -> Build:
    return lambda _, nodes, __: exp.Is(this=closed(nodes[0]), expression=value.copy())


def _same(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    return exp.NullSafeEQ(this=closed(nodes[0]), expression=closed(nodes[1]))


def _different(_: Call, nodes: list[Expression], __: Dialect) -> Expression:
    """XOR of two truth values."""
    return binary(exp.NEQ, *nodes)


def _pattern(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """LIKE without regard to case, as in the dialect that text is read in, and with backslash as escape on both."""
    match = exp.ILike(this=closed(nodes[0]), expression=closed(nodes[1]))
    if dialect is Dialect.POSTGRES:
        return match
    return exp.Escape(this=match, expression=exp.Literal.string("\\"))


def _regular(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    if dialect is Dialect.POSTGRES:
        return exp.Paren(this=exp.RegexpILike(this=closed(nodes[0]), expression=closed(nodes[1])))
    return function("regexp_matches", *nodes, exp.Literal.string("i"))


def _concat(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """NULL where any part is NULL: the engines' own concat would skip it."""
    texts = [
        node if term.type.family is Family.STRING else cast(node, core("varchar"), dialect)
        for term, node in zip(call.arguments, nodes, strict=True)
    ]
    result = closed(texts[0])
    for text in texts[1:]:
        result = exp.DPipe(this=result, expression=closed(text))
    return result


def _edge(name: str) -> Build:
    """LEFT and RIGHT: a negative length gives nothing, on both engines."""
    return lambda _, nodes, __: function(name, nodes[0], function("GREATEST", nodes[1], number(0)))


def _choice(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    test, yes, no = nodes
    chosen = [_to(call.type, t, n, dialect) for t, n in zip(call.arguments[1:], (yes, no), strict=True)]
    return exp.Case(ifs=[exp.If(this=test, true=chosen[0])], default=chosen[1])


def _to(kind: AttributeType, term: Term, node: Expression, dialect: Dialect) -> Expression:
    return node if term.type == kind else cast(node, kind, dialect)


def _unified(name: str) -> Build:
    """Arguments of one type: coalesce, greatest, least."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        alike = [_to(call.type, t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        joined = function(name, *alike)
        if name == "COALESCE":
            return joined
        missing = [exp.Is(this=closed(n.copy()), expression=exp.Null()) for n in alike]
        test = missing[0]
        for further in missing[1:]:
            test = exp.Or(this=test, expression=further)
        return exp.Case(ifs=[exp.If(this=test, true=exp.Null())], default=joined)

    return build


def _count(call: Call, nodes: list[Expression], _: Dialect) -> Expression:
    return function("COUNT", *(_distinct(call, nodes) or [exp.Star()]))


def _distinct(call: Call, nodes: list[Expression]) -> list[Expression]:
    return [exp.Distinct(expressions=nodes)] if call.distinct and nodes else nodes


def _sum(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    value = as_number(call.arguments[0], nodes[0], dialect)
    if call.type == FLOAT64:
        return function("SUM", *_distinct(call, [_to(FLOAT64, call.arguments[0], value, dialect)]))
    return cast(function("SUM", *_distinct(call, [value])), call.type, dialect)


def _extreme(name: str) -> Build:
    return lambda call, nodes, _: function(name, *_distinct(call, nodes))


def _statistic(name: str) -> Build:
    """Over float64, so that both engines compute the same."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        return function(name, *_distinct(call, [_real(call.arguments[0], nodes[0], dialect)]))

    return build


RENDER: dict[str, Build] = {
    "=": _operator(exp.EQ),
    "<>": _operator(exp.NEQ),
    "<": _operator(exp.LT),
    "<=": _operator(exp.LTE),
    ">": _operator(exp.GT),
    ">=": _operator(exp.GTE),
    "<=>": _same,
    "in": _in,
    "between": _between,
    "is null": _is(exp.Null()),
    "is true": _is(exp.Boolean(this=True)),
    "is false": _is(exp.Boolean(this=False)),
    "like": _pattern,
    "regexp": _regular,
    "and": _connector(exp.And),
    "or": _connector(exp.Or),
    "xor": _different,
    "not": lambda _, nodes, __: exp.Not(this=closed(nodes[0])),
    "+": _decimal_result(_arithmetic(exp.Add)),
    "-": _decimal_result(_difference),
    "*": _decimal_result(_arithmetic(exp.Mul)),
    "/": _quotient,
    "div": _whole_quotient,
    "%": _decimal_result(_remainder),
    "neg": lambda call, nodes, dialect: exp.Neg(this=exp.Paren(this=_to(call.type, call.arguments[0], nodes[0], dialect))),
    "abs": _plain("ABS"),
    "round": _round,
    "floor": _typed("FLOOR"),
    "ceiling": _typed("CEIL"),
    "sign": _typed("SIGN"),
    "sqrt": _domain("SQRT", _not_negative),
    "exp": _plain("EXP", real=True),
    "ln": _domain("LN", _positive),
    "log10": _log10,
    "log2": _log2,
    "power": _plain("POWER", real=True),
    "sin": _plain("SIN", real=True),
    "cos": _plain("COS", real=True),
    "tan": _plain("TAN", real=True),
    "asin": _domain("ASIN", _within_one),
    "acos": _domain("ACOS", _within_one),
    "atan": _plain("ATAN", real=True),
    "atan2": _plain("ATAN2", real=True),
    "radians": _plain("RADIANS", real=True),
    "degrees": _plain("DEGREES", real=True),
    "greatest": _unified("GREATEST"),
    "least": _unified("LEAST"),
    "concat": _concat,
    "lower": _plain("LOWER"),
    "upper": _plain("UPPER"),
    "trim": _plain("TRIM"),
    "ltrim": _plain("LTRIM"),
    "rtrim": _plain("RTRIM"),
    "length": _typed("LENGTH"),
    "substring": _plain("SUBSTR"),
    "left": _edge("LEFT"),
    "right": _edge("RIGHT"),
    "replace": _plain("REPLACE"),
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
    "coalesce": _unified("COALESCE"),
    "nullif": _plain("NULLIF"),
    "if": _choice,
    "count": _count,
    "sum": _sum,
    "min": _extreme("MIN"),
    "max": _extreme("MAX"),
    "avg": _statistic("AVG"),
    "stddev_pop": _statistic("STDDEV_POP"),
    "stddev_samp": _statistic("STDDEV_SAMP"),
    "var_pop": _statistic("VAR_POP"),
    "var_samp": _statistic("VAR_SAMP"),
}
