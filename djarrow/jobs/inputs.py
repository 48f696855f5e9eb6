"""Whether inputs are still what they were: values of any kind as bytes, equal where the values are.

Kept of the first fetch are these bytes' SHA-256. Specification: 000 "Handling Long-Running Computations".
"""

from __future__ import annotations

import datetime
import decimal
import enum
import hashlib
import struct
import uuid
from collections.abc import Callable, Mapping, Set
from typing import Any

import attrs

Add = Callable[[bytes], object]


class Incomparable(TypeError):
    """A value of which nobody can say whether it is still the same."""


def digest(value: Any) -> bytes:
    """The SHA-256 of a value: NaN equals itself, -0.0 is not 0.0, 1 is neither 1.0 nor True; the order of a dict and of
    a set is left out. Frames, tables and arrays count with names, types, shapes and every value.

    Raises Incomparable for an object that is none of these, such as a lazy frame or an open file.
    """
    hashed = hashlib.sha256()
    _add(value, hashed.update)
    return hashed.digest()


def _add(value: Any, add: Add) -> None:
    """Add a value: a tag of its type, then its content, with the lengths of what has one."""
    match value:
        case None:
            add(b"N")
        case enum.Enum():
            _add_text(b"E", f"{type(value).__qualname__}.{value.name}", add)
        case bool():
            add(b"T" if value else b"F")
        case int():
            _add_text(b"i", str(value), add)
        case float():
            add(b"f" + _float_bytes(value))
        case complex():
            add(b"c" + _float_bytes(value.real) + _float_bytes(value.imag))
        case str():
            _add_bytes(b"s", value.encode("utf-8", "surrogatepass"), add)
        case bytes() | bytearray() | memoryview():
            _add_bytes(b"b", bytes(value), add)
        case datetime.datetime() | datetime.date() | datetime.time():
            _add_text(b"t", f"{type(value).__name__} {value.isoformat()}", add)
        case datetime.timedelta() | decimal.Decimal() | uuid.UUID() | range():
            _add_text(b"v", f"{type(value).__name__} {value!r}", add)
        case tuple() | list():
            add(b"(" if isinstance(value, tuple) else b"[")
            _add_items(value, add)
        case Mapping():
            _add_unordered(b"{", [digest((name, held)) for name, held in value.items()], add)
        case Set():
            _add_unordered(b"<", [digest(held) for held in value], add)
        case _:
            _add_other(value, add)


def _add_other(value: Any, add: Add) -> None:
    """Arrays, frames and records. Their libraries are loaded already where there is such a value."""
    import numpy as np

    if isinstance(value, np.ndarray | np.generic):
        _add_array(np.asarray(value), add)
    elif attrs.has(type(value)):
        _add_text(b"r", type(value).__qualname__, add)
        _add_items([getattr(value, each.name) for each in attrs.fields(type(value))], add)
    elif hasattr(value, "__dataclass_fields__"):
        _add_text(b"r", type(value).__qualname__, add)
        _add_items([getattr(value, name) for name in value.__dataclass_fields__], add)
    else:
        _add_frame(value, add)


def _add_array(array: Any, add: Add) -> None:
    if array.dtype.hasobject:
        add(b"O")
        _add(array.shape, add)
        _add_items(array.ravel().tolist(), add)
        return
    _add_text(b"a", f"{array.dtype.descr if array.dtype.names else array.dtype.str} {array.shape}", add)
    if array.dtype.kind in "fc":  # every NaN is the same, whatever its bits
        array = array.copy()
        array[array != array] = float("nan")  # noqa: PLR0124 - only NaN differs from itself
    _add_bytes(b"", array.tobytes(), add)


def _add_frame(value: Any, add: Add) -> None:
    """A frame, series, table or column: what gives Arrow data."""
    import pyarrow as pa

    if not (hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")):
        raise Incomparable(
            f"a value of type {type(value).__name__} cannot be compared with that of the second fetch. Give numbers, "
            "strings, dates, arrays, frames, and lists, tuples, sets and dicts of these."
        )
    if hasattr(value, "columns") or hasattr(value, "schema"):
        table = pa.table(value)
        _add_text(b"p", table.schema.remove_metadata().to_string(), add)
        columns = table.columns
    else:
        columns = [pa.chunked_array(value)] if hasattr(value, "__arrow_c_stream__") else [pa.array(value)]
        _add_text(b"q", str(columns[0].type), add)
    for column in columns:
        _add_column(column, add)


def _add_column(column: Any, add: Add) -> None:
    """A column of Arrow, as arrays where it holds numbers or texts, else value by value."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    kind = column.type
    text = any(map(kind.equals, _texts()))
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (text or number):
        _add_items(column.to_pylist(), add)
        return
    _add_array(pc.is_null(column).to_numpy(zero_copy_only=False), add)
    if number:
        _add_array(pc.fill_null(column, pa.scalar(0, kind)).to_numpy(zero_copy_only=False), add)
        return
    filled = pc.fill_null(column.cast(pa.large_binary()), b"")
    _add_array(pc.binary_length(filled).to_numpy(zero_copy_only=False), add)
    if len(filled):
        _, offsets, content = filled.buffers()
        ends = np.frombuffer(offsets, np.int64)[filled.offset : filled.offset + len(filled) + 1]
        _add_bytes(b"", memoryview(content)[ends[0] : ends[-1]] if content else b"", add)


def _texts() -> list[Any]:
    import pyarrow as pa

    return [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]


def _add_items(items: Any, add: Add) -> None:
    add(struct.pack("<Q", len(items)))
    for item in items:
        _add(item, add)


def _add_unordered(tag: bytes, digests: list[bytes], add: Add) -> None:
    add(tag + struct.pack("<Q", len(digests)))
    for each in sorted(digests):
        add(each)


def _add_text(tag: bytes, text: str, add: Add) -> None:
    _add_bytes(tag, text.encode("utf-8", "surrogatepass"), add)


def _add_bytes(tag: bytes, content: Any, add: Add) -> None:
    add(tag + struct.pack("<Q", len(content)))
    add(content)


def _float_bytes(value: float) -> bytes:
    return struct.pack("<d", float("nan") if value != value else value)  # noqa: PLR0124 - NaN differs from itself
