"""The table of functions and operators that text may use: arity, and the type that comes out. No other may be called.

How each is written for PostgreSQL and DuckDB stands in sql/functions/; a test holds the two tables together.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from djarrow.model.types import NUMERIC_FAMILIES, AttributeType, Family, core, decimal_digits

Types = tuple[AttributeType, ...]
Result = Callable[[Types], AttributeType | None]
"""The result's type from the arguments' types; None where they do not fit."""

INT64 = core("int64")
FLOAT64 = core("float64")
WIDE = core("decimal", 38, 0)
BOOL = core("bool")
VARCHAR = core("varchar")

NONE, FIRST, ALL = slice(0), slice(1), slice(None)


@frozen
class Function:
    """One row. arity: least and most, None without limit.

    logical: which arguments are truth values. compares: constants among the others take the type of what they meet.
    constant: the positions where only a whole number as it stands is taken. nullable: whether the result may be NULL,
    None for where any argument is; all_null: where all arguments are. over_nothing: an aggregate's value over no rows.
    """

    name: str
    arity: tuple[int, int | None]
    result: Result
    aggregate: bool = False
    compares: bool = False
    logical: slice = NONE
    constant: tuple[int, ...] = ()
    nullable: bool | None = None
    all_null: bool = False
    over_nothing: int | None = None


def _always(kind: AttributeType) -> Result:
    return lambda _: kind


def _takes(result: AttributeType, *positions: frozenset[Family]) -> Result:
    """This type, where each argument is of a family of its position; the last position stands for all further ones."""

    def rule(types: Types) -> AttributeType | None:
        wanted = (positions[min(number, len(positions) - 1)] for number in range(len(types)))
        return result if all(t.family in families for t, families in zip(types, wanted, strict=True)) else None

    return rule


_WHOLE = frozenset({Family.INTEGER})
_NUMBERS = frozenset(NUMERIC_FAMILIES)
_COUNTED = _NUMBERS | {Family.BOOLEAN}
_STRINGS = frozenset({Family.STRING, Family.ENUM})
_MOMENTS = frozenset({Family.DATE, Family.TIMESTAMP, Family.DATETIME})
_CLOCKS = frozenset({Family.TIME, Family.TIMESTAMP, Family.DATETIME})
_BYTES = frozenset({Family.BLOB, Family.JSON})


def _is_wide(kind: AttributeType) -> bool:
    return kind.row.name == "uint64"


def _is_decimal(kind: AttributeType) -> bool:
    return kind.family is Family.DECIMAL


def _scale(kind: AttributeType) -> int:
    return decimal_digits(kind)[1]


def arithmetic(types: Types) -> AttributeType | None:
    """Of + - %: integers give int64, wide ones decimal, and a float anywhere a float; booleans count as integers."""
    families = {t.family for t in types}
    if not families <= _COUNTED:
        return None
    if Family.FLOAT in families:
        return FLOAT64
    if Family.DECIMAL in families:
        return core("decimal", 38, max(_scale(t) for t in types if _is_decimal(t)))
    return WIDE if any(map(_is_wide, types)) else INT64


def _difference(types: Types) -> AttributeType | None:
    """Of -: days between two dates are an integer; else as arithmetic."""
    return INT64 if all(t.family is Family.DATE for t in types) else arithmetic(types)


def _product(types: Types) -> AttributeType | None:
    result = arithmetic(types)
    if result is None or not _is_decimal(result) or result == WIDE:
        return result
    return core("decimal", 38, min(sum(_scale(t) for t in types if _is_decimal(t)), 18))


def common(types: Types) -> AttributeType | None:
    """The one type that can hold values of all: of coalesce, case, greatest."""
    if len(set(types)) == 1:
        return types[0]
    families = {t.family for t in types}
    if families <= _NUMBERS:
        return arithmetic(types)
    return VARCHAR if families <= _STRINGS else None


def _chosen(types: Types) -> AttributeType | None:
    """Of if: the common type of what it chooses between."""
    return common(types[1:])


def _ordered(types: Types) -> AttributeType | None:
    """Of greatest and least: the common type of values that have an order."""
    return None if any(t.family in _BYTES for t in types) else common(types)


def _compared(types: Types) -> AttributeType | None:
    """Of comparisons. JSON has no order or equality that the engines share."""
    return None if any(t.family is Family.JSON for t in types) else BOOL


def _number(types: Types) -> AttributeType | None:
    return arithmetic(types) if all(t.family in _NUMBERS for t in types) else None


def _whole(types: Types) -> AttributeType | None:
    result = _number(types)
    return WIDE if result is not None and _is_decimal(result) else result


def _whole_quotient(types: Types) -> AttributeType | None:
    if not all(t.family in _NUMBERS for t in types):
        return None
    return WIDE if any(map(_is_wide, types)) and all(t.family is Family.INTEGER for t in types) else INT64


def _first(types: Types) -> AttributeType | None:
    return None if any(t.family is Family.JSON for t in types) else types[0]


def _extreme(types: Types) -> AttributeType | None:
    return None if types[0].family in _BYTES else types[0]


def _comparison(name: str, least: int = 2, most: int | None = 2, *, nullable: bool | None = None) -> Function:
    return Function(name, (least, most), _compared, compares=True, nullable=nullable)


def _logic(name: str, least: int, most: int | None, *, nullable: bool | None = None) -> Function:
    return Function(name, (least, most), _always(BOOL), logical=ALL, nullable=nullable)


def _date_part(name: str, families: frozenset[Family] = _MOMENTS) -> Function:
    return Function(name, (1, 1), _takes(INT64, families))


def _real(name: str, arity: int = 1, *, partial: bool = False) -> Function:
    """A function of real numbers. partial: NULL outside of its domain."""
    return Function(name, (arity, arity), _takes(FLOAT64, _NUMBERS), nullable=True if partial else None)


def _string(
    name: str, least: int, most: int, *positions: frozenset[Family], result: AttributeType = VARCHAR
) -> Function:
    return Function(name, (least, most), _takes(result, *(positions or (_STRINGS,))))


def _aggregate(name: str, result: Result) -> Function:
    return Function(name, (1, 1), result, aggregate=True, nullable=True)


FUNCTIONS: dict[str, Function] = {
    row.name: row
    for row in (
        # comparison
        *(_comparison(name) for name in ("=", "<>", "<", "<=", ">", ">=")),
        _comparison("<=>", nullable=False),
        _comparison("in", 2, None),
        _comparison("between", 3, 3),
        Function("is null", (1, 1), _always(BOOL), nullable=False),
        *(Function(name, (2, 2), _takes(BOOL, _STRINGS)) for name in ("like", "ilike", "regexp")),
        # logic
        _logic("and", 2, None),
        _logic("or", 2, None),
        _logic("xor", 2, 2),
        _logic("not", 1, 1),
        _logic("is true", 1, 1, nullable=False),
        _logic("is false", 1, 1, nullable=False),
        # arithmetic
        Function("+", (2, 2), arithmetic),
        Function("-", (2, 2), _difference),
        Function("*", (2, 2), _product),
        Function("/", (2, 2), _takes(FLOAT64, _COUNTED), nullable=True),
        Function("div", (2, 2), _whole_quotient, nullable=True),
        Function("%", (2, 2), arithmetic, nullable=True),
        Function("neg", (1, 1), arithmetic),
        # numbers
        Function("abs", (1, 1), _number),
        Function("round", (1, 2), lambda types: _number(types[:1]), constant=(1,)),
        Function("floor", (1, 1), _whole),
        Function("ceiling", (1, 1), _whole),
        Function("sign", (1, 1), _takes(INT64, _NUMBERS)),
        *(_real(name, partial=True) for name in ("sqrt", "ln", "log10", "log2", "asin", "acos")),
        _real("power", 2, partial=True),
        *(_real(name) for name in ("exp", "sin", "cos", "tan", "atan", "radians", "degrees")),
        _real("atan2", 2),
        Function("greatest", (2, None), _ordered, compares=True),
        Function("least", (2, None), _ordered, compares=True),
        # strings
        # The engines write floats each in its own way, so that text of them would differ.
        Function("concat", (1, None), _takes(VARCHAR, frozenset(Family) - _BYTES - {Family.FLOAT})),
        *(_string(name, 1, 1) for name in ("lower", "upper", "trim", "ltrim", "rtrim")),
        _string("length", 1, 1, result=INT64),
        Function("octet_length", (1, 1), _takes(INT64, frozenset({Family.BLOB}))),
        _string("substring", 2, 3, _STRINGS, _WHOLE),
        _string("left", 2, 2, _STRINGS, _WHOLE),
        _string("right", 2, 2, _STRINGS, _WHOLE),
        _string("replace", 3, 3),
        # dates and times
        *(_date_part(name) for name in ("year", "quarter", "month", "day", "dayofweek", "dayofyear", "weekday")),
        *(_date_part(name, _CLOCKS) for name in ("hour", "minute", "second")),
        Function("date", (1, 1), _takes(core("date"), _MOMENTS)),
        Function("datediff", (2, 2), _takes(INT64, _MOMENTS), compares=True),
        # choice
        Function("coalesce", (1, None), common, compares=True, all_null=True),
        Function("nullif", (2, 2), _first, compares=True, nullable=True),
        Function("if", (3, 3), _chosen, compares=True, logical=FIRST),
        # aggregates
        Function("count", (0, 1), _always(INT64), aggregate=True, nullable=False, over_nothing=0),
        _aggregate("sum", arithmetic),
        _aggregate("min", _extreme),
        _aggregate("max", _extreme),
        *(_aggregate(name, _takes(FLOAT64, _COUNTED)) for name in ("avg", "stddev_pop", "stddev_samp")),
        *(_aggregate(name, _takes(FLOAT64, _COUNTED)) for name in ("var_pop", "var_samp")),
    )
}

OTHER_NAMES = {
    "ceil": "ceiling",
    "char_length": "length",
    "character_length": "length",
    "lcase": "lower",
    "ucase": "upper",
    "substr": "substring",
    "mid": "substring",
    "pow": "power",
    "mod": "%",
    "ifnull": "coalesce",
    "isnull": "is null",
    "dayofmonth": "day",
    "std": "stddev_pop",
    "stddev": "stddev_pop",
    "stdev": "stddev_samp",
    "variance": "var_pop",
    "var": "var_samp",
    "mean": "avg",
}
"""Names by which MySQL and PostgreSQL users know a function -> its row."""
