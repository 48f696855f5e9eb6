"""djarrow's blob format -> the Python value. Nothing is made before the bytes for it are seen to be there."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np

from djarrow.codec.arrays import read_array, read_scalar
from djarrow.codec.cursor import Cursor, read_decimal
from djarrow.codec.layout import BUFFER_RATIO, DEEPEST, INLINE, MAGIC, STRUCTURE_RATIO, STRUCTURE_SLACK, VERSION, Tag
from djarrow.codec.moments import read_date, read_datetime, read_time, read_timedelta
from djarrow.codec.room import Room, room
from djarrow.codec.sections import read_buffer, read_section
from djarrow.errors import InvalidBlob


def decode(stored: memoryview) -> Any:
    """The value in a blob of djarrow. Raises InvalidBlob, or what Python's types raise for parts that they refuse."""
    cursor = Cursor(stored)
    cursor.take(len(MAGIC))
    if (version := cursor.byte()) != VERSION:
        raise InvalidBlob(f"it is of version {version}, and this djarrow reads version {VERSION}; a later one may help")
    structure = read_section(cursor, STRUCTURE_RATIO, STRUCTURE_SLACK)
    reader = Reader(structure, cursor, room(len(stored), len(structure)))
    value = reader.value(0)
    reader.structure.finish()
    cursor.finish()
    return value


class Reader:
    """What is still to be read: the structure, and the sections that follow it; and the room for arrays."""

    def __init__(self, structure: bytes, sections: Cursor, room: Room) -> None:
        self.structure = Cursor(structure)
        self.sections = sections
        self.room = room

    def value(self, depth: int) -> Any:
        """The next value of any type."""
        tag = self.structure.byte()
        read = _READERS.get(tag)
        if read is None:
            raise InvalidBlob(f"a value is of an unknown type ({tag})")
        return read(self, depth)

    def integer(self) -> int:
        """The next number of any size and sign."""
        return int.from_bytes(self.structure.take(self.structure.varint()), "little", signed=True)

    def buffer(self, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """So many bytes of an array, from where the writer put them; memory that is the array's own."""
        if size < INLINE:
            return self.room.copy(self.structure.take(size))
        self.room.take(size)
        return read_buffer(self.sections, size, BUFFER_RATIO)

    def bytes(self) -> bytes:
        """The next bytes, after their number."""
        size = self.structure.varint()
        if size < INLINE:
            return bytes(self.structure.take(size))
        self.room.take(2 * size)  # a bytearray is made of bytes
        raw = read_section(self.sections, BUFFER_RATIO)
        if len(raw) != size:
            raise InvalidBlob(f"a value takes {size} bytes and its section holds {len(raw)}")
        return raw

    def enter(self, depth: int) -> None:
        """Begin a container."""
        if depth >= DEEPEST:
            raise InvalidBlob(f"values are nested more than {DEEPEST} deep")

    def items(self, depth: int) -> list[Any]:
        """The next values, after their number."""
        self.enter(depth)
        return [self.value(depth + 1) for _ in range(self.structure.count())]


_SEQUENCES: dict[int, type[list[Any] | tuple[Any, ...]]] = {Tag.LIST: list, Tag.TUPLE: tuple}


def _numbers(code: str) -> Callable[[Reader, int], Any]:
    def read(reader: Reader, _: int) -> Any:
        kind = _SEQUENCES.get(reader.structure.byte())
        if kind is None:
            raise InvalidBlob("numbers in one piece are neither a list nor a tuple")
        count = reader.structure.count(least=8)
        return kind(struct.unpack(f"<{count}{code}", reader.structure.take(8 * count)))

    return read


def _dict(reader: Reader, depth: int) -> dict[Any, Any]:
    reader.enter(depth)
    found: dict[Any, Any] = {}
    for _ in range(reader.structure.count(least=2)):
        key = reader.value(depth + 1)
        found[key] = reader.value(depth + 1)
    return found


_READERS: dict[int, Callable[[Reader, int], Any]] = {
    Tag.NONE: lambda _, __: None,
    Tag.TRUE: lambda _, __: True,
    Tag.FALSE: lambda _, __: False,
    Tag.INTEGER: lambda reader, _: reader.integer(),
    Tag.FLOAT: lambda reader, _: reader.structure.float(),
    Tag.COMPLEX: lambda reader, _: reader.structure.complex(),
    Tag.STRING: lambda reader, _: reader.structure.text(),
    Tag.BYTES: lambda reader, _: reader.bytes(),
    Tag.BYTEARRAY: lambda reader, _: bytearray(reader.bytes()),
    Tag.LIST: lambda reader, depth: reader.items(depth),
    Tag.TUPLE: lambda reader, depth: tuple(reader.items(depth)),
    Tag.SET: lambda reader, depth: set(reader.items(depth)),
    Tag.FROZENSET: lambda reader, depth: frozenset(reader.items(depth)),
    Tag.DICT: _dict,
    Tag.FLOATS: _numbers("d"),
    Tag.INTEGERS: _numbers("q"),
    Tag.DECIMAL: lambda reader, _: read_decimal(reader.structure.text()),
    Tag.UUID: lambda reader, _: uuid.UUID(bytes=bytes(reader.structure.take(16))),
    Tag.DATE: read_date,
    Tag.TIME: read_time,
    Tag.DATETIME: read_datetime,
    Tag.TIMEDELTA: read_timedelta,
    Tag.ARRAY: read_array,
    Tag.SCALAR: read_scalar,
    Tag.NUMPY_STRING: lambda reader, _: np.str_(reader.structure.text()),
    Tag.NUMPY_BYTES: lambda reader, _: np.bytes_(reader.bytes()),
}
