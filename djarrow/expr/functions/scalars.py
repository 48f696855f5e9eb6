"""The rows of operators and functions of truth values, numbers, strings, JSON and choice."""

from __future__ import annotations

from djarrow.expr.functions.kinds import (
    ALL,
    BOOL,
    BYTES,
    COUNTED,
    FIRST,
    FLOAT64,
    INT64,
    JSON,
    NUMBERS,
    STRINGS,
    VARCHAR,
    WHOLE,
    Function,
    always,
    arithmetic,
    bits,
    chosen,
    common,
    compared,
    difference,
    first,
    numeric,
    ordered,
    product,
    takes,
    whole,
    whole_quotient,
)
from djarrow.model.types import AttributeType, Family


def _comparison(name: str, least: int = 2, most: int | None = 2, *, nullable: bool | None = None) -> Function:
    return Function(name, (least, most), compared, compares=True, nullable=nullable)


def _logic(name: str, least: int, most: int | None, *, nullable: bool | None = None) -> Function:
    return Function(name, (least, most), always(BOOL), logical=ALL, nullable=nullable)


def _real(name: str, arity: int = 1, *, partial: bool = False) -> Function:
    """A function of real numbers. partial: NULL outside of its domain."""
    return Function(name, (arity, arity), takes(FLOAT64, NUMBERS), nullable=True if partial else None)


def _string(
    name: str, least: int, most: int, *positions: frozenset[Family], result: AttributeType = VARCHAR
) -> Function:
    return Function(name, (least, most), takes(result, *(positions or (STRINGS,))))


_JSON = frozenset({Family.JSON})
_SHOWN = frozenset(Family) - BYTES - {Family.FLOAT}
"""What becomes text: the engines write floats each in its own way, so that text of them would differ."""

COMPARISON = (
    *(_comparison(name) for name in ("=", "<>", "<", "<=", ">", ">=")),
    _comparison("<=>", nullable=False),
    _comparison("in", 2, None),
    _comparison("between", 3, 3),
    Function("is null", (1, 1), always(BOOL), nullable=False),
    *(Function(name, (2, 2), takes(BOOL, STRINGS)) for name in ("like", "ilike", "regexp")),
    _logic("and", 2, None),
    _logic("or", 2, None),
    _logic("xor", 2, 2),
    _logic("not", 1, 1),
    _logic("is true", 1, 1, nullable=False),
    _logic("is false", 1, 1, nullable=False),
)

ARITHMETIC = (
    Function("+", (2, 2), arithmetic),
    Function("-", (2, 2), difference),
    Function("*", (2, 2), product),
    Function("/", (2, 2), takes(FLOAT64, COUNTED), nullable=True),
    Function("div", (2, 2), whole_quotient, nullable=True),
    Function("%", (2, 2), arithmetic, nullable=True),
    Function("neg", (1, 1), arithmetic),
    *(Function(name, (2, 2), bits) for name in ("&", "|", "^")),
    Function("~", (1, 1), bits),
)

NUMERIC = (
    Function("abs", (1, 1), numeric),
    Function("round", (1, 2), lambda types: numeric(types[:1]), constant=(1,)),
    Function("truncate", (1, 2), lambda types: numeric(types[:1]), constant=(1,)),
    Function("floor", (1, 1), whole),
    Function("ceiling", (1, 1), whole),
    Function("sign", (1, 1), takes(INT64, NUMBERS)),
    *(
        _real(name, partial=True)
        for name in ("sqrt", "ln", "log10", "log2", "asin", "acos", "sin", "cos", "tan", "cot")
    ),
    _real("power", 2, partial=True),
    *(_real(name) for name in ("exp", "atan", "sinh", "cosh", "tanh", "radians", "degrees")),
    _real("atan2", 2),
    _real("pi", 0),
    Function("greatest", (2, None), ordered, compares=True),
    Function("least", (2, None), ordered, compares=True),
)

STRING = (
    Function("concat", (1, None), takes(VARCHAR, _SHOWN)),
    Function("concat_ws", (2, None), takes(VARCHAR, STRINGS, _SHOWN)),
    *(_string(name, 1, 1) for name in ("lower", "upper")),
    *(_string(name, 1, 2) for name in ("trim", "ltrim", "rtrim")),
    _string("length", 1, 1, result=INT64),
    _string("octet_length", 1, 1, STRINGS | {Family.BLOB}, result=INT64),
    _string("ascii", 1, 1, result=INT64),
    _string("substring", 2, 3, STRINGS, WHOLE),
    _string("left", 2, 2, STRINGS, WHOLE),
    _string("right", 2, 2, STRINGS, WHOLE),
    _string("lpad", 3, 3, STRINGS, WHOLE, STRINGS),
    _string("rpad", 3, 3, STRINGS, WHOLE, STRINGS),
    _string("repeat", 2, 2, STRINGS, WHOLE),
    _string("replace", 3, 3),
    _string("split_part", 3, 3, STRINGS, STRINGS, WHOLE),
    _string("instr", 2, 2, result=INT64),
    *(_string(name, 2, 2, result=BOOL) for name in ("starts_with", "ends_with", "contains")),
    _string("regexp_replace", 3, 3),
    Function("regexp_substr", (2, 2), takes(VARCHAR, STRINGS), nullable=True),
    *(_string(name, 1, 1, STRINGS | {Family.BLOB}) for name in ("hex", "md5", "sha256")),
)

DOCUMENTS = (
    Function("json value", (1, 1), takes(VARCHAR, _JSON), nullable=True),
    Function("json number", (1, 1), takes(FLOAT64, _JSON), nullable=True),
    Function("json whole", (1, 1), takes(INT64, _JSON), nullable=True),
    Function("json truth", (1, 1), takes(BOOL, _JSON), nullable=True),
    Function("json_extract", (1, 1), takes(JSON, _JSON), nullable=True),
    Function("json_length", (1, 1), takes(INT64, _JSON), nullable=True),
)
"""Of a part of a JSON attribute; where the part is, stands in the options of the call."""

CHOICE = (
    Function("coalesce", (1, None), common, compares=True, all_null=True),
    Function("nullif", (2, 2), first, compares=True, nullable=True),
    Function("if", (3, 3), chosen, compares=True, logical=FIRST),
)
