"""A plain text -> the Python value that it stands for: of defaults, of CSV files, of values that are given as text.

Strict, so that no text becomes what its writer did not mean: Python's own readers also take underscores and blanks in
numbers, digits of other scripts, and drop the digits of a second after the sixth. Ranges and lengths: values.py.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
import re
from collections.abc import Callable
from typing import Any

from djarrow.model.types import AttributeType, Family


def read_text(text: str, kind: AttributeType) -> Any:
    """The value of a text for an attribute of this type, for `values.normalise` to check. Strings stay as they are.

    Raises ValueError with the reason, where Python has one. JSON is read, bytes have no form in plain text.
    """
    try:
        return _READERS[kind.family](text)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError("it is too large, or nested too deeply") from error


TRUTH = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
"""The words of truth values, in lowercase: Python's, PostgreSQL's, and numbers."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
_NAMED = re.compile(r"[+-]?inf(inity)?|nan", re.IGNORECASE)
_NANOSECONDS = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")


def _plain(pattern: re.Pattern[str], text: str) -> str:
    """The text of a number."""
    if not pattern.fullmatch(text):
        raise ValueError("it is no plain number of the digits 0 to 9")
    return text


def read_integer(text: str) -> int:
    """A whole number."""
    return int(_plain(_INTEGER, text))


def read_float(text: str) -> float:
    """A number, or an infinity or NaN by name. One beyond the largest is refused: it would become an infinity."""
    if _NAMED.fullmatch(text):
        return float(text)
    number = float(_plain(_NUMBER, text))
    if math.isinf(number):
        raise ValueError("it is too large")
    return number


def read_decimal(text: str) -> decimal.Decimal:
    """A number with all its digits."""
    return decimal.Decimal(_plain(_NUMBER, text))


def read_boolean(text: str) -> bool:
    """A word of truth, in capitals or not."""
    if text.lower() not in TRUTH:
        raise ValueError("truth values are " + ", ".join(TRUTH))
    return TRUTH[text.lower()]


def read_date(text: str) -> datetime.date:
    """A date of ISO 8601."""
    return datetime.date.fromisoformat(text)


def read_time(text: str) -> datetime.time:
    """A time of day of ISO 8601, of microseconds."""
    return datetime.time.fromisoformat(_of_microseconds(text))


def read_moment(text: str) -> datetime.datetime:
    """A date and time of ISO 8601, of microseconds, with its time zone where it has one."""
    return datetime.datetime.fromisoformat(_of_microseconds(text))


def _of_microseconds(text: str) -> str:
    if _NANOSECONDS.search(text):
        raise ValueError("it has nanoseconds")
    return text


def _bytes(_: str) -> Any:
    raise ValueError("bytes have no form in plain text")


_READERS: dict[Family, Callable[[str], Any]] = {
    Family.INTEGER: read_integer,
    Family.FLOAT: read_float,
    Family.DECIMAL: read_decimal,
    Family.BOOLEAN: read_boolean,
    Family.STRING: str,
    Family.ENUM: str,
    Family.DATE: read_date,
    Family.TIME: read_time,
    Family.TIMESTAMP: read_moment,
    Family.DATETIME: read_moment,
    Family.UUID: str,
    Family.JSON: json.loads,
    Family.BLOB: _bytes,
}
