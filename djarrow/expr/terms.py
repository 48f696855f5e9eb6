"""Scalar terms: what a condition or computed attribute says, typed. A closed union of frozen records.

Text becomes terms in parse.py; functions/ says what may be called and what type comes out; sql/terms.py renders them.
"""

from __future__ import annotations

import decimal
import math
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve, field, frozen

from djarrow.errors import InvalidTerm
from djarrow.expr.functions import BOOL, FLOAT64, FUNCTIONS, INT64, VARCHAR, WIDE, Function
from djarrow.expr.functions.kinds import MOMENTS
from djarrow.model.heading import Attribute
from djarrow.model.types import NUMERIC_FAMILIES, AttributeType, Family, core
from djarrow.model.values import normalise


@frozen
class Column:
    """The value of an attribute."""

    name: str
    type: AttributeType
    nullable: bool


def _identity(value: Any) -> Any:
    """What tells constants apart: -0.0 equals 0.0 and is written otherwise."""
    return repr(value) if isinstance(value, float) else value


@frozen
class Value:
    """A constant. NULL is the value None, of whatever type it meets."""

    value: Any = field(eq=_identity)
    type: AttributeType

    @property
    def nullable(self) -> bool:
        """Whether it is NULL."""
        return self.value is None


Option = str | int | float


@frozen
class Call:
    """A function or operator of the table in functions/, applied. distinct: `count(distinct x)`.

    options: what is no value but a part of the function, as it stands: the steps of a path into JSON, the format of
    date_format, the share of a percentile, separator and directions of group_concat.
    """

    function: str
    arguments: tuple[Term, ...]
    type: AttributeType
    nullable: bool
    distinct: bool = False
    options: tuple[Option, ...] = ()


@frozen
class Cast:
    """A value turned into another type."""

    term: Term
    type: AttributeType

    @property
    def nullable(self) -> bool:
        """As the value is."""
        return self.term.nullable


Term = Column | Value | Call | Cast

NULL = Value(None, VARCHAR)


def column(attribute: Attribute) -> Column:
    """The term that stands for an attribute."""
    return Column(attribute.name, attribute.type, attribute.nullable)


def children(term: Term) -> tuple[Term, ...]:
    """The terms directly inside a term."""
    match term:
        case Call():
            return term.arguments
        case Cast():
            return (term.term,)
        case _:
            return ()


def walk(term: Term) -> Iterator[Term]:
    """The term and all terms inside it."""
    pending = [term]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(children(current))


def names(term: Term) -> set[str]:
    """The attributes that a term reads."""
    return {part.name for part in walk(term) if isinstance(part, Column)}


def is_aggregate(term: Term) -> bool:
    """Whether the term is a call of an aggregate."""
    return isinstance(term, Call) and FUNCTIONS[term.function].aggregate


def aggregates(term: Term) -> tuple[Call, ...]:
    """The aggregate calls in a term, each once, in order of appearance."""
    if isinstance(term, Call) and is_aggregate(term):
        return (term,)
    return tuple(dict.fromkeys(found for child in children(term) for found in aggregates(child)))


def names_outside(term: Term) -> set[str]:
    """The attributes that a term reads outside of its aggregates."""
    if isinstance(term, Column):
        return {term.name}
    if is_aggregate(term):
        return set()
    return set().union(*map(names_outside, children(term)))


def call(
    function: str, *arguments: Term, distinct: bool = False, text: str = "", options: tuple[Option, ...] = ()
) -> Call:
    """Apply a function: constants take the type that they are compared with, the result's type comes from its row.

    Raises InvalidTerm, quoting text, where the number or the types of the arguments do not fit.
    """
    row = FUNCTIONS[function]
    _check_arity(row, arguments, text)
    if distinct and not row.distinct:
        raise InvalidTerm(f"{function} takes no DISTINCT.", text=text)
    arguments = _typed(row, arguments, text)
    kind = row.result(tuple(argument.type for argument in arguments))
    if kind is None and any(map(is_part_of_json, arguments)):
        arguments = tuple(as_number(argument) for argument in arguments)
        kind = row.result(tuple(argument.type for argument in arguments))
    if kind is None:
        types = ", ".join(str(argument.type) for argument in arguments)
        hint = _OF_MOMENTS.get(function, "") if {a.type.family for a in arguments} & MOMENTS else ""
        raise InvalidTerm(f"`{function}` cannot be applied to {types}.{hint}", text=text)
    return Call(function, arguments, kind, _nullable(row, arguments), distinct, options)


_OF_MOMENTS = {
    "+": " Days are added by `+ interval 1 day`.",
    "-": " The time between two moments is timestampdiff(second, a, b); days are taken off by `- interval 1 day`.",
}
"""What to write where an operator of numbers meets a date or moment."""


def is_part_of_json(term: Term) -> bool:
    """Whether the term is the text of a part of a JSON attribute, which takes the type of what it meets."""
    return isinstance(term, Call) and term.function == "json value"


def part_of_json(term: Term, function: str) -> Term:
    """The same part of a JSON attribute as a number, a truth value, or JSON, by this function. Others as they are."""
    if not (isinstance(term, Call) and is_part_of_json(term)):
        return term
    return call(function, *term.arguments, options=term.options)


def as_number(term: Term) -> Term:
    """A part of a JSON attribute as a number, NULL where it is none."""
    return part_of_json(term, "json number")


def _check_arity(row: Function, arguments: tuple[Term, ...], text: str) -> None:
    least, most = row.arity
    if len(arguments) < least or (most is not None and len(arguments) > most):
        wanted = str(least) if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise InvalidTerm(f"{row.name} takes {wanted} arguments and has {len(arguments)}.", text=text)
    for position in row.constant:
        given = arguments[position] if position < len(arguments) else None
        if given is not None and not (isinstance(given, Value) and isinstance(given.value, int)):
            raise InvalidTerm(f"{row.name}: argument {position + 1} must be a whole number as it stands.", text=text)


def _typed(row: Function, arguments: tuple[Term, ...], text: str) -> tuple[Term, ...]:
    """The arguments with truth values where they are wanted, and constants and NULLs in the type of what they meet."""
    truths = tuple(as_boolean(argument, text) for argument in arguments[row.logical])
    rest = arguments[len(truths) :]
    if row.compares:
        rest = _met_by_json(rest)
    known = next((a.type for a in rest if a != NULL), None)
    if known is not None:
        target = next((a.type for a in rest if not isinstance(a, Value)), known)
        rest = tuple(evolve(a, type=target) if a == NULL else a for a in rest)
        if row.compares:
            rest = _meet(rest, target, text)
    return truths + rest


def _met_by_json(arguments: tuple[Term, ...]) -> tuple[Term, ...]:
    """Parts of JSON attributes as numbers or truth values, where they meet such."""
    families = {a.type.family for a in arguments if a != NULL and not is_part_of_json(a)}
    if families & NUMERIC_FAMILIES:
        return tuple(map(as_number, arguments))
    if families == {Family.BOOLEAN}:
        return tuple(part_of_json(argument, "json truth") for argument in arguments)
    return arguments


def _nullable(row: Function, arguments: tuple[Term, ...]) -> bool:
    if row.nullable is not None:
        return row.nullable
    if row.all_null:
        return all(argument.nullable for argument in arguments)
    return any(argument.nullable for argument in arguments)


_TEXTS = frozenset({Family.STRING, Family.ENUM})


def as_boolean(term: Term, text: str = "") -> Term:
    """A term as a truth value: numbers are true where they are not 0, as in the dialect that text is read in."""
    if term.type.family is Family.BOOLEAN:
        return term
    if term == NULL:
        return Value(None, BOOL)
    if is_part_of_json(term):
        return part_of_json(term, "json truth")
    if term.type.family not in NUMERIC_FAMILIES:
        hint = " Strings are joined by concat(a, b); `||` is OR." if term.type.family in _TEXTS else ""
        raise InvalidTerm(
            f"{_describe(term)} is {term.type}, where something true or false is wanted.{hint}", text=text
        )
    if isinstance(term, Value):
        return Value(bool(term.value), BOOL)
    return call("<>", term, Value(0, INT64))


def _describe(term: Term) -> str:
    match term:
        case Column():
            return term.name
        case Value():
            return repr(term.value)
        case Call():
            return f"the result of {term.function}"
        case Cast():
            return f"the cast to {term.type}"


def _meet(arguments: tuple[Term, ...], target: AttributeType, text: str) -> tuple[Term, ...]:
    """Give the constants among compared terms the type of what they are compared with."""
    met = tuple(_adopt(a, target, text) if isinstance(a, Value) else a for a in arguments)
    if len({_comparable(a.type.family) for a in met}) > 1:
        kinds = " with ".join(dict.fromkeys(str(a.type) for a in met))
        raise InvalidTerm(f"cannot compare {kinds}.", text=text)
    return met


def comparable(left: AttributeType, right: AttributeType) -> bool:
    """Whether values of two types can be equal. JSON has no equality that the engines share."""
    return Family.JSON not in (left.family, right.family) and _comparable(left.family) == _comparable(right.family)


def _comparable(family: Family) -> str:
    if family in NUMERIC_FAMILIES:
        return "number"
    if family in _TEXTS:
        return "string"
    if family in (Family.DATE, Family.TIMESTAMP, Family.DATETIME):
        return "moment"
    return str(family.value)


def _adopt(constant: Value, target: AttributeType, text: str) -> Value:
    """A constant as a value of the type it is compared with: '2013-01-01' a date, 1 true, '5' five."""
    same = target.family is constant.type.family and target.family is not Family.FLOAT
    if same or constant.value is None or target.family is Family.ENUM:
        return constant
    if target.family in NUMERIC_FAMILIES:
        return _adopt_number(constant, target, text)
    if target.family is Family.STRING and constant.type.family in NUMERIC_FAMILIES:
        return Value(str(constant.value), VARCHAR)
    try:
        return Value(normalise(_moment_text(constant.value, target), target), target)
    except ValueError as error:
        raise InvalidTerm(f"compared with a {target}: {error}", text=text) from error


def _moment_text(value: Any, target: AttributeType) -> Any:
    """A date compared with a day may carry a time of midnight and the other way round; strings are read as they are."""
    if target.family is Family.DATE and isinstance(value, str) and value[10:].strip("T 0:.Z") == "":
        return str(value[:10])
    return value


def _adopt_number(constant: Value, target: AttributeType, text: str) -> Value:
    """A number, a truth value or a string as a number that meets one of this type."""
    if constant.type.family is Family.BOOLEAN:
        return Value(int(constant.value), INT64)
    if constant.type.family in NUMERIC_FAMILIES:
        return _rounded(constant, target)
    try:
        return _rounded(_number_in(str(constant.value), target), target)
    except ValueError as error:
        raise InvalidTerm(f"{constant.value!r} is compared with {target} and is no number.", text=text) from error


def _number_in(text: str, target: AttributeType) -> Value:
    """A number written as a string: '5'. Floats are also met by 'NaN' and 'Infinity'."""
    if target.family is Family.FLOAT and not math.isfinite(float(text)):
        return Value(float(text), FLOAT64)
    return number(text)


def _rounded(constant: Value, target: AttributeType) -> Value:
    """A fraction that meets a float32 is one: a stored 0.1 equals 0.1, and not the float64 that lies beside it."""
    if target.row.name == "float32" and constant.type.family is not Family.INTEGER:
        value = float(constant.value)
        return Value(value, target) if not math.isfinite(value) or abs(value) < 3.4e38 else constant
    return constant


def number(text: str) -> Value:
    """A numeric constant: an integer, an exact decimal, or a float where it has an exponent. Raises ValueError."""
    try:
        exact = decimal.Decimal(text)
    except decimal.InvalidOperation as error:
        raise ValueError(text) from error
    if "_" in text or not exact.is_finite() or not math.isfinite(float(exact)):
        raise ValueError(text)
    scale = -int(exact.as_tuple().exponent)
    if "e" in text.lower() or scale > 18 or exact.adjusted() >= (20 if scale > 0 else 38):
        return Value(float(text), FLOAT64)
    if scale > 0:
        return Value(exact, core("decimal", max(exact.adjusted() + 1, 1) + scale, scale))
    whole = int(exact)
    return Value(whole, INT64 if -(2**63) <= whole < 2**63 else WIDE)


MAX_DEPTH = 100
"""Levels of a term. Deeper ones would exhaust the stack where they are written out."""


def depth(term: Term) -> int:
    """The number of levels of a term."""
    levels, current = 0, [term]
    while current:
        levels += 1
        current = [child for parent in current for child in children(parent)]
    return levels


def with_columns_for(term: Term, columns: Mapping[Call, str]) -> Term:
    """The term with columns of these names in the place of some calls."""
    match term:
        case Call() if term in columns:
            return Column(columns[term], term.type, term.nullable)
        case Call():
            arguments = tuple(with_columns_for(argument, columns) for argument in term.arguments)
            return evolve(term, arguments=arguments)
        case Cast():
            return Cast(with_columns_for(term.term, columns), term.type)
        case _:
            return term
