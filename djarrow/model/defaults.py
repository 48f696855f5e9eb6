"""Default values: the text after `=` -> a value of the attribute's type.

Specification: 001 5.4.2, 000 "Attribute Definition".
"""

from __future__ import annotations

import math
import re
import struct

from djarrow.errors import DefinitionError, shown
from djarrow.model.definition import AttributeLine
from djarrow.model.heading import Default, DefaultValue, Special
from djarrow.model.texts import read_text
from djarrow.model.types import AttributeType, Family
from djarrow.model.values import normalise

_NOW = re.compile(r"(now|current_timestamp)(\([0-6]?\))?", re.IGNORECASE)
_NOW_FAMILIES = {Family.DATE, Family.TIMESTAMP, Family.DATETIME}
_WITHOUT = {Family.UUID, Family.JSON, Family.BLOB}
"""Types that take no default but null."""


def parse_default(line: AttributeLine, kind: AttributeType, *, table: str) -> Default | None:
    """What an omitted field of an attribute line becomes, or None where it must be given.

    `null` is NULL without quotes only; `NOW` and `CURRENT_TIMESTAMP` are the moment of the insert, in quotes too, for
    attributes that hold one. Raises DefinitionError for a default of another type.
    """
    if line.auto_increment:
        return _counting(line, kind, table)
    if line.default is None:
        return None
    if not line.quoted and line.default.lower() == "null":
        return Special.NULL
    if kind.family in _NOW_FAMILIES and _NOW.fullmatch(line.default):
        return Special.NOW
    if kind.family in _WITHOUT:
        raise _refusal(line, table, f"a {kind} takes no default but null.")
    if line.default.endswith(")") and not line.quoted:
        raise _refusal(line, table, f"{shown(line.default)} is no {kind}; write a text in quotes.")
    try:
        return read_default(line.default, kind)
    except ValueError as error:
        raise _refusal(line, table, f"{shown(line.default)} is no {kind}.") from error


def _counting(line: AttributeLine, kind: AttributeType, table: str) -> Default:
    if kind.family is not Family.INTEGER or kind.row.name == "uint64":
        problem = f"{kind} does not count up by itself: auto_increment needs an integer of at most 64 bits with sign."
        raise DefinitionError(problem, table=table, line=line.line, column=line.type_column)
    if line.default is not None:
        raise _refusal(line, table, "an attribute that counts up by itself has no other.")
    return Special.AUTO


def read_default(text: str, kind: AttributeType) -> DefaultValue:
    """A default of the type from its plain text. Raises ValueError for what is none, and for a type without."""
    if kind.family in _WITHOUT:
        raise ValueError(f"a {kind} takes no default but null")
    value: DefaultValue = normalise(read_text(text, kind), kind)
    return _held(value, text, kind) if isinstance(value, float) else value


def _refusal(line: AttributeLine, table: str, reason: str) -> DefinitionError:
    text = f"default of {shown(line.name)}: {reason}"
    return DefinitionError(text, table=table, line=line.line, column=line.default_column)


def _held(number: float, text: str, kind: AttributeType) -> float:
    """A default as its column holds it. NaN is refused: a default of NaN would make equal definitions unequal."""
    if math.isnan(number):
        raise ValueError(text)
    held = _shortest_float32(number) if kind.row.name == "float32" else number
    if held == 0 and re.search("[1-9]", text.lower().partition("e")[0]):
        raise ValueError(text)  # nearer to zero than the smallest
    return held


def _shortest_float32(value: float) -> float:
    """The number of fewest digits that float32 holds as it holds this one: the one that PostgreSQL's catalog shows.

    >>> _shortest_float32(16777217.0), _shortest_float32(0.1000000001)
    (16777216.0, 0.1)
    """
    held = _float32(value)
    shorter = (float(f"{held:.{digits}g}") for digits in range(1, 10))
    return next(number for number in shorter if _float32(number) == held)


def _float32(value: float) -> float:
    """The nearest number that float32 holds."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
