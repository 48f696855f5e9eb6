"""The facts of djarrow's blob format that writing and reading share; docs/blob-format.md has them in prose."""

from __future__ import annotations

import enum

MAGIC = b"\x8aDJB"
VERSION = 1

DEEPEST = 128
"""Containers within containers. Two of Python's 1,000 frames go to each."""

INLINE = 4096
"""Arrays and bytes of at least this many bytes have a section of their own; shorter ones stand in the structure."""

STRUCTURE_RATIO = 32
STRUCTURE_SLACK = 512 * 1024
BUFFER_RATIO = 1024
"""How many times its stored size a section may be when decompressed. See docs/decisions/005-blob-format.md."""

MOST_WITHOUT_BYTES = 65_536
"""Elements of an array whose dtype has no bytes, such as S0: there is nothing that their number can be held against."""


class Tag(enum.IntEnum):
    """The first byte of each value in the structure."""

    NONE = ord("N")
    TRUE = ord("T")
    FALSE = ord("F")
    INTEGER = ord("i")
    FLOAT = ord("f")
    COMPLEX = ord("c")
    STRING = ord("s")
    BYTES = ord("b")
    BYTEARRAY = ord("B")
    LIST = ord("l")
    TUPLE = ord("t")
    SET = ord("e")
    FROZENSET = ord("z")
    DICT = ord("d")
    FLOATS = ord("p")
    INTEGERS = ord("q")
    DECIMAL = ord("D")
    UUID = ord("u")
    DATE = ord("y")
    TIME = ord("h")
    DATETIME = ord("m")
    TIMEDELTA = ord("w")
    ARRAY = ord("a")
    SCALAR = ord("x")
    NUMPY_STRING = ord("S")
    NUMPY_BYTES = ord("Y")


class Form(enum.IntEnum):
    """The first byte of a dtype."""

    SIMPLE = 0
    STRUCTURED = 1
    SUBARRAY = 2


class Zone(enum.IntEnum):
    """What a time is told in."""

    NAIVE = 0
    OFFSET = 1
    NAMED_OFFSET = 2
    ZONE = 3


FORTRAN = 1
RECARRAY = 2
"""Flags of an array."""

ALIGNED = 1
RECORD = 2
TITLED = 4
"""Flags of a structured dtype."""
