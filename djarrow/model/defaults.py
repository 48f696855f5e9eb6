"""Default values: the text after `=` -> a value of the attribute's type.

Specification: 001 5.4.2, 000 "Attribute Definition".
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import struct
from collections.abc import Callable

from djarrow.errors import DefinitionError, shown
from djarrow.model.definition import AttributeLine
from djarrow.model.heading import Default, DefaultValue, Special
from djarrow.model.types import AttributeType, Family

_NOW = re.compile(r"(now|current_timestamp)(\([0-6]?\))?", re.IGNORECASE)
_NOW_FAMILIES = {Family.DATE, Family.TIMESTAMP, Family.DATETIME}
_TRUE_FALSE = {"true": True, "1": True, "false": False, "0": False}


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
    if kind.family not in _READERS:
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
    """A default of the type from its plain text. Raises ValueError for what is none, KeyError for a type without."""
    read = _READERS[kind.family]
    try:
        return read(text, kind)
    except (LookupError, ArithmeticError) as error:
        raise ValueError(text) from error


def _refusal(line: AttributeLine, table: str, reason: str) -> DefinitionError:
    text = f"default of {shown(line.name)}: {reason}"
    return DefinitionError(text, table=table, line=line.line, column=line.default_column)


def _plain(pattern: re.Pattern[str], text: str) -> str:
    """The text of a number. Python would also read underscores, blanks, and digits of other scripts."""
    if not pattern.fullmatch(text):
        raise ValueError(text)
    return text


_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)


def _read_integer(text: str, kind: AttributeType) -> int:
    value = int(_plain(_INTEGER, text))
    low, high = kind.row.minimum, kind.row.maximum
    if low is None or high is None or not low <= value <= high:
        raise ValueError(text)
    return value


def _read_decimal(text: str, kind: AttributeType) -> decimal.Decimal:
    value = decimal.Decimal(_plain(_NUMBER, text))
    precision, scale = map(int, kind.parameters)
    exact = value.quantize(decimal.Decimal(1).scaleb(-scale), context=decimal.Context(prec=precision))
    if exact != value:
        raise ValueError(text)
    return exact


def _read_float(text: str, kind: AttributeType) -> float:
    """A number, or an infinity by name. NaN is refused: a default of NaN would make equal definitions unequal."""
    if _INFINITY.fullmatch(text):
        return float(text)
    number = float(_plain(_NUMBER, text))
    held = _shortest_float32(number) if kind.row.name == "float32" else number
    if math.isinf(held) or (held == 0 and re.search("[1-9]", text.lower().partition("e")[0])):
        raise ValueError(text)  # beyond the largest, or nearer to zero than the smallest
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


def _read_string(text: str, kind: AttributeType) -> str:
    if kind.max_length is not None and len(text) > kind.max_length:
        raise ValueError(text)
    return text


def _read_choice(text: str, kind: AttributeType) -> str:
    if text not in kind.choices:
        raise ValueError(text)
    return text


_NANOSECONDS = re.compile(r"[.,]\d{7}")  # Python drops the digits after the sixth without a word


def _read_date(text: str, _: AttributeType) -> datetime.date:
    return datetime.date.fromisoformat(text)


def _read_time(text: str, _: AttributeType) -> datetime.time:
    moment = datetime.time.fromisoformat(text)
    if moment.tzinfo is not None or _NANOSECONDS.search(text):
        raise ValueError(text)
    return moment


def _read_timestamp(text: str, _: AttributeType) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if _NANOSECONDS.search(text):
        raise ValueError(text)
    return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)


def _read_datetime(text: str, _: AttributeType) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None or _NANOSECONDS.search(text):
        raise ValueError(text)
    return moment


_READERS: dict[Family, Callable[[str, AttributeType], DefaultValue]] = {
    Family.INTEGER: _read_integer,
    Family.FLOAT: _read_float,
    Family.DECIMAL: _read_decimal,
    Family.BOOLEAN: lambda text, _: _TRUE_FALSE[text.lower()],
    Family.STRING: _read_string,
    Family.ENUM: _read_choice,
    Family.DATE: _read_date,
    Family.TIME: _read_time,
    Family.TIMESTAMP: _read_timestamp,
    Family.DATETIME: _read_datetime,
}
