"""What a row of the tables of functions says, and the rules that give the type of a result from the arguments'."""

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
DATE = core("date")
DATETIME = core("datetime")
TIMESTAMP = core("timestamp")
JSON = core("json")

NONE, FIRST, ALL = slice(0), slice(1), slice(None)


@frozen
class Function:
    """One row. arity: least and most, None without limit.

    logical: which arguments are truth values. compares: constants among the others take the type of what they meet.
    constant: the positions where only a whole number as it stands is taken. nullable: whether the result may be NULL,
    None for where any argument is; all_null: where all arguments are. over_nothing: an aggregate's value over no rows.
    distinct: whether an aggregate takes DISTINCT.
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
    distinct: bool = False


def always(kind: AttributeType) -> Result:
    """This type, whatever the arguments are."""
    return lambda _: kind


def takes(result: AttributeType, *positions: frozenset[Family]) -> Result:
    """This type, where each argument is of a family of its position; the last position stands for all further ones."""

    def rule(types: Types) -> AttributeType | None:
        wanted = (positions[min(number, len(positions) - 1)] for number in range(len(types)))
        return result if all(t.family in families for t, families in zip(types, wanted, strict=True)) else None

    return rule


WHOLE = frozenset({Family.INTEGER})
NUMBERS = frozenset(NUMERIC_FAMILIES)
COUNTED = NUMBERS | {Family.BOOLEAN}
STRINGS = frozenset({Family.STRING, Family.ENUM})
MOMENTS = frozenset({Family.DATE, Family.TIMESTAMP, Family.DATETIME})
CLOCKS = frozenset({Family.TIME, Family.TIMESTAMP, Family.DATETIME})
BYTES = frozenset({Family.BLOB, Family.JSON})


def _is_wide(kind: AttributeType) -> bool:
    return kind.row.name == "uint64"


def _is_decimal(kind: AttributeType) -> bool:
    return kind.family is Family.DECIMAL


def _scale(kind: AttributeType) -> int:
    return decimal_digits(kind)[1]


def arithmetic(types: Types) -> AttributeType | None:
    """Of + - %: integers give int64, wide ones decimal, and a float anywhere a float; booleans count as integers."""
    families = {t.family for t in types}
    if not families <= COUNTED:
        return None
    if Family.FLOAT in families:
        return FLOAT64
    if Family.DECIMAL in families:
        return core("decimal", 38, max(_scale(t) for t in types if _is_decimal(t)))
    return WIDE if any(map(_is_wide, types)) else INT64


def difference(types: Types) -> AttributeType | None:
    """Of -: days between two dates are an integer; else as arithmetic."""
    return INT64 if all(t.family is Family.DATE for t in types) else arithmetic(types)


def product(types: Types) -> AttributeType | None:
    """Of *: the scales of decimals add up."""
    result = arithmetic(types)
    if result is None or not _is_decimal(result) or result == WIDE:
        return result
    return core("decimal", 38, min(sum(_scale(t) for t in types if _is_decimal(t)), 18))


def common(types: Types) -> AttributeType | None:
    """The one type that can hold values of all: of coalesce, case, greatest."""
    if len(set(types)) == 1:
        return types[0]
    families = {t.family for t in types}
    if families <= NUMBERS:
        return arithmetic(types)
    return VARCHAR if families <= STRINGS else None


def chosen(types: Types) -> AttributeType | None:
    """Of if: the common type of what it chooses between."""
    return common(types[1:])


def ordered(types: Types) -> AttributeType | None:
    """Of greatest and least: the common type of values that have an order."""
    return None if any(t.family in BYTES for t in types) else common(types)


def compared(types: Types) -> AttributeType | None:
    """Of comparisons. JSON has no order or equality that the engines share."""
    return None if any(t.family is Family.JSON for t in types) else BOOL


def numeric(types: Types) -> AttributeType | None:
    """Of abs and round: as arithmetic, of numbers only."""
    return arithmetic(types) if all(t.family in NUMBERS for t in types) else None


def whole(types: Types) -> AttributeType | None:
    """Of floor and ceiling: a decimal without its fraction."""
    result = numeric(types)
    return WIDE if result is not None and _is_decimal(result) else result


def whole_quotient(types: Types) -> AttributeType | None:
    """Of div."""
    if not all(t.family in NUMBERS for t in types):
        return None
    return WIDE if any(map(_is_wide, types)) and all(t.family is Family.INTEGER for t in types) else INT64


def first(types: Types) -> AttributeType | None:
    """Of nullif: the first argument's, which has an equality."""
    return None if any(t.family is Family.JSON for t in types) else types[0]


def extreme(types: Types) -> AttributeType | None:
    """Of min and max: the argument's, which has an order."""
    return None if types[0].family in BYTES else types[0]


def later(types: Types) -> AttributeType | None:
    """Of a moment and a number of days or longer units: a date stays a date."""
    return types[0] if takes(BOOL, MOMENTS, WHOLE)(types) else None


def later_by_clock(types: Types) -> AttributeType | None:
    """Of a moment and a number of hours or shorter units: a date becomes a moment of the day."""
    kind = later(types)
    return DATETIME if kind == DATE else kind


def same_moment(types: Types) -> AttributeType | None:
    """Of date_trunc: a moment of the same type."""
    return types[0] if types[0].family in MOMENTS else None


def bits(types: Types) -> AttributeType | None:
    """Of & | ^ ~: whole numbers of 64 bits with a sign; a uint64 does not fit into them."""
    fits = all(t.family is Family.INTEGER and not _is_wide(t) for t in types)
    return INT64 if fits else None
