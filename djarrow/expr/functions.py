"""The table of functions and operators that text may use: arity, and the type that comes out. Nothing else may be called.

How each is written for PostgreSQL and DuckDB stands beside it in sql/functions.py; a test holds the two tables together.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from djarrow.model.types import NUMERIC_FAMILIES, AttributeType, Family, core

Types = tuple[AttributeType, ...]
Result = Callable[[Types], AttributeType | None]
"""The result's type from the arguments' types, NULL constants left out; None where they do not fit."""

INT64 = core("int64")
FLOAT64 = core("float64")
WIDE = core("decimal", 38, 0)
BOOL = core("bool")
VARCHAR = core("varchar")


@frozen
class Function:
    """One row. arity: least and most, None without limit.

    compares: constants take the type of what they meet. logical: arguments are truth values. nullable: whether the
    result may be NULL, None for where any argument is; all_null: where all arguments are.
    """

    name: str
    arity: tuple[int, int | None]
    result: Result
    aggregate: bool = False
    compares: bool = False
    logical: bool = False
    nullable: bool | None = None
    all_null: bool = False
    over_nothing: object = None


def _always(kind: AttributeType) -> Result:
    return lambda _: kind


def _of_family(result: AttributeType, *families: Family) -> Result:
    return lambda types: result if all(t.family in families for t in types) else None


def _is_wide(kind: AttributeType) -> bool:
    return kind.row.name == "uint64"


def arithmetic(types: Types) -> AttributeType | None:
    """Of + - * %: integers give int64, wide ones decimal, and a float anywhere a float; booleans count as integers."""
    families = {t.family for t in types}
    if not families <= NUMERIC_FAMILIES | {Family.BOOLEAN}:
        return None
    if Family.FLOAT in families:
        return FLOAT64
    if Family.DECIMAL in families:
        return core("decimal", 38, max(int(t.parameters[1]) if t.parameters else 9 for t in types if _is_decimal(t)))
    return WIDE if any(map(_is_wide, types)) else INT64


def _is_decimal(kind: AttributeType) -> bool:
    return kind.family is Family.DECIMAL


def _difference(types: Types) -> AttributeType | None:
    """Of -: days between two dates are an integer; else as arithmetic."""
    if len(types) == 2 and all(t.family is Family.DATE for t in types):
        return INT64
    return arithmetic(types)


def _product(types: Types) -> AttributeType | None:
    result = arithmetic(types)
    if result is not None and _is_decimal(result):
        return core("decimal", 38, min(sum(int(t.parameters[1]) for t in types if _is_decimal(t) and t.parameters), 18))
    return result


def common(types: Types) -> AttributeType | None:
    """The one type that can hold values of all: of coalesce, case, greatest."""
    if len(set(types)) == 1:
        return types[0]
    families = {t.family for t in types}
    if families <= NUMERIC_FAMILIES:
        return arithmetic(types)
    if families <= {Family.STRING, Family.ENUM}:
        return VARCHAR
    return None


def _first(types: Types) -> AttributeType | None:
    return types[0]


def _numeric_first(types: Types) -> AttributeType | None:
    return types[0] if types[0].family in NUMERIC_FAMILIES else None


def _whole(types: Types) -> AttributeType | None:
    match types[0].family:
        case Family.FLOAT:
            return FLOAT64
        case Family.DECIMAL:
            return WIDE
        case Family.INTEGER:
            return types[0]
        case _:
            return None


def _conditional(types: Types) -> AttributeType | None:
    return common(types[1:]) if len(types) > 1 else None


_NUMBERS = tuple(NUMERIC_FAMILIES)
_MOMENTS = (Family.DATE, Family.TIMESTAMP, Family.DATETIME)
_CLOCKS = (Family.TIME, Family.TIMESTAMP, Family.DATETIME)
_STRINGS = (Family.STRING, Family.ENUM)


def _date_part(name: str, *families: Family) -> Function:
    return Function(name, (1, 1), _of_family(INT64, *families))


def _real(name: str, arity: int = 1, *, nullable: bool | None = None) -> Function:
    return Function(name, (arity, arity), _of_family(FLOAT64, *_NUMBERS), nullable=nullable)


def _string(name: str, least: int, most: int | None, result: AttributeType = VARCHAR) -> Function:
    return Function(name, (least, most), _string_then_integers(result))


def _string_then_integers(result: AttributeType) -> Result:
    def rule(types: Types) -> AttributeType | None:
        fits = types[0].family in _STRINGS and all(t.family in (*_STRINGS, Family.INTEGER) for t in types)
        return result if fits else None

    return rule


def _aggregate(name: str, result: Result, over_nothing: object = None) -> Function:
    return Function(
        name, (1, 1), result, aggregate=True, nullable=over_nothing is None, over_nothing=over_nothing
    )


def _statistic(name: str) -> Function:
    return _aggregate(name, _of_family(FLOAT64, *_NUMBERS, Family.BOOLEAN))


def _sum(types: Types) -> AttributeType | None:
    result = arithmetic(types)
    return core("decimal", 38, 0) if result is not None and _is_wide(types[0]) else result


def _ordered(types: Types) -> AttributeType | None:
    return None if types[0].family in (Family.BLOB, Family.JSON, Family.BOOLEAN) else types[0]


FUNCTIONS: dict[str, Function] = {
    row.name: row
    for row in (
        # comparison
        *(Function(name, (2, 2), _always(BOOL), compares=True) for name in ("=", "<>", "<", "<=", ">", ">=")),
        Function("<=>", (2, 2), _always(BOOL), compares=True, nullable=False),
        Function("in", (2, None), _always(BOOL), compares=True),
        Function("between", (3, 3), _always(BOOL), compares=True),
        Function("is null", (1, 1), _always(BOOL), nullable=False),
        Function("is true", (1, 1), _always(BOOL), logical=True, nullable=False),
        Function("is false", (1, 1), _always(BOOL), logical=True, nullable=False),
        Function("like", (2, 2), _of_family(BOOL, *_STRINGS)),
        Function("regexp", (2, 2), _of_family(BOOL, *_STRINGS)),
        # logic
        *(Function(name, (2, 2), _always(BOOL), logical=True) for name in ("and", "or", "xor")),
        Function("not", (1, 1), _always(BOOL), logical=True),
        # arithmetic
        Function("+", (2, 2), arithmetic),
        Function("-", (2, 2), _difference),
        Function("*", (2, 2), _product),
        Function("/", (2, 2), _of_family(FLOAT64, *_NUMBERS, Family.BOOLEAN), nullable=True),
        Function("div", (2, 2), _of_family(INT64, *_NUMBERS), nullable=True),
        Function("%", (2, 2), arithmetic, nullable=True),
        Function("neg", (1, 1), arithmetic),
        # numbers
        Function("abs", (1, 1), _numeric_first),
        Function("round", (1, 2), _numeric_first),
        Function("floor", (1, 1), _whole),
        Function("ceiling", (1, 1), _whole),
        Function("sign", (1, 1), _of_family(INT64, *_NUMBERS)),
        _real("sqrt"),
        _real("exp"),
        _real("ln"),
        _real("log10"),
        _real("log2"),
        _real("power", 2),
        *(_real(name) for name in ("sin", "cos", "tan", "asin", "acos", "atan", "radians", "degrees")),
        _real("atan2", 2),
        Function("greatest", (2, None), common, compares=True),
        Function("least", (2, None), common, compares=True),
        # strings
        Function("concat", (1, None), _always(VARCHAR)),
        _string("lower", 1, 1),
        _string("upper", 1, 1),
        _string("trim", 1, 1),
        _string("ltrim", 1, 1),
        _string("rtrim", 1, 1),
        _string("length", 1, 1, INT64),
        _string("substring", 2, 3),
        _string("left", 2, 2),
        _string("right", 2, 2),
        _string("replace", 3, 3),
        # dates and times
        *(_date_part(name, *_MOMENTS) for name in ("year", "quarter", "month", "day", "dayofweek", "dayofyear")),
        _date_part("weekday", *_MOMENTS),
        *(_date_part(name, *_CLOCKS) for name in ("hour", "minute", "second")),
        Function("date", (1, 1), _of_family(core("date"), *_MOMENTS)),
        Function("datediff", (2, 2), _of_family(INT64, *_MOMENTS)),
        # choice
        Function("coalesce", (1, None), common, compares=True, all_null=True),
        Function("nullif", (2, 2), _first, compares=True, nullable=True),
        Function("if", (3, 3), _conditional, nullable=True),
        # aggregates
        Function("count", (0, 1), _always(INT64), aggregate=True, nullable=False, over_nothing=0),
        _aggregate("sum", _sum),
        _aggregate("min", _ordered),
        _aggregate("max", _ordered),
        *(_statistic(name) for name in ("avg", "stddev_pop", "stddev_samp", "var_pop", "var_samp")),
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
    "dayofmonth": "day",
    "std": "stddev_pop",
    "stddev": "stddev_pop",
    "stdev": "stddev_samp",
    "variance": "var_pop",
    "var": "var_samp",
    "mean": "avg",
}
"""Names by which MySQL and PostgreSQL users know a function -> its row."""
