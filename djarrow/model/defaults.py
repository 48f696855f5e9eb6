"""Default values: the text after `=` -> a value of the attribute's type.

Specification: 001 5.4.2, 000 "Attribute Definition".
"""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Callable

from djarrow.errors import DefinitionError
from djarrow.model.definition import AttributeLine
from djarrow.model.heading import Default, DefaultValue, Special
from djarrow.model.types import AttributeType, Family

_NOW_WORDS = {"now", "current_timestamp"}
_NOW_FAMILIES = {Family.DATE, Family.TIMESTAMP, Family.DATETIME}
_TRUE_FALSE = {"true": True, "1": True, "false": False, "0": False}


def parse_default(line: AttributeLine, kind: AttributeType, *, table: str) -> Default | None:
    """The default of an attribute line, or None where it has none. Raises DefinitionError for one of another type."""
    if line.default is None:
        return None
    word = line.default.lower()
    if not line.quoted and word == "null":
        return Special.NULL
    if not line.quoted and word in _NOW_WORDS and kind.family in _NOW_FAMILIES:
        return Special.NOW
    read = _READERS.get(kind.family)
    if read is None:
        raise _refusal(line, table, f"a {kind} takes no default but null.")
    try:
        return read(line.default, kind)
    except (ValueError, KeyError, decimal.InvalidOperation) as error:
        raise _refusal(line, table, f"{line.default!r} is no {kind}.") from error


def read_default(text: str, kind: AttributeType) -> DefaultValue:
    """A default of the type from its plain text. Raises ValueError, KeyError or decimal.InvalidOperation."""
    return _READERS[kind.family](text, kind)


def _refusal(line: AttributeLine, table: str, reason: str) -> DefinitionError:
    return DefinitionError(f"default of {line.name!r}: {reason}", table=table, line=line.line)


def _read_integer(text: str, kind: AttributeType) -> int:
    value = int(text)
    low, high = kind.row.minimum, kind.row.maximum
    if low is None or high is None or not low <= value <= high:
        raise ValueError(text)
    return value


def _read_decimal(text: str, kind: AttributeType) -> decimal.Decimal:
    value = decimal.Decimal(text)
    precision, scale = map(int, kind.parameters)
    exact = value.quantize(decimal.Decimal(1).scaleb(-scale), context=decimal.Context(prec=precision))
    if exact != value:
        raise ValueError(text)
    return exact


def _read_float(text: str, _: AttributeType) -> float:
    value = float(text)
    if math.isnan(value):
        raise ValueError(text)  # a default of NaN would make equal definitions unequal
    return value


def _read_string(text: str, kind: AttributeType) -> str:
    if kind.max_length is not None and len(text) > kind.max_length:
        raise ValueError(text)
    return text


def _read_choice(text: str, kind: AttributeType) -> str:
    if text not in kind.choices:
        raise ValueError(text)
    return text


def _read_timestamp(text: str, _: AttributeType) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)


def _read_datetime(text: str, _: AttributeType) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        raise ValueError(text)
    return moment


_READERS: dict[Family, Callable[[str, AttributeType], DefaultValue]] = {
    Family.INTEGER: _read_integer,
    Family.FLOAT: _read_float,
    Family.DECIMAL: _read_decimal,
    Family.BOOLEAN: lambda text, _: _TRUE_FALSE[text.lower()],
    Family.STRING: _read_string,
    Family.ENUM: _read_choice,
    Family.DATE: lambda text, _: datetime.date.fromisoformat(text),
    Family.TIME: lambda text, _: datetime.time.fromisoformat(text),
    Family.TIMESTAMP: _read_timestamp,
    Family.DATETIME: _read_datetime,
}
