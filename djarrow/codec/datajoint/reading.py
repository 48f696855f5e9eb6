"""DataJoint's blobs -> Python values, with a limit on the memory that they may make.

The format compresses small objects together with everything else, so the stored size says little about how much they
take. Each value is therefore counted before it is made. Decision 005.
"""

from __future__ import annotations

import datetime
import math
import uuid
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from djarrow.codec.cursor import Cursor, read_decimal
from djarrow.codec.datajoint.codes import (
    CHARACTER,
    COMPRESSED,
    DATETIME,
    DJ0,
    DTYPES,
    MYM,
    OBJECT,
    U16,
    U32,
    U64,
    Code,
)
from djarrow.codec.layout import DEEPEST
from djarrow.codec.room import DATAJOINT_SLACK, RATIO, Room
from djarrow.errors import InvalidBlob

Array = np.ndarray[Any, Any]

_DEFLATE_RATIO = 1032  # no deflate stream can hold more
_PLACE = 24  # of a value in its container, which grows by copying
_COST = 128  # of a small value where `_COSTS` has no other; elements and characters are charged besides
_COSTS: dict[int, int] = {
    Code.NONE: 0,
    Code.BOOLEAN: 0,
    Code.INTEGER: 0,  # `_integer` charges those that Python does not keep one of anyway
    Code.FLOAT: 24,
    Code.COMPLEX: 32,
    Code.LIST: 64,
    Code.TUPLE: 64,
    Code.DICT: 64,
    Code.SET: 216,
    Code.STRING: 80,
    Code.BYTES: 40,
    Code.ARRAY: 320,
    Code.CELL: 320,
    Code.RECARRAY: 512,
    Code.STRUCT: 512,
}
_MOST_DIMENSIONS = 64  # NumPy's
_ITEM = 9  # each value in a container has eight bytes for its length and at least one of its own


def decode(stored: memoryview) -> Any:
    """The value in a blob of DataJoint. Raises InvalidBlob, or what Python's types raise for parts that they refuse."""
    room = Room(RATIO * len(stored) + DATAJOINT_SLACK)
    raw = bytes(stored)
    if raw.startswith(COMPRESSED):
        raw = _decompressed(raw[len(COMPRESSED) :])
        room.take(len(raw))
    reader = _Reader(raw, room)
    header = reader.cursor.take(len(MYM))
    if header not in (MYM, DJ0):
        raise InvalidBlob(f"the compressed bytes begin with {header!r}, not with {MYM!r} or {DJ0!r}")
    value = reader.value(0)
    reader.cursor.finish()
    return value


def _decompressed(wrapped: bytes) -> bytes:
    cursor = Cursor(wrapped)
    (size,) = cursor.unpack(U64)
    stored = cursor.take(cursor.left)
    if size > _DEFLATE_RATIO * len(stored):
        raise InvalidBlob(f"{len(stored)} compressed bytes claim to hold {size}, which no zlib can")
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(stored, size + 1)
    except zlib.error as error:
        raise InvalidBlob(f"it cannot be decompressed: {error}") from error
    if len(raw) != size or not stream.eof:  # bytes after the stream are nobody's: DataJoint does not look at them
        raise InvalidBlob(f"it should hold {size} bytes when decompressed, and does not")
    return raw


class _Reader:
    """What is still to be read, and how much memory may still be taken."""

    def __init__(self, raw: bytes, room: Room) -> None:
        self.raw = raw
        self.cursor = Cursor(raw)
        self.room = room

    def view(self, count: int, size: int) -> memoryview:
        """The bytes of the next elements of this size: no copy, which for long arrays would have to be counted too."""
        start = self.cursor.position
        self.cursor.position += self.cursor.fitting(count, size) * size
        return memoryview(self.raw)[start : self.cursor.position]

    def number(self) -> int:
        """The next length."""
        return int(self.cursor.unpack(U64)[0])

    def value(self, depth: int) -> Any:
        """The next value."""
        code = self.cursor.byte()
        read = _READERS.get(code)
        if read is None:
            raise InvalidBlob(f"a value has the unknown structure code {code:#04x}")
        self.room.take(_COSTS.get(code, _COST))
        return read(self, depth)

    def item(self, depth: int) -> Any:
        """The next value in a container, after its length. It may not reach beyond that, and must fill it."""
        if depth > DEEPEST:
            raise InvalidBlob(f"values are nested more than {DEEPEST} deep")
        self.room.take(_PLACE)
        cursor = self.cursor
        end, outer = cursor.position + 8 + cursor.fitting(self.number()), cursor.end
        cursor.end = end
        value = self.value(depth)
        cursor.finish()
        cursor.end = outer
        return value

    def items(self, depth: int) -> list[Any]:
        """The next values, after their number."""
        count = self.cursor.fitting(self.number(), _ITEM)
        return [self.item(depth + 1) for _ in range(count)]

    def shape(self) -> tuple[int, ...]:
        """The next shape, after the number of its dimensions."""
        dimensions = self.number()
        if dimensions > _MOST_DIMENSIONS:
            raise InvalidBlob(f"an array has {dimensions} dimensions")
        return tuple(self.number() for _ in range(dimensions))

    def name(self) -> str:
        """The next name, up to its zero byte."""
        cursor = self.cursor
        end = self.raw.find(b"\0", cursor.position, cursor.end)
        if end < 0:
            raise InvalidBlob("the name of a field has no end")
        name = cursor.take(end - cursor.position)
        cursor.byte()
        return str(name, "utf-8")

    def names(self) -> list[str]:
        """The next names of fields, after their number."""
        count = self.cursor.fitting(self.cursor.unpack(U32)[0], 2)
        self.room.take(count * 512)  # a dtype keeps a name, a tuple and an entry of a dict for each
        return [self.name() for _ in range(count)]

    def numbers(self, dtype: np.dtype[Any], count: int) -> Array:
        """The next elements of an array, in memory of their own."""
        elements = self.room.copy(self.view(count, dtype.itemsize))
        if dtype.kind == "b":
            np.minimum(elements, 1, out=elements)
        return elements.view(dtype)


def _array(reader: _Reader, depth: int) -> Any:
    """An array; one of numbers without dimensions is a scalar, which is what DataJoint writes so and reads it as."""
    shape = reader.shape()
    count = math.prod(shape)
    code, is_complex = reader.cursor.unpack(U32)[0], reader.cursor.unpack(U32)[0]
    if code == OBJECT:
        return _objects(reader, shape, depth)
    if code == CHARACTER:
        return _characters(reader, shape)
    if code not in DTYPES:
        raise InvalidBlob(f"an array has elements of the unknown code {code}")
    elements = reader.numbers(DTYPES[code], count)
    if is_complex:
        if elements.dtype.kind not in "iuf":
            raise InvalidBlob(f"an array of {elements.dtype} claims to be complex")
        real = elements
        elements = reader.room.array((count,), np.dtype(np.complex64 if real.dtype == np.float32 else np.complex128))
        elements.real, elements.imag = real, reader.numbers(real.dtype, count)
    return elements.reshape(shape, order="F") if shape else elements[0]


def _objects(reader: _Reader, shape: tuple[int, ...], depth: int) -> Array:
    count = reader.cursor.fitting(math.prod(shape), _ITEM)
    items = (reader.item(depth + 1) for _ in range(count))
    return np.fromiter(items, object, count).reshape(shape, order="F")


def _characters(reader: _Reader, shape: tuple[int, ...]) -> Array:
    """Text of MATLAB, two bytes a character: an array of one string where it is one row, else of characters."""
    count = math.prod(shape)
    raw = reader.view(count, 2)
    reader.room.take(4 * count)
    if len(shape) == 1 or (len(shape) == 2 and shape[0] == 1):
        reader.room.take(4 * count)  # a string takes as much where one of its characters needs it
        return np.array([str(raw, "utf-16-le", "surrogatepass")])
    return np.frombuffer(raw, "<u2").astype(np.uint32).view("U1").reshape(shape, order="F")


def _struct(reader: _Reader, depth: int) -> Array:
    """A struct array of MATLAB: a structured array whose fields are objects."""
    shape = reader.shape()
    names = reader.names()
    if not names:
        return np.array(None)  # as DataJoint has it
    count = math.prod(shape)
    reader.cursor.fitting(count, _ITEM * len(names))
    array = reader.room.array((count,), np.dtype([(name, object) for name in names]))
    for place in range(count):
        array[place] = tuple(reader.item(depth + 1) for _ in names)
    return array.reshape(shape, order="F")


def _cell(reader: _Reader, depth: int) -> Array:
    """A cell array of MATLAB: an array of objects."""
    return _objects(reader, reader.shape(), depth)


def _recarray(reader: _Reader, depth: int) -> Array:
    names = reader.names()
    if not names:
        return np.array(None)  # as DataJoint has it
    if depth > DEEPEST:
        raise InvalidBlob(f"records are nested more than {DEEPEST} deep")
    fields = [reader.value(depth + 1) for _ in names]
    first = fields[0]
    if any(not isinstance(field, np.ndarray | np.generic) or field.shape != first.shape for field in fields):
        raise InvalidBlob("the fields of a record array are not arrays of one shape")
    dtype = np.dtype([(name, field.dtype) for name, field in zip(names, fields, strict=True)])
    records = reader.room.array(first.shape, dtype)
    for name, field in zip(names, fields, strict=True):
        records[name] = field
    return records.view(np.recarray)


def _binary(reader: _Reader, copies: int = 1) -> bytes:
    size = reader.cursor.fitting(reader.number())
    reader.room.take(copies * size)
    return bytes(reader.cursor.take(size))


def _integer(reader: _Reader, _: int) -> int:
    raw = reader.cursor.take(reader.cursor.unpack(U16)[0])
    number = int.from_bytes(raw, "little", signed=True)
    if not -5 <= number <= 256:
        reader.room.take(32 + 2 * len(raw))
    return number


def _dict(reader: _Reader, depth: int) -> dict[Any, Any]:
    count = reader.cursor.fitting(reader.number(), 2 * _ITEM)
    reader.room.take(128 * min(count, 1) + 64 * count)
    return {reader.item(depth + 1): reader.item(depth + 1) for _ in range(count)}


def _set(reader: _Reader, depth: int) -> set[Any]:
    items = reader.items(depth)
    reader.room.take(128 * len(items))
    return set(items)


def _datetime(reader: _Reader, _: int) -> datetime.date | datetime.time | None:
    day, clock = reader.cursor.unpack(DATETIME)
    date = datetime.date(day // 10_000, day // 100 % 100, day % 100) if day >= 0 else None
    seconds, microsecond = divmod(clock, 1_000_000)
    time = datetime.time(seconds // 10_000, seconds // 100 % 100, seconds % 100, microsecond) if clock >= 0 else None
    if date is None or time is None:
        return time if date is None else date
    return datetime.datetime.combine(date, time)


def _sparse(_: _Reader, __: int) -> Any:
    raise InvalidBlob("it holds a sparse array of MATLAB, which is not read")


_READERS: dict[int, Callable[[_Reader, int], Any]] = {
    Code.ARRAY: _array,
    Code.SPARSE: _sparse,
    Code.STRUCT: _struct,
    Code.CELL: _cell,
    Code.NONE: lambda _, __: None,
    Code.TUPLE: lambda reader, depth: tuple(reader.items(depth)),
    Code.LIST: lambda reader, depth: reader.items(depth),
    Code.SET: _set,
    Code.DICT: _dict,
    Code.STRING: lambda reader, _: _binary(reader, copies=5).decode(),  # four bytes a character, where one needs them
    Code.BYTES: lambda reader, _: _binary(reader),
    Code.INTEGER: _integer,
    Code.BOOLEAN: lambda reader, _: bool(reader.cursor.byte()),
    Code.COMPLEX: lambda reader, _: reader.cursor.complex(),
    Code.FLOAT: lambda reader, _: reader.cursor.float(),
    Code.RECARRAY: _recarray,
    Code.DECIMAL: lambda reader, _: read_decimal(_binary(reader, copies=2).decode("ascii")),
    Code.DATETIME: _datetime,
    Code.UUID: lambda reader, _: uuid.UUID(bytes=bytes(reader.cursor.take(16))),
}
