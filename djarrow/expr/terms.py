"""Scalar terms: what a condition or computed attribute says, typed. A closed union of frozen records.

Text becomes terms in parse.py; functions.py says what may be called and what type comes out; sql/terms.py renders them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from djarrow.errors import InvalidTerm
from djarrow.expr.functions import FUNCTIONS, Function
from djarrow.model.heading import Attribute
from djarrow.model.types import NUMERIC_FAMILIES, AttributeType, Family, core
from djarrow.model.values import normalise

BOOL = core("bool")


@frozen
class Column:
    """The value of an attribute."""

    name: str
    type: AttributeType
    nullable: bool


@frozen
class Value:
    """A constant. NULL is the value None, of whatever type it meets."""

    value: Any
    type: AttributeType

    @property
    def nullable(self) -> bool:
        """Whether it is NULL."""
        return self.value is None


@frozen
class Call:
    """A function or operator of the table in functions.py, applied. distinct: `count(distinct x)`."""

    function: str
    arguments: tuple[Term, ...]
    type: AttributeType
    nullable: bool
    distinct: bool = False


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

NULL = Value(None, core("varchar"))


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


def aggregates(term: Term) -> tuple[Call, ...]:
    """The aggregate calls in a term, outermost, each once, in order of appearance."""
    found: dict[Call, None] = {}
    if isinstance(term, Call) and FUNCTIONS[term.function].aggregate:
        return (term,)
    for child in children(term):
        found.update(dict.fromkeys(aggregates(child)))
    return tuple(found)


def call(function: str, *arguments: Term, distinct: bool = False, text: str = "") -> Call:
    """Apply a function: literals take the type that they are compared with, the result's type comes from its row.

    Raises InvalidTerm, quoting text, where the number or the types of the arguments do not fit.
    """
    row = FUNCTIONS[function]
    least, most = row.arity
    if not least <= len(arguments) or (most is not None and len(arguments) > most):
        wanted = str(least) if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise InvalidTerm(f"{function} takes {wanted} arguments and has {len(arguments)}.", text=text)
    if row.compares:
        arguments = _meet(arguments, text)
    if row.logical:
        arguments = tuple(as_boolean(argument) for argument in arguments)
    kind = row.result(tuple(argument.type for argument in arguments if argument != NULL) or (NULL.type,))
    if kind is None:
        types = ", ".join(str(argument.type) for argument in arguments)
        raise InvalidTerm(f"{function} cannot be applied to {types}.", text=text)
    return Call(function, arguments, kind, _nullable(row, arguments), distinct)


def _nullable(row: Function, arguments: tuple[Term, ...]) -> bool:
    if row.nullable is not None:
        return row.nullable
    if row.all_null:
        return all(argument.nullable for argument in arguments)
    return any(argument.nullable for argument in arguments)


def as_boolean(term: Term) -> Term:
    """A term as a truth value: numbers are true where they are not 0, as in the dialect that text is read in."""
    if term.type.family is Family.BOOLEAN or term == NULL:
        return term
    if term.type.family not in NUMERIC_FAMILIES:
        raise InvalidTerm(f"a condition is true or false, and this is {term.type}.", text=_describe(term))
    if isinstance(term, Value):
        return Value(bool(term.value), BOOL)
    return call("<>", term, Value(0, core("int64")))


def _describe(term: Term) -> str:
    match term:
        case Column():
            return term.name
        case Value():
            return repr(term.value)
        case Call():
            return term.function
        case Cast():
            return f"cast to {term.type}"


def _meet(arguments: tuple[Term, ...], text: str) -> tuple[Term, ...]:
    """Give the constants among compared terms the type of what they are compared with."""
    target = next((a.type for a in arguments if not isinstance(a, Value)), None)
    if target is None:
        return arguments
    met = tuple(_adopt(a, target, text) if isinstance(a, Value) else a for a in arguments)
    families = {_comparable(a.type.family) for a in met if a != NULL}
    if len(families) > 1:
        kinds = " with ".join(dict.fromkeys(str(a.type) for a in met))
        raise InvalidTerm(f"cannot compare {kinds}.", text=text)
    return met


def _comparable(family: Family) -> str:
    if family in NUMERIC_FAMILIES:
        return "number"
    if family in (Family.STRING, Family.ENUM, Family.JSON):
        return "string"
    if family in (Family.DATE, Family.TIMESTAMP, Family.DATETIME):
        return "moment"
    return family.value


def _adopt(constant: Value, target: AttributeType, text: str) -> Value:
    """A constant as a value of the type it is compared with: '2013-01-01' a date, 1 true, '5' five."""
    if constant.value is None or target.family in (constant.type.family, Family.ENUM, Family.JSON):
        return constant
    if target.family in NUMERIC_FAMILIES:
        return _adopt_number(constant, target, text)
    if target.family is Family.STRING and constant.type.family is not Family.BOOLEAN:
        return Value(str(constant.value), core("varchar"))
    try:
        return Value(normalise(_moment_text(constant.value, target), target), target)
    except ValueError as error:
        raise InvalidTerm(f"compared with a {target}: {error}", text=text) from error


def _moment_text(value: Any, target: AttributeType) -> Any:
    """A date compared with a day may carry a time of midnight and the other way round; strings are read as they are."""
    if target.family is Family.DATE and isinstance(value, str) and len(value) > 10:
        return value[:10] if value[10:].strip("T 0:.Z") == "" else value
    return value


def _adopt_number(constant: Value, target: AttributeType, text: str) -> Value:
    if constant.type.family in NUMERIC_FAMILIES:
        return constant
    if constant.type.family is Family.BOOLEAN:
        return Value(int(constant.value), core("int64"))
    try:
        return number(str(constant.value))
    except ValueError as error:
        raise InvalidTerm(f"{constant.value!r} is compared with a {target} and is no number.", text=text) from error


def number(text: str) -> Value:
    """A numeric constant: an integer, an exact decimal, or a float where it has an exponent."""
    import decimal

    try:
        whole = int(text)
    except ValueError:
        pass
    else:
        return Value(whole, core("int64") if -(2**63) <= whole < 2**63 else core("decimal", 38, 0))
    if "e" in text.lower():
        return Value(float(text), core("float64"))
    try:
        exact = decimal.Decimal(text)
    except decimal.InvalidOperation as error:
        raise ValueError(text) from error
    if not exact.is_finite():
        raise ValueError(text)
    scale = max(0, -int(exact.as_tuple().exponent))
    if scale > 18 or exact.adjusted() >= 20:
        return Value(float(text), core("float64"))
    return Value(exact, core("decimal", max(exact.adjusted() + 1, 1) + scale, scale))
