"""One Python value -> the canonical Python value of an attribute's type, or the reason why it is none.

Columns of many values go through Arrow (frame/columns.py) and come here only for the values that Arrow does not take.
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
import struct
import uuid
from collections.abc import Callable
from typing import Any

from djarrow.model.texts import read_date, read_decimal, read_moment, read_time
from djarrow.model.types import AttributeType, Family, decimal_digits


def normalise(value: Any, kind: AttributeType) -> Any:
    """The value as the type holds it: int, float, Decimal, bool, str, date, time, datetime, UUID, JSON text or bytes.

    Nothing is lost: 1.0 becomes the integer 1, "2024-10-28" a date; 1.5 is no integer. None stays None.
    Raises ValueError with the reason, for whatever the value is.
    """
    if is_absent(value):
        return None
    try:
        plain = value if type(value) in _PLAIN else _without_numpy(value, kind)
        return None if plain is None else _NORMALISERS[kind.family](plain, kind)
    except _Refusal:
        raise
    except (TypeError, ValueError, ArithmeticError, AttributeError, RecursionError) as error:
        raise _no(value, kind, f": {error}" if type(error) is ValueError else "") from error


_PLAIN = frozenset({int, float, str, bool, bytes, datetime.date, datetime.datetime})
"""Types that are certainly none of NumPy's."""

_ABSENT = frozenset({"NAType", "NaTType", "MaskedConstant"})
"""The types of what pandas and NumPy's masked arrays have for a missing value; pandas itself may not be there."""


REQUIRED = "a value is required and NULL was given. Only attributes declared `= null` may be NULL."


def is_absent(value: Any) -> bool:
    """Whether a value is one that is missing: None, or what a library has for it."""
    return value is None or type(value).__name__ in _ABSENT


class _Refusal(ValueError):
    """A refusal whose text is complete, as against a ValueError of Python's own parsers."""


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # Python writes no integers of more than a few thousand digits
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _no(value: Any, kind: AttributeType, why: str = "") -> _Refusal:
    return _Refusal(f"{_shown(value)} is no {kind}{why}.")


def _without_numpy(value: Any, kind: AttributeType) -> Any:
    """The Python value of a NumPy scalar; other values as they are. NaT is None."""
    item = getattr(value, "item", None)
    if not callable(item) or getattr(value, "shape", None) != ():
        return value
    if value.dtype.kind == "M":  # item() would give the number of nanoseconds
        if str(value) == "NaT":
            return None
        coarse = value.astype("M8[us]")
        if coarse != value:
            raise _no(value, kind, ": it has nanoseconds")
        return coarse.item()
    return item()


def _integer(value: Any, kind: AttributeType) -> int:
    if isinstance(value, str):
        raise _no(value, kind, _TEXT)
    if isinstance(value, bool | bytes) or int(value) != value:
        raise _no(value, kind)
    low, high = kind.row.minimum, kind.row.maximum
    if low is not None and high is not None and not low <= value <= high:
        raise _no(value, kind, within(kind))
    return int(value)


_TEXT = ": text is no number. Convert it first"


def within(kind: AttributeType) -> str:
    """The end of a message about a value that is none of a type: its range, where it has one."""
    low, high = kind.row.minimum, kind.row.maximum
    return "" if low is None or high is None else f", which goes from {low} to {high}"


def _float(value: Any, kind: AttributeType) -> float:
    if isinstance(value, str):
        raise _no(value, kind, _TEXT)
    if isinstance(value, bool | bytes):
        raise _no(value, kind)
    number = float(value)
    try:
        held = struct.unpack("<f", struct.pack("<f", number))[0] if kind.row.name == "float32" else number
    except OverflowError:
        raise _no(value, kind, ": it is too large") from None
    whole = isinstance(value, int) or (isinstance(value, decimal.Decimal) and value.is_finite() and value == int(value))
    if whole and int(held) != value:
        raise _no(value, kind, " without loss")
    return number


def _decimal(value: Any, kind: AttributeType) -> decimal.Decimal:
    if not isinstance(value, int | float | str | decimal.Decimal) or isinstance(value, bool):
        raise _no(value, kind)
    if isinstance(value, str):
        number = read_decimal(value)
    else:
        number = decimal.Decimal(repr(value) if isinstance(value, float) else value)
    precision, scale = decimal_digits(kind)
    if not number.is_finite():
        raise _no(value, kind)
    exact = number.quantize(decimal.Decimal(1).scaleb(-scale), context=decimal.Context(prec=max(precision, 38)))
    if exact != number or exact.adjusted() >= precision - scale:
        raise _no(value, kind, f": it needs more than {precision} digits with {scale} after the point")
    return exact


def _boolean(value: Any, kind: AttributeType) -> bool:
    if isinstance(value, bool) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise _no(value, kind)


def _string(value: Any, kind: AttributeType) -> str:
    if not isinstance(value, str):
        raise _no(value, kind, ": it is no text. Convert it first")
    if "\0" in value:
        raise _no(value, kind, ": PostgreSQL strings hold no NUL character")
    if kind.max_length is not None and len(value) > kind.max_length:
        raise _no(value, kind, f": it has {len(value)} characters")
    value.encode()  # half of a surrogate pair has no UTF-8
    return value


def _choice(value: Any, kind: AttributeType) -> str:
    if not isinstance(value, str) or value not in kind.choices:
        raise _Refusal(f"{_shown(value)} is none of the values {', '.join(map(repr, kind.choices))}.")
    return kind.choices[kind.choices.index(value)]  # a plain string, also where a member of a Python enum was given


def _date(value: Any, kind: AttributeType) -> datetime.date:
    if isinstance(value, str):
        return read_date(value)
    if isinstance(value, datetime.datetime):
        nanosecond: int = getattr(value, "nanosecond", 0)  # of a pandas Timestamp
        if value.time() != datetime.time() or value.tzinfo is not None or nanosecond:
            raise _no(value, kind, ": it has a time of day")
        return value.date()
    if isinstance(value, datetime.date):
        return value
    raise _no(value, kind)


def _time(value: Any, kind: AttributeType) -> datetime.time:
    moment = read_time(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime.time) or moment.tzinfo is not None:
        raise _no(value, kind)
    return moment


def _moment(value: Any, kind: AttributeType) -> datetime.datetime:
    if isinstance(value, str):
        return read_moment(value)
    if isinstance(value, datetime.datetime):
        if getattr(value, "nanosecond", 0):  # of a pandas Timestamp
            raise _no(value, kind, ": it has nanoseconds")
        return value
    if isinstance(value, datetime.date):
        return datetime.datetime.combine(value, datetime.time())
    raise _no(value, kind)


def _timestamp(value: Any, kind: AttributeType) -> datetime.datetime:
    moment = _moment(value, kind)
    return moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment.astimezone(datetime.UTC)


def _datetime(value: Any, kind: AttributeType) -> datetime.datetime:
    moment = _moment(value, kind)
    if moment.tzinfo is not None:
        raise _no(value, kind, ", which has no time zone; use timestamp for moments in UTC")
    return moment


def _uuid(value: Any, kind: AttributeType) -> uuid.UUID:
    match value:
        case uuid.UUID():
            return value
        case str():
            return uuid.UUID(value)
        case bytes() if len(value) == 16:
            return uuid.UUID(bytes=value)
    raise _no(value, kind)


def _json(value: Any, kind: AttributeType) -> str:
    _check_names(value, kind)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except TypeError:
        raise _no(value, kind, f": {_foreign(value)} is nothing that JSON can say. Convert it first") from None
    if _ESCAPED_NUL.search(text):
        raise _no(value, kind, ": PostgreSQL strings hold no NUL character")
    text.encode()  # half of a surrogate pair has no UTF-8
    return text


def _foreign(value: Any) -> str:
    """The part of a document that JSON has no form for."""
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            if found := _foreign(part):
                return found
        names = value if isinstance(value, dict) else ()
        odd = [name for name in names if name is not None and not isinstance(name, str | int | float)]
        return f"the name {_shown(odd[0])}" if odd else ""
    return "" if value is None or isinstance(value, str | int | float) else _shown(value)


def _check_names(value: Any, kind: AttributeType) -> None:
    """Names of a document are texts: 1 and "1" are the same name, and one of their values would be lost."""
    if isinstance(value, dict):
        if len({str(name) for name in value}) < len(value):
            raise _no(value, kind, ": two of its names are the same text")
        for part in value.values():
            _check_names(part, kind)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_names(part, kind)


_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _blob(value: Any, kind: AttributeType) -> bytes:
    """The stored bytes, which is what conditions compare; values that are inserted are packed by frame/columns.py."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise _no(value, kind, ": stored bytes are compared, and dj.blob.pack gives those of a value")


_NORMALISERS: dict[Family, Callable[[Any, AttributeType], Any]] = {
    Family.INTEGER: _integer,
    Family.FLOAT: _float,
    Family.DECIMAL: _decimal,
    Family.BOOLEAN: _boolean,
    Family.STRING: _string,
    Family.ENUM: _choice,
    Family.DATE: _date,
    Family.TIME: _time,
    Family.TIMESTAMP: _timestamp,
    Family.DATETIME: _datetime,
    Family.UUID: _uuid,
    Family.JSON: _json,
    Family.BLOB: _blob,
}
