"""Reading stored bytes from front to end: nothing is taken that is not there."""

from __future__ import annotations

import decimal
import struct
from typing import Any

from djarrow.errors import InvalidBlob

_LONGEST_VARINT = 9  # 63 bits: more than any length, and a C integer
_FLOAT = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")
_STRICT = decimal.Context(traps=[decimal.InvalidOperation])  # whatever the caller's context lets pass


class Cursor:
    """A place in bytes. Every method raises InvalidBlob where the bytes end too early."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = data
        self.position = 0
        self.end = len(data)

    @property
    def left(self) -> int:
        """How many bytes are not read yet."""
        return self.end - self.position

    def take(self, count: int) -> bytes | memoryview:
        """The next so many bytes."""
        start = self.position
        if count > self.end - start:
            raise InvalidBlob(f"{count} bytes are announced at byte {start} and {self.end - start} are there")
        self.position = start + count
        return self.data[start : start + count]

    def byte(self) -> int:
        """The next byte."""
        start = self.position
        if start >= self.end:
            raise InvalidBlob(f"it ends at byte {start}, in the middle of a value")
        self.position = start + 1
        return self.data[start]

    def varint(self) -> int:
        """The next unsigned number, seven bits a byte, the lowest first."""
        number = 0
        for place in range(_LONGEST_VARINT):
            byte = self.byte()
            number |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                return number
        raise InvalidBlob(f"the number before byte {self.position} has no end")

    def count(self, least: int = 1) -> int:
        """The next number, of things that take at least so many bytes each: no more than the bytes that are left."""
        return self.fitting(self.varint(), least)

    def fitting(self, number: int, least: int = 1) -> int:
        """The number, where so many things of at least so many bytes can still follow."""
        if number * least > self.left:
            raise InvalidBlob(f"{number} values are announced at byte {self.position} and {self.left} bytes are left")
        return number

    def unpack(self, form: struct.Struct) -> tuple[Any, ...]:
        """The next values of a fixed form."""
        return form.unpack(self.take(form.size))

    def float(self) -> float:
        """The next number of eight bytes."""
        return float(self.unpack(_FLOAT)[0])

    def complex(self) -> complex:
        """The next number of sixteen bytes."""
        return complex(*self.unpack(_COMPLEX))

    def text(self) -> str:
        """The next string, after its length in bytes."""
        return str(self.take(self.varint()), "utf-8", "surrogatepass")

    def finish(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise InvalidBlob(f"{self.left} bytes are left over after the value")


def read_decimal(text: str) -> decimal.Decimal:
    """The decimal that a text is. Raises decimal.InvalidOperation where it is none."""
    return decimal.Decimal(text, _STRICT)
