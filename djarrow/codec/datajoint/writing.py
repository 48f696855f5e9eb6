"""A Python value -> DataJoint's blob format, as DataJoint-Python 2 reads it. Pure arrays of numbers also in MATLAB.

What DataJoint would read as something else is refused, but for three kinds that come back as their nearest relative,
because results of NumPy are full of them: its strings (as Python's), arrays without dimensions (as scalars), and
structured arrays (as record arrays).
"""

from __future__ import annotations

import datetime
import decimal
import struct
import uuid
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from djarrow.codec.datajoint.codes import COMPRESSED, DATETIME, DJ0, DTYPES, MYM, OBJECT, U16, U32, U64, Code
from djarrow.codec.dtypes import is_packed
from djarrow.codec.layout import DEEPEST
from djarrow.errors import UnstorableValue

Array = np.ndarray[Any, Any]

_SHORTEST_COMPRESSED = 1000
_LEVEL = 1
_LONGEST_INTEGER = 0xFFFF


def encode(value: Any) -> bytes:
    """The value in DataJoint's format, compressed where that makes it shorter. Raises UnstorableValue with the path."""
    body = _Writer().value(value, 0)
    raw = (MYM if _is_plain(value) else DJ0) + body
    if len(raw) > _SHORTEST_COMPRESSED:
        compressed = COMPRESSED + U64.pack(len(raw)) + zlib.compress(raw, _LEVEL)
        if len(compressed) < len(raw):
            return compressed
    return raw


def _is_plain(value: Any) -> bool:
    """Whether the value is an array of numbers, which MATLAB has too."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biufc"


class _Writer:
    """Which containers are being written: none may hold itself."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def value(self, value: Any, depth: int) -> bytes:
        """Any value, from its structure code on."""
        write = _WRITERS.get(type(value))
        if write is None:
            if isinstance(value, np.number | np.bool_ | np.datetime64):
                return _array(self, np.asarray(value), depth)
            raise UnstorableValue(_refusal(type(value)))
        return write(self, value, depth)

    def items(self, container: Any, items: Iterable[tuple[str, Any]], depth: int) -> list[bytes]:
        """The values in a container, each after its length. items: with the part of the path that leads to each."""
        if id(container) in self._open:
            raise UnstorableValue(f"it is a {type(container).__name__} that contains itself")
        if depth >= DEEPEST:
            raise UnstorableValue(f"it is nested more than {DEEPEST} deep")
        self._open.add(id(container))
        found = []
        for part, item in items:
            try:
                body = self.value(item, depth + 1)
            except UnstorableValue as error:
                raise error.within(part) from None
            found.append(U64.pack(len(body)) + body)
        self._open.discard(id(container))
        return found


_HINTS = {
    frozenset: "give set(...)",
    bytearray: "give bytes(...)",
    datetime.timedelta: "give its total_seconds()",
    np.timedelta64: "give it as a number",
}


def _refusal(kind: type) -> str:
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    hint = _HINTS.get(kind)
    base = next((base for base in kind.__mro__ if base in _WRITERS), None)
    if hint is None and base is not None:
        hint = f"give {'numpy.asarray' if base is np.ndarray else base.__name__}(...) of it"
    return f"it is of type {name}, which DataJoint's format does not hold" + (f"; {hint}" if hint else "")


def _array(writer: _Writer, value: Array, depth: int) -> bytes:
    array = np.asarray(value)
    if array.dtype.names is not None:
        return _records(writer, array, depth)
    shape = U64.pack(array.ndim) + b"".join(map(U64.pack, array.shape))
    start = bytes([Code.ARRAY]) + shape
    if array.dtype.kind == "O":
        return start + U32.pack(OBJECT) + U32.pack(0) + _objects(writer, array, depth)
    is_complex = array.dtype.kind == "c"
    parts = [array.real, array.imag] if is_complex else [array]
    code = _CODES.get(parts[0].dtype)
    if code is None:
        hint = _dtype_hint(array.dtype)
        raise UnstorableValue(f"its dtype {array.dtype} is none that DataJoint's format holds{hint}")
    return start + U32.pack(code) + U32.pack(is_complex) + b"".join(part.tobytes(order="F") for part in parts)


_CODES = {dtype: code for code, dtype in DTYPES.items()}


def _dtype_hint(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "SUT":
        return "; give .astype(object)"
    if not dtype.isnative:
        return "; give it in the byte order of this machine"
    return "; give float64" if dtype.kind == "f" else ""


def _objects(writer: _Writer, array: Array, depth: int) -> bytes:
    parts = []
    for number, item in enumerate(array.ravel(order="F")):
        place = ", ".join(str(index) for index in np.unravel_index(number, array.shape, order="F"))
        if isinstance(item, list | tuple | np.ndarray):
            why = f"it is a {type(item).__name__} in an array of objects, which DataJoint cannot read back; give a list"
            raise UnstorableValue(why, f"[{place}]")
        parts.append((f"[{place}]", item))
    return b"".join(writer.items(array, parts, depth))


def _records(writer: _Writer, array: Array, depth: int) -> bytes:
    names, dtype = array.dtype.names or (), array.dtype
    if not names or not is_packed(dtype) or any(len(field) > 2 for field in (dtype.fields or {}).values()):
        raise UnstorableValue(f"its dtype {dtype} has gaps, titles or no fields, which DataJoint's format lacks")
    if depth >= DEEPEST:
        raise UnstorableValue(f"it is nested more than {DEEPEST} deep")
    fields = []
    for name in names:
        if array[name].shape != array.shape or "\0" in name:
            raise UnstorableValue("it is a field of arrays, which DataJoint's format does not hold", f"[{name!r}]")
        try:
            fields.append(_array(writer, array[name], depth + 1))
        except UnstorableValue as error:
            raise error.within(f"[{name!r}]") from None
    return bytes([Code.RECARRAY]) + U32.pack(len(names)) + "".join(f"{n}\0" for n in names).encode() + b"".join(fields)


def _sequence(code: Code) -> Callable[[_Writer, Sequence[Any], int], bytes]:
    def write(writer: _Writer, value: Sequence[Any], depth: int) -> bytes:
        items = writer.items(value, ((f"[{index}]", item) for index, item in enumerate(value)), depth)
        return bytes([code]) + U64.pack(len(items)) + b"".join(items)

    return write


def _set(writer: _Writer, value: set[Any], depth: int) -> bytes:
    items = writer.items(value, (("{...}", item) for item in value), depth)
    return bytes([Code.SET]) + U64.pack(len(items)) + b"".join(sorted(items))


def _dict(writer: _Writer, value: dict[Any, Any], depth: int) -> bytes:
    parts = []
    for key, item in value.items():
        part = f"[{key!r}]" if type(key) is str else f"[<{type(key).__qualname__}>]"
        parts += [(f"{{key {part[1:-1]}}}", key), (part, item)]
    return bytes([Code.DICT]) + U64.pack(len(value)) + b"".join(writer.items(value, parts, depth))


def _integer(_: _Writer, value: int, __: int) -> bytes:
    size = value.bit_length() // 8 + 1
    if size > _LONGEST_INTEGER:
        raise UnstorableValue(f"it is an integer of {size} bytes, and DataJoint's format holds {_LONGEST_INTEGER}")
    return bytes([Code.INTEGER]) + U16.pack(size) + value.to_bytes(size, "little", signed=True)


def _text(code: Code) -> Callable[[_Writer, Any, int], bytes]:
    def write(_: _Writer, value: Any, __: int) -> bytes:
        try:
            raw = (value if isinstance(value, str) else str(value)).encode()  # str() of NumPy's own strips zeros
        except UnicodeEncodeError:
            raise UnstorableValue("it is a string with half of a surrogate pair, which has no UTF-8") from None
        return bytes([code]) + U64.pack(len(raw)) + raw

    return write


def _moment(_: _Writer, value: datetime.date | datetime.time, __: int) -> bytes:
    day = clock = -1
    if isinstance(value, datetime.date):
        day = (value.year * 100 + value.month) * 100 + value.day
    if isinstance(value, datetime.time | datetime.datetime):
        if value.tzinfo is not None or value.fold:
            raise UnstorableValue("it has a time zone or a fold, which DataJoint's format does not hold")
        clock = ((value.hour * 100 + value.minute) * 100 + value.second) * 1_000_000 + value.microsecond
    return bytes([Code.DATETIME]) + DATETIME.pack(day, clock)


_WRITERS: dict[type, Callable[[_Writer, Any, int], bytes]] = {
    type(None): lambda _, __, ___: bytes([Code.NONE]),
    bool: lambda _, value, __: bytes([Code.BOOLEAN, value]),
    int: _integer,
    float: lambda _, value, __: bytes([Code.FLOAT]) + struct.pack("<d", value),
    complex: lambda _, value, __: bytes([Code.COMPLEX]) + struct.pack("<dd", value.real, value.imag),
    str: _text(Code.STRING),
    np.str_: _text(Code.STRING),
    bytes: lambda _, value, __: bytes([Code.BYTES]) + U64.pack(len(value)) + value,
    np.bytes_: lambda _, value, __: bytes([Code.BYTES]) + U64.pack(len(value)) + bytes(value),
    list: _sequence(Code.LIST),
    tuple: _sequence(Code.TUPLE),
    set: _set,
    dict: _dict,
    decimal.Decimal: _text(Code.DECIMAL),
    uuid.UUID: lambda _, value, __: bytes([Code.UUID]) + value.bytes,
    datetime.date: _moment,
    datetime.time: _moment,
    datetime.datetime: _moment,
    np.ndarray: _array,
    np.recarray: _array,
    np.memmap: _array,
}
