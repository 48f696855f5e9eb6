"""One column that a user gives -> an Arrow array of the attribute's type, checked. rows.py takes rows apart into these.

Casts that lose nothing are made on the whole column. Where Arrow cannot, the values go one by one through
`model/values.py`, which finds the one at fault. Design section 8.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from djarrow.errors import InvalidValue, MissingField
from djarrow.model.heading import Attribute
from djarrow.model.types import AttributeType, Family
from djarrow.model.values import normalise


def carrier(kind: AttributeType) -> pa.DataType:
    """The Arrow type in which a column goes to the database: enums as strings, UUIDs as their 16 bytes."""
    if kind.family is Family.ENUM:
        return pa.string()
    if kind.family is Family.UUID:
        return pa.binary(16)
    return kind.arrow


def from_arrow(array: pa.Array | pa.ChunkedArray, attribute: Attribute, table: str) -> pa.Array | pa.ChunkedArray:
    """A column of any Arrow type as the attribute's carrier. Raises InvalidValue or MissingField with the row."""
    array = _plain(array)
    kind = attribute.type
    if array.null_count == len(array):
        converted = pa.nulls(len(array), carrier(kind))
    else:
        converted = _whole_column(array, kind)
        if converted is None:
            return from_values(_python_values(array, kind), attribute, table, inferred=True)
    _check_nulls(converted, attribute, table)
    return converted


def from_values(
    values: Sequence[Any], attribute: Attribute, table: str, *, inferred: bool = False
) -> pa.Array | pa.ChunkedArray:
    """A column of Python values as the attribute's carrier. inferred: Arrow could not take the column as a whole."""
    if not inferred and attribute.type.family in _INFERRED:
        try:
            array = pa.array(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass  # mixed or unusual values: one by one below, where the one at fault is named
        else:
            return from_arrow(array, attribute, table)
    canonical = [_one(value, attribute, table, row) for row, value in enumerate(values)]
    if attribute.type.family is Family.UUID:
        canonical = [None if value is None else value.bytes for value in canonical]
    array = pa.array(canonical, type=carrier(attribute.type))
    _check_nulls(array, attribute, table)
    return array


_INFERRED = frozenset({Family.INTEGER, Family.FLOAT, Family.BOOLEAN, Family.STRING, Family.ENUM, Family.BLOB})
"""Families whose Python values Arrow infers faithfully. Moments with mixed time zones are not among them."""


def _one(value: Any, attribute: Attribute, table: str, row: int) -> Any:
    try:
        return normalise(value, attribute.type)
    except (ValueError, OverflowError) as error:
        text = str(error).rstrip(".")
        shown = text if repr(value)[:20] in text else f"{value!r} is no {attribute.type}: {text}"
        raise InvalidValue(f"{shown}.", table=table, attribute=attribute.name, row=row, value=value) from None


def _check_nulls(array: pa.Array | pa.ChunkedArray, attribute: Attribute, table: str) -> None:
    if attribute.nullable or array.null_count == 0:
        return
    row = pc.index(pc.is_null(array), True).as_py()
    raise MissingField(
        "a value is required and NULL was given. Only attributes declared `= null` may be NULL.",
        table=table,
        attribute=attribute.name,
        row=row,
    )


def _plain(array: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The column without extension, dictionary or large and view layouts."""
    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(pa.chunked_array([c.storage for c in array.chunks], kind.storage_type) if _chunked(array) else array.storage)
    if pa.types.is_dictionary(kind):
        return _plain(array.cast(kind.value_type))
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.string())
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.binary())
    return array


def _chunked(array: pa.Array | pa.ChunkedArray) -> bool:
    return isinstance(array, pa.ChunkedArray)


def _python_values(array: pa.Array | pa.ChunkedArray, kind: AttributeType) -> list[Any]:
    """The values one by one; text that is to become JSON is read as JSON."""
    values: list[Any] = array.to_pylist()
    if kind.family is Family.JSON and pa.types.is_string(array.type):
        return [None if value is None else json.loads(value) for value in values]
    return values


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
    return None


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
    return array.cast(kind.arrow) if pa.types.is_date(array.type) else None


def _time(array: Any, kind: AttributeType) -> Any:
    return array.cast(kind.arrow) if pa.types.is_time(array.type) else None


def _timestamp(array: Any, kind: AttributeType) -> Any:
    if pa.types.is_date(array.type):
        array = array.cast(pa.timestamp("us"))
    if not pa.types.is_timestamp(array.type):
        return None
    if array.type.tz is None:
        return array.cast(pa.timestamp("us")).cast(kind.arrow)  # naive moments are UTC
    return array.cast(kind.arrow)


def _datetime(array: Any, kind: AttributeType) -> Any:
    naive = pa.types.is_timestamp(array.type) and array.type.tz is None
    return array.cast(kind.arrow) if naive or pa.types.is_date(array.type) else None


def _uuid(array: Any, _: AttributeType) -> Any:
    return array.cast(pa.binary(16)) if pa.types.is_fixed_size_binary(array.type) else None


def _blob(array: Any, kind: AttributeType) -> Any:
    return array.cast(kind.arrow) if pa.types.is_binary(array.type) or pa.types.is_fixed_size_binary(array.type) else None


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


