"""How each function and operator of expr/functions.py is written. One row a name; where engines differ, a branch in it.

A row builds nodes of the SQL tree from the arguments' nodes. Results have the type that expr/functions.py states,
on every engine: where an engine would give another, the row casts. Text compares exactly, in `=` as in LIKE and
REGEXP: MySQL's own habit of ignoring case would make `x LIKE 'abc'` hold where `x = 'abc'` does not. ILIKE ignores it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from sqlglot import exp

from djarrow.expr.functions import FLOAT64, INT64, VARCHAR
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.types import AttributeType, Family, core
from djarrow.sql.dialects import Dialect

Expression = exp.Expression
Build = Callable[[Call, list[Expression], Dialect], Expression]

_STRINGS = (Family.STRING, Family.ENUM)
_INT32 = core("int32")


# --- parts -------------------------------------------------------------------------------------------------------


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
    return cast(_as_number(term, node, dialect), kind, dialect)


def _as_number(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """A truth value as 1 or 0, because `sum(correct = 1)` counts; other nodes as they are."""
    return cast(node, _INT32, dialect) if term.type.family is Family.BOOLEAN else node


def _all_typed(call: Call, nodes: list[Expression], dialect: Dialect) -> list[Expression]:
    return [typed(t, n, call.type, dialect) for t, n in zip(call.arguments, nodes, strict=True)]


def _real(term: Term, node: Expression, dialect: Dialect) -> Expression:
    return typed(term, node, FLOAT64, dialect)


# --- comparison and logic ----------------------------------------------------------------------------------------


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


# --- arithmetic --------------------------------------------------------------------------------------------------


def _arithmetic(kind: type[exp.Expression]) -> Build:
    """One operand takes the result's type before, so that nothing overflows on the way (smallint * smallint would)."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        operands = [_as_number(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        if not any(_carries(term, call.type) for term in call.arguments):
            operands[0] = cast(operands[0], call.type, dialect)
        return _exact(call, binary(kind, *operands), dialect)

    return build


def _carries(term: Term, kind: AttributeType) -> bool:
    """Whether an operator over this operand gives the kind of number wanted, whatever the other operand is."""
    if isinstance(term, Value):
        return False
    return term.type == kind or (term.type.family is Family.DECIMAL and kind.family is Family.DECIMAL)


def _exact(call: Call, node: Expression, dialect: Dialect) -> Expression:
    """Decimals in the stated precision: engines differ in the scale that they give."""
    return cast(node, call.type, dialect) if call.type.family is Family.DECIMAL else node


def _difference(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    if all(term.type.family is Family.DATE for term in call.arguments):
        return cast(binary(exp.Sub, *nodes), INT64, dialect)
    return _arithmetic(exp.Sub)(call, nodes, dialect)


def _negated(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return exp.Neg(this=exp.Paren(this=typed(call.arguments[0], nodes[0], call.type, dialect)))


def _not_zero(term: Term, node: Expression) -> Expression:
    """A divisor, NULL where it is 0."""
    if isinstance(term, Value) and term.value:
        return closed(node)
    return function("NULLIF", node, number(0))


def _quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Exact division, NULL where the divisor is 0."""
    above, below = (_real(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True))
    return exp.Div(this=closed(above), expression=_not_zero(call.arguments[1], below), typed=True)


def _whole_quotient(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """DIV: the quotient without its fraction, exact but for floats."""
    families = {term.type.family for term in call.arguments}
    if Family.FLOAT in families:
        return cast(function("TRUNC", _quotient(call, nodes, dialect)), INT64, dialect)
    divisor = call.arguments[1]
    if families == {Family.INTEGER} and call.type == INT64:
        above, below = (typed(t, n, INT64, dialect) for t, n in zip(call.arguments, nodes, strict=True))
        kind = exp.IntDiv if dialect is Dialect.DUCKDB else exp.Div
        return kind(this=closed(above), expression=_not_zero(divisor, below), typed=True)
    if dialect is Dialect.POSTGRES:
        above, below = (cast_to(node, "numeric") for node in nodes)
        return cast(function("DIV", above, _not_zero(divisor, below)), call.type, dialect)
    if families == {Family.INTEGER}:
        above, below = (cast_to(node, "HUGEINT") for node in nodes)
        return cast(exp.IntDiv(this=above, expression=_not_zero(divisor, below)), call.type, dialect)
    # DuckDB divides decimals as floats. Without its remainder the dividend is a multiple, whose quotient rounds right.
    rest = exp.Paren(this=exp.Sub(this=closed(nodes[0]), expression=exp.Paren(this=_modulo(divisor, nodes))))
    whole = exp.Div(this=cast(rest, FLOAT64, dialect), expression=_not_zero(divisor, nodes[1].copy()), typed=True)
    return cast(function("ROUND", whole), call.type, dialect)


def _modulo(divisor: Term, nodes: list[Expression]) -> Expression:
    return exp.Mod(this=closed(nodes[0].copy()), expression=_not_zero(divisor, nodes[1].copy()))


def _remainder(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The remainder with the sign of the dividend, NULL where the divisor is 0."""
    operands = _all_typed(call, nodes, dialect)
    divisor = call.arguments[1]
    if call.type != FLOAT64:
        return _exact(call, _modulo(divisor, operands), dialect)
    # PostgreSQL has no remainder of floats: both engines compute x - y * trunc(x / y).
    above, below = map(closed, operands)
    whole = function("TRUNC", exp.Div(this=above.copy(), expression=_not_zero(divisor, below.copy()), typed=True))
    return exp.Sub(this=above, expression=exp.Mul(this=below, expression=whole))


# --- functions of numbers ----------------------------------------------------------------------------------------


def _plain(name: str) -> Build:
    """The function of the same meaning under this name."""
    return lambda _, nodes, __: function(name, *nodes)


def _casting(name: str) -> Build:
    """A function whose own result is of another type than stated."""
    return lambda call, nodes, dialect: cast(function(name, *nodes), call.type, dialect)


def _absolute(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return function("ABS", *_all_typed(call, nodes, dialect))


def _of_reals(name: str, *, where: Callable[..., Expression] | None = None) -> Build:
    """A function of float64. where: its domain; outside it is NULL, as where text comes from, and not an error."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        arguments = [_real(t, n, dialect) for t, n in zip(call.arguments, nodes, strict=True)]
        result = function(name, *arguments)
        return result if where is None else choose(where(*(argument.copy() for argument in arguments)), result)

    return build


def _positive(node: Expression) -> Expression:
    return exp.GT(this=closed(node), expression=number(0))


def _not_negative(node: Expression) -> Expression:
    return exp.GTE(this=closed(node), expression=number(0))


def _within_one(node: Expression) -> Expression:
    return exp.LTE(this=function("ABS", node), expression=number(1))


def _power(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Every number has positive whole powers; other ones are NULL outside of their domain."""
    exponent = call.arguments[1]
    always = isinstance(exponent, Value) and isinstance(exponent.value, int) and exponent.value >= 0
    return _of_reals("POWER", where=None if always else _has_power)(call, nodes, dialect)


def _has_power(base: Expression, exponent: Expression) -> Expression:
    """A negative number has whole powers only, and 0 no negative ones."""
    whole = exp.EQ(this=closed(exponent), expression=function("FLOOR", exponent.copy()))
    of_negative = exp.And(this=exp.LT(this=closed(base), expression=number(0)), expression=whole)
    of_zero = exp.And(
        this=exp.EQ(this=closed(base.copy()), expression=number(0)), expression=_not_negative(exponent.copy())
    )
    return chain(exp.Or, [_positive(base.copy()), of_negative, of_zero])


def _log2(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """PostgreSQL has it as a quotient of logarithms; both engines take that, so that they agree to the last digit."""
    natural = function("LN", _real(call.arguments[0], nodes[0], dialect))
    result = exp.Div(this=natural, expression=function("LN", cast(number(2), FLOAT64, dialect)), typed=True)
    return choose(_positive(_real(call.arguments[0], nodes[0].copy(), dialect)), result)


def _edge_of_whole(name: str) -> Build:
    """FLOOR and CEIL. Whole numbers are left alone: PostgreSQL would take a bigint through float64."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        if call.arguments[0].type.family is Family.INTEGER:
            return typed(call.arguments[0], nodes[0], call.type, dialect)
        return cast(function(name, nodes[0]), call.type, dialect)

    return build


def _round(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Half away from zero, on the decimal digits that a float shows: PostgreSQL rounds floats half to even."""
    term, digits = call.arguments[0], nodes[1:]
    if term.type.family is Family.INTEGER and not digits:
        return typed(term, nodes[0], call.type, dialect)
    if dialect is Dialect.POSTGRES:
        return cast(function("ROUND", cast_to(nodes[0], "numeric"), *digits), call.type, dialect)
    if call.type != FLOAT64:
        return cast(function("ROUND", typed(term, nodes[0], call.type, dialect), *digits), call.type, dialect)
    # A cast of the float itself would bring in digits that it does not show. NaN and what is too large stay floats.
    exact = exp.TryCast(
        this=cast(nodes[0], VARCHAR, dialect),
        to=exp.DataType(this=exp.DataType.Type.USERDEFINED, kind="DECIMAL(38,15)"),
    )
    rounded = cast(function("ROUND", exact, *digits), FLOAT64, dialect)
    beyond = function("ROUND", _real(term, nodes[0].copy(), dialect), *(digit.copy() for digit in digits))
    return function("COALESCE", rounded, beyond)


def float_to_whole(node: Expression, kind: AttributeType, dialect: Dialect) -> Expression:
    """A float as a whole number, half away from zero: the engines' own casts round half to even."""
    return cast(function("ROUND", cast_to(node, "numeric") if dialect is Dialect.POSTGRES else node), kind, dialect)


def _unified(name: str) -> Build:
    """Arguments of one type: greatest and least, which are NULL where an argument is."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        alike = _all_typed(call, nodes, dialect)
        absent = [
            exp.Is(this=closed(node.copy()), expression=exp.Null())
            for term, node in zip(call.arguments, nodes, strict=True)
            if term.nullable
        ]
        found = function(name, *alike)
        return choose(chain(exp.Or, absent), exp.Null(), found) if absent else found

    return build


# --- strings -----------------------------------------------------------------------------------------------------


def _concat(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """NULL where any part is NULL: the engines' own concat would skip it."""
    texts = [closed(typed(term, node, VARCHAR, dialect)) for term, node in zip(call.arguments, nodes, strict=True)]
    return reduce(lambda left, right: exp.DPipe(this=left, expression=right), texts)


def _at_least_zero(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """A number of characters, as the type of the engines' functions. A negative one counts as none."""
    if isinstance(term, Value) and isinstance(term.value, int):
        return node if term.value >= 0 else number(0)
    below = exp.LT(this=closed(node.copy()), expression=number(0))
    return cast(choose(below, number(0), node), _INT32, dialect)


def _edge(name: str) -> Build:
    """LEFT and RIGHT. A negative length gives nothing; the engines would count it from the other end."""
    return lambda call, nodes, dialect: function(name, nodes[0], _at_least_zero(call.arguments[1], nodes[1], dialect))


def _substring(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """From 1; a negative start counts from the end; 0, and a start before the text, give nothing."""
    text, start = nodes[0], call.arguments[1]
    length = [_at_least_zero(call.arguments[2], nodes[2], dialect)] if len(nodes) > 2 else []
    if isinstance(start, Value) and isinstance(start.value, int) and start.value > 0:
        return function("SUBSTR", text, nodes[1], *length)
    begin = cast(nodes[1], _INT32, dialect)
    size = cast(function("LENGTH", text.copy()), _INT32, dialect)
    from_end = exp.Add(this=exp.Add(this=size, expression=number(1)), expression=begin.copy())
    backward = choose(
        _positive(from_end.copy()), function("SUBSTR", text.copy(), from_end, *(n.copy() for n in length)), _empty()
    )
    found = exp.Case(
        ifs=[
            exp.If(this=_positive(begin), true=function("SUBSTR", text, begin.copy(), *length)),
            exp.If(this=exp.LT(this=begin.copy(), expression=number(0)), true=backward),
            exp.If(this=exp.EQ(this=begin.copy(), expression=number(0)), true=_empty()),
        ]
    )
    absent = [
        exp.Is(this=closed(node.copy()), expression=exp.Null())
        for term, node in zip(call.arguments, nodes, strict=True)
        if term.nullable
    ]
    return choose(chain(exp.Or, absent), exp.Null(), found) if absent else found


def _empty() -> Expression:
    return exp.Literal.string("")


# --- dates and times ---------------------------------------------------------------------------------------------


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


# --- choice ------------------------------------------------------------------------------------------------------


def _coalesce(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    return function("COALESCE", *_all_typed(call, nodes, dialect))


def _null_if(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """The engines' own gives a value of the type that both arguments have in common, which may be a rounded one."""
    if call.arguments[1].type == call.type:
        return function("NULLIF", *nodes)
    return choose(binary(exp.EQ, *nodes), cast(exp.Null(), call.type, dialect), nodes[0].copy())


def _choice(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    yes, no = (typed(t, n, call.type, dialect) for t, n in zip(call.arguments[1:], nodes[1:], strict=True))
    return choose(nodes[0], yes, no)


# --- aggregates --------------------------------------------------------------------------------------------------


def _over(name: str, call: Call, node: Expression) -> Expression:
    return function(name, exp.Distinct(expressions=[node]) if call.distinct else node)


def _count(call: Call, nodes: list[Expression], _: Dialect) -> Expression:
    return _over("COUNT", call, nodes[0]) if nodes else function("COUNT", exp.Star())


def _sum(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """Floats are added as float64, whole numbers in the engine's own wider type, which is then cast to the result's."""
    term = call.arguments[0]
    if call.type == FLOAT64:
        return _over("SUM", call, _real(term, nodes[0], dialect))
    return cast(_over("SUM", call, _as_number(term, nodes[0], dialect)), call.type, dialect)


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
    return lambda call, nodes, dialect: _over(name, call, _real(call.arguments[0], nodes[0], dialect))


# --- the table ---------------------------------------------------------------------------------------------------

RENDER: dict[str, Build] = {
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
    "+": _arithmetic(exp.Add),
    "-": _difference,
    "*": _arithmetic(exp.Mul),
    "/": _quotient,
    "div": _whole_quotient,
    "%": _remainder,
    "neg": _negated,
    "abs": _absolute,
    "round": _round,
    "floor": _edge_of_whole("FLOOR"),
    "ceiling": _edge_of_whole("CEIL"),
    "sign": _casting("SIGN"),
    "sqrt": _of_reals("SQRT", where=_not_negative),
    "exp": _of_reals("EXP"),
    "ln": _of_reals("LN", where=_positive),
    "log10": _of_reals("LOG10", where=_positive),
    "log2": _log2,
    "power": _power,
    "sin": _of_reals("SIN"),
    "cos": _of_reals("COS"),
    "tan": _of_reals("TAN"),
    "asin": _of_reals("ASIN", where=_within_one),
    "acos": _of_reals("ACOS", where=_within_one),
    "atan": _of_reals("ATAN"),
    "atan2": _of_reals("ATAN2"),
    "radians": _of_reals("RADIANS"),
    "degrees": _of_reals("DEGREES"),
    "greatest": _unified("GREATEST"),
    "least": _unified("LEAST"),
    "concat": _concat,
    "lower": _plain("LOWER"),
    "upper": _plain("UPPER"),
    "trim": _plain("TRIM"),
    "ltrim": _plain("LTRIM"),
    "rtrim": _plain("RTRIM"),
    "length": _casting("LENGTH"),
    "substring": _substring,
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
    "coalesce": _coalesce,
    "nullif": _null_if,
    "if": _choice,
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
