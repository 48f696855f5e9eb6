"""One column that a user gives -> an Arrow array of the attribute's type, checked. rows.py takes rows apart into these.

Casts that lose nothing are made on the whole column. Where Arrow cannot, the values go one by one through
`model/values.py`, which finds those at fault: each is refused, and NULL in what is returned. Design section 8.
"""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from djarrow.codec.blob import pack
from djarrow.errors import InvalidValue, MissingField, UnstorableValue, shown
from djarrow.frame import texts
from djarrow.frame.problems import Refuse
from djarrow.model.heading import Attribute
from djarrow.model.texts import read_text
from djarrow.model.types import AttributeType, Family
from djarrow.model.values import REQUIRED, is_absent, normalise


def carrier(kind: AttributeType) -> pa.DataType:
    """The Arrow type in which a column goes to the database: enums as strings, UUIDs as their 16 bytes."""
    if kind.family is Family.ENUM:
        return pa.string()
    if kind.family is Family.UUID:
        return pa.binary(16)
    return kind.arrow


def from_arrow(
    array: pa.Array | pa.ChunkedArray, attribute: Attribute, refuse: Refuse, *, read_json: bool = True
) -> pa.Array | pa.ChunkedArray:
    """A column of any Arrow type as the attribute's carrier. Refuses InvalidValue and MissingField with their rows.

    read_json: text for a json attribute is read; without it, the database reads it, with every digit of its numbers.
    """
    array = _plain(array)
    kind = attribute.type
    if array.null_count == len(array):
        converted = pa.nulls(len(array), carrier(kind))
    elif kind.family is Family.JSON and pa.types.is_string(array.type) and not read_json:
        converted = as_json(array, kind)
    else:
        converted = _whole_column(array, kind)
        if converted is None:
            values, unread = _python_values(array, attribute, refuse)
            return _one_by_one(values, attribute, refuse, unread)
    _check_nulls(converted, attribute, refuse)
    return converted


def from_values(values: Sequence[Any], attribute: Attribute, refuse: Refuse) -> pa.Array | pa.ChunkedArray:
    """A column of Python values as the attribute's carrier. Refuses InvalidValue and MissingField with their rows."""
    converted = _inferred(values, attribute.type)
    if converted is None:
        return _one_by_one(values, attribute, refuse)
    _check_nulls(converted, attribute, refuse)
    return converted


def from_texts(
    column: pa.Array | pa.ChunkedArray,
    attribute: Attribute,
    default: Any,
    refuse: Refuse,
    *,
    read_json: bool = True,
) -> pa.Array | pa.ChunkedArray | None:
    """A column of a CSV file as the attribute's carrier, or None where all of it is left to the default.

    NULL stands for the default, and for the empty string where a string has none. Refuses InvalidValue and
    MissingField. read_json: as from_arrow has it.
    """
    kind = attribute.type
    if column.null_count == len(column) and attribute.default is not None:
        return None
    if kind.family is Family.STRING and attribute.default is None:
        column = pc.fill_null(column, "")
    converted = _read_texts(column, kind, read_json=read_json)
    if converted is not None and (default is None or not converted.null_count):
        _check_nulls(converted, attribute, refuse)
        return converted
    values, refused = [], set()
    for row, text in enumerate(column.to_pylist()):
        value = default
        try:
            value = default if text is None else read_text(text, kind)
        except ValueError as error:
            reason = f"{shown(text)} is no {kind}: {error}."
            refuse(InvalidValue, reason, attribute=attribute.name, row=row, value=text)
            refused.add(row)
        values.append(value)
    return _one_by_one(values, attribute, refuse, frozenset(refused))


def _read_texts(column: Any, kind: AttributeType, *, read_json: bool) -> Any:
    """The whole column, or None where a text is to be read by itself."""
    if kind.family is Family.JSON:
        return None if read_json else as_json(column, kind)
    if kind.family in (Family.STRING, Family.ENUM):
        return _whole_column(column, kind)
    values = texts.read(column, kind)
    return None if values is None else _whole_column(values, kind)


def as_json(array: pa.Array | pa.ChunkedArray, kind: AttributeType) -> pa.Array | pa.ChunkedArray:
    """A column of text as a column of JSON, unread."""
    if not _chunked(array):
        return pa.ExtensionArray.from_storage(kind.arrow, array)
    return pa.chunked_array([as_json(chunk, kind) for chunk in array.chunks], kind.arrow)


def _inferred(values: Sequence[Any], kind: AttributeType) -> pa.Array | pa.ChunkedArray | None:
    """The column as Arrow reads it, or None where it could take one kind of value for another."""
    types = set(map(type, values))
    if not _is_faithful(types, values, kind):
        return None
    if kind.family is Family.UUID and uuid.UUID in types:
        values = [None if value is None else value.bytes for value in values]
    try:
        array = pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    return pa.nulls(len(array), carrier(kind)) if array.null_count == len(array) else _whole_column(array, kind)


def _is_faithful(types: set[type], values: Sequence[Any], kind: AttributeType) -> bool:
    """Whether Arrow infers from values of these types what they are.

    It would read True beside 1.0 as 1.0, text beside bytes as bytes, and a moment beside one of another time zone as if
    it had the same; whole numbers beside floats become float64, which is then rounded to float32.
    """
    given = types - {type(None)}
    if given == {str}:
        return kind.family in _FROM_TEXT
    if not given <= _INFERRED.get(kind.family, frozenset()):
        return False
    if kind.row.name == "float32":
        whole = {each for each in given if issubclass(each, int | np.integer)}
        return not whole or whole == given
    if given & _ZONED:
        return {value.tzinfo for value in values if value is not None} == {None}
    return True


_ZONED = {datetime.datetime, datetime.time}
_NUMBERS: frozenset[type] = frozenset({int, float, *(np.dtype(code).type for code in "bhilqBHILQfd")})
_INFERRED: dict[Family, frozenset[type]] = {
    Family.INTEGER: _NUMBERS,
    Family.FLOAT: _NUMBERS,
    Family.DECIMAL: frozenset({decimal.Decimal}),
    Family.BOOLEAN: frozenset({bool, np.bool_}),
    Family.DATE: frozenset({datetime.date}),
    Family.TIME: frozenset({datetime.time}),
    Family.DATETIME: frozenset({datetime.datetime}),
    Family.TIMESTAMP: frozenset({datetime.datetime}),
    Family.UUID: frozenset({uuid.UUID}),
}
"""The Python types, besides that of None, of which Arrow makes a whole column at once."""

_FROM_TEXT = frozenset({*_INFERRED, Family.STRING, Family.ENUM}) - {Family.INTEGER, Family.FLOAT, Family.BOOLEAN}
"""What a text can stand for: a number in a row is no text."""


def _one_by_one(
    values: Sequence[Any], attribute: Attribute, refuse: Refuse, refused: frozenset[int] = frozenset()
) -> pa.Array:
    return pa.array(canonical(values, attribute, refuse, refused), type=carrier(attribute.type))


def canonical(
    values: Sequence[Any], attribute: Attribute, refuse: Refuse, refused: frozenset[int] = frozenset()
) -> list[Any]:
    """The values, as Python has them, that a column of the attribute's carrier is made of.

    Refuses InvalidValue and MissingField with their rows. refused: the rows of which something was told already.
    """
    found, kind = [], attribute.type
    stored = _STORED.get(kind.family, normalise)
    for row, value in enumerate(values):
        try:
            held = stored(value, kind)
        except ValueError as error:
            refuse(InvalidValue, str(error), attribute=attribute.name, row=row, value=value)
            held = None
        else:
            if held is None and not attribute.nullable and row not in refused:
                refuse(MissingField, _required(attribute), attribute=attribute.name, row=row)
        found.append(held)
    return found


def _packed(value: Any, kind: AttributeType) -> bytes | None:
    """Columns of bytes in a frame are in that form already and do not come here."""
    try:
        return None if is_absent(value) else pack(value, kind.row.encoding)
    except UnstorableValue as error:
        raise ValueError(str(error)) from None


def _identity(value: Any, kind: AttributeType) -> bytes | None:
    held = normalise(value, kind)
    return None if held is None else held.bytes


_STORED: dict[Family, Callable[[Any, AttributeType], Any]] = {Family.BLOB: _packed, Family.UUID: _identity}
"""What goes to the database for a value, where that is not the canonical value itself. Raises ValueError."""


def _required(attribute: Attribute) -> str:
    return REQUIRED if attribute.default is None else f"{REQUIRED} Where it is left out, it has its default."


def _check_nulls(array: pa.Array | pa.ChunkedArray, attribute: Attribute, refuse: Refuse) -> None:
    if attribute.nullable or array.null_count == 0:
        return
    for row in np.flatnonzero(pc.is_null(array).to_numpy(zero_copy_only=False)):
        refuse(MissingField, _required(attribute), attribute=attribute.name, row=int(row))


def _plain(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column without extension, dictionary or large and view layouts."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(
            pa.chunked_array([c.storage for c in array.chunks], kind.storage_type) if _chunked(array) else array.storage
        )
    if pa.types.is_dictionary(kind):
        return _plain(array.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.binary())
    return array


def _chunked(array: pa.Array | pa.ChunkedArray) -> bool:
    return isinstance(array, pa.ChunkedArray)


def _python_values(
    array: pa.Array | pa.ChunkedArray, attribute: Attribute, refuse: Refuse
) -> tuple[list[Any], frozenset[int]]:
    """The values one by one; text that is to become JSON is read as JSON. And the rows whose values were refused."""
    read = json.loads if attribute.type.family is Family.JSON and pa.types.is_string(array.type) else None
    nanoseconds = getattr(array.type, "unit", None) == "ns"
    values: list[Any] = []
    refused = set()
    for row, scalar in enumerate(array):
        try:
            if nanoseconds and scalar.is_valid and scalar.value % 1000:
                raise ValueError("it has nanoseconds")  # as_py would drop them
            value = scalar.as_py()
            values.append(value if read is None or value is None else read(value))
        except (ValueError, OverflowError, RecursionError) as error:  # what Python's own types cannot hold
            given = _shown_scalar(scalar)
            text = f"{given!r} is no {attribute.type}: {error}."
            refuse(InvalidValue, text, attribute=attribute.name, row=row, value=given)
            refused.add(row)
            values.append(None)
    return values, frozenset(refused)


def _shown_scalar(scalar: Any) -> Any:
    """What Arrow shows of a value that Python's types cannot hold; of a moment it is the number."""
    kind = scalar.type
    return scalar.value if pa.types.is_temporal(kind) else str(scalar)[:60]


def _whole_column(array: pa.Array | pa.ChunkedArray, kind: AttributeType) -> pa.Array | pa.ChunkedArray | None:
    """The converted column, or None where a value stands in the way or Arrow knows no such cast."""
    convert = _CONVERSIONS.get(kind.family)
    try:
        return None if convert is None else convert(array, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return None


def _integer(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        return array.cast(kind.arrow)
    return None


def _float(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_integer(array.type):
        return array.cast(kind.arrow)  # safe: refuses integers that a float cannot hold
    if not pa.types.is_floating(array.type):
        return None
    converted = array.cast(kind.arrow, safe=False)
    overflown = pc.and_(pc.is_inf(converted), pc.invert(pc.is_inf(array)))
    return None if pc.any(overflown).as_py() else converted


def _decimal(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_integer(array.type) or pa.types.is_decimal(array.type):
        return array.cast(kind.arrow)
    if pa.types.is_float64(array.type):  # the digits that it shows, as Python has them
        return array.cast(pa.string()).cast(kind.arrow)
    return texts.read(array, kind) if pa.types.is_string(array.type) else None


def _boolean(array: Any, _: AttributeType) -> Any:
    return array if pa.types.is_boolean(array.type) else None


def _string(array: Any, kind: AttributeType) -> Any:
    if not pa.types.is_string(array.type):
        return None
    longest = pc.max(pc.utf8_length(array)).as_py()
    too_long = kind.max_length is not None and longest is not None and longest > kind.max_length
    return None if too_long or pc.any(pc.match_substring(array, "\0")).as_py() else array


def _enum(array: Any, kind: AttributeType) -> Any:
    if not pa.types.is_string(array.type):
        return None
    known = pc.is_in(array, value_set=pa.array(kind.choices, pa.string()), skip_nulls=False)
    return array if pc.all(pc.or_kleene(known, pc.is_null(array))).as_py() else None


def _date(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_string(array.type):
        array = texts.read(array, kind)
    if array is None or not pa.types.is_date(array.type):
        return None
    return _of_calendar(array.cast(kind.arrow), datetime.date.min, datetime.date.max)


def _of_calendar(array: Any, first: Any, last: Any) -> Any:
    """The column, or None where a moment is outside of the years that Python has."""
    kind = array.type
    found = pc.min_max(array.cast(pa.int32() if pa.types.is_date(kind) else pa.int64()))
    low, high = (pa.scalar(limit, kind).value for limit in (first, last))
    return array if found["min"].as_py() >= low and found["max"].as_py() <= high else None


_FIRST, _LAST = datetime.datetime.min, datetime.datetime.max


def _time(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_string(array.type):
        return texts.read(array, kind)
    return array.cast(kind.arrow) if pa.types.is_time(array.type) else None


def _timestamp(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_string(array.type):
        array = texts.read(array, kind)
    if array is None or not (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)):
        return None
    if pa.types.is_date(array.type) or array.type.tz is None:
        array = array.cast(pa.timestamp("us"))  # naive moments are UTC
    return _of_calendar(array.cast(kind.arrow), _FIRST.replace(tzinfo=datetime.UTC), _LAST.replace(tzinfo=datetime.UTC))


def _datetime(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_string(array.type):
        array = texts.read(array, kind)
    if array is None or not (pa.types.is_date(array.type) or pa.types.is_timestamp(array.type)):
        return None
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        return None
    return _of_calendar(array.cast(kind.arrow), _FIRST, _LAST)


def _uuid(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_string(array.type):
        return texts.read(array, kind)
    return array.cast(pa.binary(16)) if pa.types.is_fixed_size_binary(array.type) else None


def _blob(array: Any, kind: AttributeType) -> Any:
    return (
        array.cast(kind.arrow) if pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type) else None
    )


_CONVERSIONS: dict[Family, Callable[[Any, AttributeType], Any]] = {
    Family.INTEGER: _integer,
    Family.FLOAT: _float,
    Family.DECIMAL: _decimal,
    Family.BOOLEAN: _boolean,
    Family.STRING: _string,
    Family.ENUM: _enum,
    Family.DATE: _date,
    Family.TIME: _time,
    Family.TIMESTAMP: _timestamp,
    Family.DATETIME: _datetime,
    Family.UUID: _uuid,
    Family.BLOB: _blob,
}
