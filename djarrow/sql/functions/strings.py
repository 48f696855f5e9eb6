"""How functions of strings are written."""

from __future__ import annotations

from functools import reduce

from sqlglot import exp

from djarrow.expr.functions import VARCHAR
from djarrow.expr.terms import Call, Term, Value
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, casting, plain
from djarrow.sql.tree import INT32, Expression, cast, chain, choose, closed, function, number, positive, typed


def _concat(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """NULL where any part is NULL: the engines' own concat would skip it."""
    texts = [closed(typed(term, node, VARCHAR, dialect)) for term, node in zip(call.arguments, nodes, strict=True)]
    return reduce(lambda left, right: exp.DPipe(this=left, expression=right), texts)


def _at_least_zero(term: Term, node: Expression, dialect: Dialect) -> Expression:
    """A number of characters, as the type of the engines' functions. A negative one counts as none."""
    if isinstance(term, Value) and isinstance(term.value, int):
        return node if term.value >= 0 else number(0)
    below = exp.LT(this=closed(node.copy()), expression=number(0))
    return cast(choose(below, number(0), node), INT32, dialect)


def _edge(name: str) -> Build:
    """LEFT and RIGHT. A negative length gives nothing; the engines would count it from the other end."""
    return lambda call, nodes, dialect: function(name, nodes[0], _at_least_zero(call.arguments[1], nodes[1], dialect))


def _substring(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """From 1; a negative start counts from the end; 0, and a start before the text, give nothing."""
    text, start = nodes[0], call.arguments[1]
    length = [_at_least_zero(call.arguments[2], nodes[2], dialect)] if len(nodes) > 2 else []
    if isinstance(start, Value) and isinstance(start.value, int) and start.value > 0:
        return function("SUBSTR", text, nodes[1], *length)
    begin = cast(nodes[1], INT32, dialect)
    size = cast(function("LENGTH", text.copy()), INT32, dialect)
    from_end = exp.Add(this=exp.Add(this=size, expression=number(1)), expression=begin.copy())
    backward = choose(
        positive(from_end.copy()), function("SUBSTR", text.copy(), from_end, *(n.copy() for n in length)), _empty()
    )
    found = exp.Case(
        ifs=[
            exp.If(this=positive(begin), true=function("SUBSTR", text, begin.copy(), *length)),
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


STRINGS: dict[str, Build] = {
    "concat": _concat,
    "lower": plain("LOWER"),
    "upper": plain("UPPER"),
    "trim": plain("TRIM"),
    "ltrim": plain("LTRIM"),
    "rtrim": plain("RTRIM"),
    "length": casting("LENGTH"),
    "octet_length": casting("OCTET_LENGTH"),
    "substring": _substring,
    "left": _edge("LEFT"),
    "right": _edge("RIGHT"),
    "replace": plain("REPLACE"),
}
