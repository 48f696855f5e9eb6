"""Constants of a predicate: the scalars and lists of the tree -> values."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from typing import Any

from djarrow.expr.functions import INT64, WIDE
from djarrow.expr.predicates.known import Known, kind_of, refused
from djarrow.expr.terms import NULL, Value
from djarrow.model.names import UNKEPT
from djarrow.model.types import AttributeType, Family, core

_EPOCH = datetime.datetime(1970, 1, 1)
_PART = "a constant"


def constant(tree: Any) -> Known:
    """A literal of the tree. Raises InvalidCondition for one that SQL cannot carry."""
    match tree:
        case {"Dyn": {"Int": int(number)}}:
            return _number(number)
        case {"Dyn": {"Float": number}}:
            return _scalar("Float64", number)
        case {"Scalar": {"Null": "Null"}}:
            return Known(NULL, NULL.type)
        case {"Scalar": {"Null": dtype}}:
            kind = kind_of(dtype, _PART)
            return Known(Value(None, kind), kind)
        case {"Scalar": dict(scalar)} if len(scalar) == 1:
            ((dtype, value),) = scalar.items()
            return _scalar(dtype, value)
    raise refused(_PART, "it is no single value")


def _number(number: int) -> Known:
    kind = INT64 if -(2**63) <= number < 2**63 else WIDE
    if abs(number) >= 10**38:
        raise refused(f"{number}", "it is too large")
    return Known(Value(number, kind), kind)


def _scalar(dtype: str, value: Any) -> Known:
    reading = _SCALARS.get(dtype)
    if reading is None:
        kind = kind_of(dtype, _PART)
        if kind.family is not Family.INTEGER and kind != WIDE:
            raise refused(_PART, f"a constant of the type {dtype} is not read")
        return Known(Value(value, kind), kind)
    return reading(dtype, value)


def _float(dtype: str, value: Any) -> Known:
    """A number. JSON has none for NaN and the infinities, so that the tree does not tell them apart."""
    if value is None:
        raise refused(_PART, "it is NaN or infinite; use is_nan(), is_infinite() or is_finite()")
    kind = kind_of(dtype, _PART)
    return Known(Value(float(value), kind), kind)


def _boolean(_: str, value: bool) -> Known:
    kind = core("bool")
    return Known(Value(value, kind), kind)


def _string(dtype: str, value: str) -> Known:
    if UNKEPT.search(value):
        raise refused(repr(value), "PostgreSQL strings hold no NUL and no half of a surrogate pair")
    kind = kind_of(dtype, _PART)
    return Known(Value(value, kind), kind)


def _bytes(dtype: str, value: list[int]) -> Known:
    kind = kind_of(dtype, _PART)
    return Known(Value(bytes(value), kind), kind)


def _date(dtype: str, days: int) -> Known:
    return _moment(kind_of(dtype, _PART), days * 86_400_000_000)


def _datetime(_: str, parts: list[Any]) -> Known:
    microseconds, *dtype = parts
    return _moment(kind_of({"Datetime": dtype}, _PART), microseconds)


def _time(dtype: str, nanoseconds: int) -> Known:
    if nanoseconds % 1000:
        raise refused(_PART, "it has nanoseconds")
    return _moment(kind_of(dtype, _PART), nanoseconds // 1000)


def _moment(kind: AttributeType, microseconds: int) -> Known:
    """A moment that many microseconds after the epoch."""
    try:
        naive = _EPOCH + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        raise refused(_PART, "it lies outside of the years 1 to 9999") from None
    value: dict[Family, Any] = {
        Family.DATE: naive.date(),
        Family.TIME: naive.time(),
        Family.DATETIME: naive,
        Family.TIMESTAMP: naive.replace(tzinfo=datetime.UTC),
    }
    return Known(Value(value[kind.family], kind), kind)


def _decimal(_: str, parts: list[int]) -> Known:
    unscaled, precision, scale = parts
    kind = core("decimal", precision, scale)
    exact = decimal.Decimal(unscaled).scaleb(-scale, decimal.Context(prec=50))
    return Known(Value(exact, kind), kind)


_SCALARS: dict[str, Callable[[str, Any], Known]] = {
    "Float32": _float,
    "Float64": _float,
    "Boolean": _boolean,
    "String": _string,
    "Binary": _bytes,
    "Date": _date,
    "Datetime": _datetime,
    "Time": _time,
    "Decimal": _decimal,
}
"""Polars type -> how the tree writes a value of it. Integers are themselves."""


def as_uuid(value: bytes) -> Value | None:
    """Bytes as the UUID that Polars holds as such, None where they are none."""
    return Value(uuid.UUID(bytes=value), core("uuid")) if len(value) == 16 else None


# --- lists -------------------------------------------------------------------------------------------------------


def members(tree: Any, kind: AttributeType) -> list[Value]:
    """The constants of a list that can equal values of this type, without NULL.

    Raises InvalidCondition where the list is no constant, or of another type.
    """
    match tree:
        case {"Alias": [inner, _]}:
            return members(inner, kind)
        case {"Literal": {"Scalar": {"List": content}} | {"Series": content}}:
            return _values(_read(content), kind)
    raise refused("is_in", "only lists of constants are looked up")


def _read(content: list[int]) -> Any:
    """The Arrow array that Polars wrote into the tree, as bytes of an IPC stream."""
    import pyarrow as pa

    array = pa.ipc.open_stream(bytes(content)).read_all().column(0).combine_chunks()
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    array = array.flatten() if pa.types.is_nested(array.type) else array
    if pa.types.is_dictionary(array.type):  # of an Enum, whose values are views of strings, which Arrow cannot take
        array = array.dictionary.cast(pa.string()).take(array.indices)
    return array


def _values(array: Any, kind: AttributeType) -> list[Value]:
    import pyarrow as pa

    if pa.types.is_null(array.type):
        return []
    holds, read = _MEMBERS.get(kind.family, (None, None))
    if holds is None or read is None or not holds(array.type, kind):
        raise refused("is_in", f"{kind} is not looked up among {array.type}")
    values = (read(value, kind) for value in array.to_pylist() if value is not None)
    return list(dict.fromkeys(value for value in values if value is not None))


def _arrow_is(test: str) -> Callable[[Any, AttributeType], bool]:
    def holds(found: Any, _: AttributeType) -> bool:
        import pyarrow as pa

        return bool(getattr(pa.types, test)(found))

    return holds


def _same_arrow(found: Any, kind: AttributeType) -> bool:
    return bool(found == kind.arrow)


def _is_text(found: Any, _: AttributeType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found))


def _is_bytes(found: Any, _: AttributeType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(found) or pa.types.is_large_binary(found) or pa.types.is_binary_view(found))


def _is_instant(found: Any, _: AttributeType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_timestamp(found) and found.unit == "us" and found.tz is not None)


def _as_is(value: Any, kind: AttributeType) -> Value:
    return Value(value, kind)


def _whole(value: int, kind: AttributeType) -> Value | None:
    """A whole number, None for one that the type does not hold."""
    low, high = kind.row.minimum, kind.row.maximum
    if low is not None and high is not None and not low <= value <= high:
        return None
    return Value(value, INT64 if -(2**63) <= value < 2**63 else WIDE)


def _choice(value: str, kind: AttributeType) -> Value | None:
    return Value(value, kind) if value in kind.choices else None


def _text(value: str, kind: AttributeType) -> Value | None:
    """A string, None for one that no attribute can hold."""
    return None if UNKEPT.search(value) else Value(value, kind)


def _instant(value: datetime.datetime, kind: AttributeType) -> Value:
    return Value(value.astimezone(datetime.UTC), kind)


_MEMBERS: dict[Family, tuple[Callable[[Any, AttributeType], bool], Callable[[Any, AttributeType], Value | None]]] = {
    Family.INTEGER: (_arrow_is("is_integer"), _whole),
    Family.FLOAT: (_same_arrow, _as_is),
    Family.DECIMAL: (_arrow_is("is_decimal"), _as_is),
    Family.BOOLEAN: (_arrow_is("is_boolean"), _as_is),
    Family.STRING: (_is_text, _text),
    Family.ENUM: (_is_text, _choice),
    Family.DATE: (_same_arrow, _as_is),
    Family.DATETIME: (_same_arrow, _as_is),
    Family.TIMESTAMP: (_is_instant, _instant),
    Family.UUID: (_is_bytes, lambda value, _: as_uuid(value)),
    Family.BLOB: (_is_bytes, _as_is),
}
"""Family -> the Arrow types of lists that are looked up, and how a member becomes a value; None equals no value."""
