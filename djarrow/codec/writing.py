"""A Python value -> djarrow's blob format: one function a type, found by the value's own type, never a subclass's.

A subclass would come back as its base, so it is refused. What a container holds is written by the same table.
"""

from __future__ import annotations

import datetime
import decimal
import struct
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from djarrow.codec.arrays import write_array, write_scalar
from djarrow.codec.layout import BUFFER_RATIO, DEEPEST, INLINE, MAGIC, STRUCTURE_RATIO, STRUCTURE_SLACK, VERSION, Tag
from djarrow.codec.moments import write_date, write_datetime, write_time, write_timedelta
from djarrow.codec.room import least_stored
from djarrow.codec.sections import RawBytes, section, varint
from djarrow.errors import UnstorableValue


def encode(value: Any) -> bytes:
    """The value in djarrow's blob format. Raises UnstorableValue with the path of the part that cannot be stored."""
    writer = Writer()
    writer.value(value, 0)
    structure = bytes(writer.structure)
    least = least_stored(writer.room, len(structure)) - sum(map(len, writer.buffers))
    if least > _MOST_FILLING:
        raise UnstorableValue(f"its arrays take {writer.room} bytes, too many for how little is stored of them")
    parts = [MAGIC, bytes([VERSION]), *section(structure, STRUCTURE_RATIO, STRUCTURE_SLACK, least)]
    return b"".join([*parts, *writer.buffers])


_MOST_FILLING = 2**30  # more than a blob may have


class Writer:
    """What is written so far: the structure, and the sections of long arrays and bytes that follow it.

    room: how much the reader will count for arrays, or a little more.
    """

    def __init__(self) -> None:
        self.structure = bytearray()
        self.buffers: list[RawBytes] = []
        self.room = 0
        self._open: set[int] = set()

    def value(self, value: Any, depth: int) -> None:
        """Any value."""
        kind = type(value)
        write = _WRITERS.get(kind)
        if write is None:
            if not isinstance(value, np.generic) or kind.__module__ != "numpy":
                raise UnstorableValue(_refusal(kind))
            write = write_scalar
        write(self, value, depth)

    def count(self, number: int) -> None:
        """An unsigned number."""
        self.structure += varint(number)

    def integer(self, number: int) -> None:
        """A number of any size and sign."""
        size = number.bit_length() // 8 + 1
        self.count(size)
        self.structure += number.to_bytes(size, "little", signed=True)

    def text(self, text: str) -> None:
        """A string, also one with half of a surrogate pair."""
        raw = text.encode("utf-8", "surrogatepass")
        self.count(len(raw))
        self.structure += raw

    def bytes(self, raw: RawBytes) -> None:
        """Bytes whose number the reader knows: here, or in a section of their own."""
        self.room += 2 * len(raw)
        if len(raw) < INLINE:
            self.structure += raw
        else:
            self.buffers += section(raw, BUFFER_RATIO)

    def enter(self, container: Any, depth: int) -> None:
        """Begin a container. Raises UnstorableValue where it is one of those that hold it, or is too deep."""
        if id(container) in self._open:
            raise UnstorableValue(f"it is a {type(container).__name__} that contains itself")
        if depth >= DEEPEST:
            raise UnstorableValue(f"it is nested more than {DEEPEST} deep")
        self._open.add(id(container))

    def leave(self, container: Any) -> None:
        """End a container."""
        self._open.discard(id(container))


def _refusal(kind: type) -> str:
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    base = next((base for base in kind.__mro__ if base in _WRITERS), None)
    if issubclass(kind, np.ma.MaskedArray):
        return f"it is of type {name}, whose mask would be lost; give its data and mask as two arrays"
    if base is not None:
        plain = "numpy.asarray" if base is np.ndarray else base.__name__
        return f"it is of type {name} and would come back as {base.__name__}; give {plain}(...) of it"
    return (
        f"it is of type {name}; a blob holds NumPy arrays and scalars, dicts, lists, tuples, sets, strings, bytes, "
        "numbers, dates and times, UUIDs, Decimals and None"
    )


def _constant(tag: Tag) -> Callable[[Writer, Any, int], None]:
    def write(writer: Writer, _: Any, __: int) -> None:
        writer.structure.append(tag)

    return write


def _write_bool(writer: Writer, value: bool, _: int) -> None:
    writer.structure.append(Tag.TRUE if value else Tag.FALSE)


def _write_int(writer: Writer, value: int, _: int) -> None:
    writer.structure.append(Tag.INTEGER)
    writer.integer(value)


def _write_float(writer: Writer, value: float, _: int) -> None:
    writer.structure.append(Tag.FLOAT)
    writer.structure += struct.pack("<d", value)


def _write_complex(writer: Writer, value: complex, _: int) -> None:
    writer.structure.append(Tag.COMPLEX)
    writer.structure += struct.pack("<dd", value.real, value.imag)


def _write_text(tag: Tag) -> Callable[[Writer, Any, int], None]:
    def write(writer: Writer, value: Any, _: int) -> None:
        writer.structure.append(tag)
        writer.text(value if isinstance(value, str) else str(value))  # str() of NumPy's own strips zero characters

    return write


def _write_bytes(tag: Tag) -> Callable[[Writer, Any, int], None]:
    def write(writer: Writer, value: Any, _: int) -> None:
        writer.structure.append(tag)
        writer.count(len(value))
        writer.bytes(bytes(value))

    return write


def _write_uuid(writer: Writer, value: uuid.UUID, _: int) -> None:
    writer.structure.append(Tag.UUID)
    writer.structure += value.bytes


def _write_sequence(tag: Tag) -> Callable[[Writer, Any, int], None]:
    def write(writer: Writer, value: list[Any] | tuple[Any, ...], depth: int) -> None:
        writer.enter(value, depth)
        if not _write_numbers(writer, value, tag):
            writer.structure.append(tag)
            writer.count(len(value))
            for index, item in enumerate(value):
                try:
                    writer.value(item, depth + 1)
                except UnstorableValue as error:
                    raise error.within(f"[{index}]") from None
        writer.leave(value)

    return write


def _write_numbers(writer: Writer, value: list[Any] | tuple[Any, ...], tag: Tag) -> bool:
    """Many floats, or many integers of 64 bits, in one piece; False for what else a sequence holds."""
    code = _IN_ONE_PIECE.get(type(value[0])) if len(value) >= 8 else None
    if code is None or len(set(map(type, value))) > 1:
        return False
    try:
        packed = struct.pack(f"<{len(value)}{code[1]}", *value)
    except struct.error:  # an integer of more bits
        return False
    writer.structure += bytes([code[0], tag])
    writer.count(len(value))
    writer.structure += packed
    return True


_IN_ONE_PIECE = {float: (Tag.FLOATS, "d"), int: (Tag.INTEGERS, "q")}


def _write_set(tag: Tag) -> Callable[[Writer, Any, int], None]:
    def write(writer: Writer, value: set[Any] | frozenset[Any], depth: int) -> None:
        writer.enter(value, depth)
        pieces = [_piece(writer, item, depth + 1) for item in value]
        writer.structure.append(tag)
        writer.count(len(pieces))
        for structure, buffers in sorted(pieces, key=lambda piece: (piece[0], [bytes(part) for part in piece[1]])):
            writer.structure += structure
            writer.buffers += buffers
        writer.leave(value)

    return write


def _piece(writer: Writer, item: Any, depth: int) -> tuple[bytes, list[RawBytes]]:
    """An element of a set, apart, so that elements can be put in an order that does not change from run to run."""
    structure, buffers = writer.structure, writer.buffers
    writer.structure, writer.buffers = bytearray(), []
    try:
        _write_key(writer, item, depth)
        return bytes(writer.structure), writer.buffers
    except UnstorableValue as error:
        raise error.within(f"{{{_shown(item)}}}") from None
    finally:
        writer.structure, writer.buffers = structure, buffers


def _write_dict(writer: Writer, value: dict[Any, Any], depth: int) -> None:
    writer.enter(value, depth)
    writer.structure.append(Tag.DICT)
    writer.count(len(value))
    for key, item in value.items():
        try:
            _write_key(writer, key, depth + 1)
        except UnstorableValue as error:
            raise error.within(f"{{key {_shown(key)}}}") from None
        try:
            writer.value(item, depth + 1)
        except UnstorableValue as error:
            raise error.within(f"[{_shown(key)}]") from None
    writer.leave(value)


def _write_key(writer: Writer, key: Any, depth: int) -> None:
    if isinstance(key, np.void):
        raise UnstorableValue("it is a record of NumPy, which can change and so can be no key when it is read back")
    writer.value(key, depth)


def _shown(key: Any) -> str:
    """A key as a path shows it; one of more than a name or a number by its type only."""
    if type(key) not in (str, int, float, bool, bytes, type(None)) or (type(key) is int and key.bit_length() > 128):
        return f"<{type(key).__qualname__}>"
    text = repr(key)
    return text if len(text) <= 40 else text[:37] + "..."


_WRITERS: dict[type, Callable[[Writer, Any, int], None]] = {
    type(None): _constant(Tag.NONE),
    bool: _write_bool,
    int: _write_int,
    float: _write_float,
    complex: _write_complex,
    str: _write_text(Tag.STRING),
    bytes: _write_bytes(Tag.BYTES),
    bytearray: _write_bytes(Tag.BYTEARRAY),
    list: _write_sequence(Tag.LIST),
    tuple: _write_sequence(Tag.TUPLE),
    set: _write_set(Tag.SET),
    frozenset: _write_set(Tag.FROZENSET),
    dict: _write_dict,
    decimal.Decimal: _write_text(Tag.DECIMAL),
    uuid.UUID: _write_uuid,
    datetime.date: write_date,
    datetime.time: write_time,
    datetime.datetime: write_datetime,
    datetime.timedelta: write_timedelta,
    np.ndarray: write_array,
    np.recarray: write_array,
    np.memmap: write_array,
    np.str_: _write_text(Tag.NUMPY_STRING),
    np.bytes_: _write_bytes(Tag.NUMPY_BYTES),
}
