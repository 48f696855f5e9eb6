"""How functions of strings are written."""

from __future__ import annotations

from functools import reduce

from sqlglot import exp

from djarrow.expr.functions import VARCHAR
from djarrow.expr.terms import Call, Term, Value
from djarrow.model.types import Family
from djarrow.sql.dialects import Dialect
from djarrow.sql.functions.shared import Build, Forms, casting, form, forms, null_where_any_is, plain, written
from djarrow.sql.tree import INT32, Expression, cast, choose, closed, function, number, positive, typed


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
    return null_where_any_is(call, nodes, found)


def _empty() -> Expression:
    return exp.Literal.string("")


def _joined(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
    """concat_ws: passes over NULL, and is NULL where the separator is."""
    texts = [typed(term, node, VARCHAR, dialect) for term, node in zip(call.arguments, nodes, strict=True)]
    return function("CONCAT_WS", *texts)


def _trimmed(engines: str, side: str) -> Build:
    """Takes off spaces, or another character. DuckDB would take off other blanks too, unless it is told what."""

    def build(_: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        character = nodes[1:] or [exp.Literal.string(" ")]
        text = f"TRIM({side} {{1}} FROM {{0}})" if dialect is Dialect.SPARK else f"{engines}({{0}}, {{1}})"
        return form(text, nodes[0], *character)

    return build


def _sized(text: str) -> Build:
    """A function of a text and a size in characters."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        return form(text, nodes[0], _at_least_zero(call.arguments[1], nodes[1], dialect), *nodes[2:])

    return build


def _of_bytes(of_texts: Forms, of_bytes: Forms) -> Build:
    """A function of a text in UTF-8, or of bytes."""

    def build(call: Call, nodes: list[Expression], dialect: Dialect) -> Expression:
        texts = of_bytes if call.arguments[0].type.family is Family.BLOB else of_texts
        return form(texts[dialect], *nodes)

    return build


def _in_either_case(name: str) -> Build:
    """LOWER and UPPER. Of a stored string, which is of the collation "C", PostgreSQL would take ASCII letters only:
    the database's own knows more. The result is of "C" again, as all strings that meet.
    """
    return written(f'({name}({{0}} COLLATE "default") COLLATE "C")', f"{name}({{0}})")


STRINGS: dict[str, Build] = {
    "concat": _concat,
    "concat_ws": _joined,
    "lower": _in_either_case("LOWER"),
    "upper": _in_either_case("UPPER"),
    "trim": _trimmed("TRIM", "BOTH"),
    "ltrim": _trimmed("LTRIM", "LEADING"),
    "rtrim": _trimmed("RTRIM", "TRAILING"),
    "length": casting("LENGTH"),
    "octet_length": _of_bytes(
        forms("CAST(OCTET_LENGTH({0}) AS bigint)", "CAST(STRLEN({0}) AS BIGINT)", "CAST(OCTET_LENGTH({0}) AS BIGINT)"),
        forms("CAST(OCTET_LENGTH({0}) AS bigint)", "CAST(OCTET_LENGTH({0}) AS BIGINT)"),
    ),
    "ascii": written("ASCII({0})", casts=True),
    "substring": _substring,
    "left": _edge("LEFT"),
    "right": _edge("RIGHT"),
    "lpad": _sized("LPAD({0}, {1}, {2})"),
    "rpad": _sized("RPAD({0}, {1}, {2})"),
    "repeat": _sized("REPEAT({0}, {1})"),
    "replace": plain("REPLACE"),
    "split_part": plain("SPLIT_PART"),
    "instr": written("STRPOS({0}, {1})", spark="INSTR({0}, {1})", casts=True),
    "starts_with": written("STARTS_WITH({0}, {1})", spark="STARTSWITH({0}, {1})"),
    "ends_with": written("(RIGHT({0}, LENGTH({1})) = {1})", "ENDS_WITH({0}, {1})", "ENDSWITH({0}, {1})"),
    "contains": written("(STRPOS({0}, {1}) > 0)", "CONTAINS({0}, {1})"),
    "regexp_replace": written("REGEXP_REPLACE({0}, {1}, {2}, 'g')", spark="REGEXP_REPLACE({0}, {1}, {2})"),
    "regexp_substr": written(
        "(REGEXP_MATCH({0}, '(' || {1} || ')'))[1]",
        "CASE WHEN REGEXP_MATCHES({0}, {1}) THEN REGEXP_EXTRACT({0}, {1}) END",
        "CASE WHEN {0} RLIKE {1} THEN REGEXP_EXTRACT({0}, {1}, 0) END",
    ),
    "hex": _of_bytes(
        forms("UPPER(ENCODE(CONVERT_TO({0}, 'UTF8'), 'hex'))", "HEX({0})"),
        forms("UPPER(ENCODE({0}, 'hex'))", "HEX({0})"),
    ),
    "md5": _of_bytes(forms("MD5({0})"), forms("MD5({0})")),
    "sha256": _of_bytes(
        forms("ENCODE(SHA256(CONVERT_TO({0}, 'UTF8')), 'hex')", "SHA256({0})", "SHA2({0}, 256)"),
        forms("ENCODE(SHA256({0}), 'hex')", "SHA256({0})", "SHA2({0}, 256)"),
    ),
}
