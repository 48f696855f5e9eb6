"""The facts of DataJoint's format that reading and writing share: headers, structure codes, dtypes."""

from __future__ import annotations

import enum
import struct

import numpy as np

MYM = b"mYm\0"
DJ0 = b"dj0\0"
COMPRESSED = b"ZL123\0"

U16 = struct.Struct("<H")
U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
DATETIME = struct.Struct("<iq")
"""The day as the number 20241028 and the time as 130501000042 (13:05:01.000042); -1 for what is missing."""


class Code(enum.IntEnum):
    """The first byte of each value."""

    ARRAY = ord("A")
    SPARSE = ord("P")
    STRUCT = ord("S")
    CELL = ord("C")
    NONE = 0xFF
    TUPLE = 0x01
    LIST = 0x02
    SET = 0x03
    DICT = 0x04
    STRING = 0x05
    BYTES = 0x06
    INTEGER = 0x0A
    BOOLEAN = 0x0B
    COMPLEX = 0x0C
    FLOAT = 0x0D
    RECARRAY = ord("F")
    DECIMAL = ord("d")
    DATETIME = ord("t")
    UUID = ord("u")


CHARACTER = 4
OBJECT = 5

_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")

DTYPES: dict[int, np.dtype[np.generic]] = {
    3: np.dtype("bool"),
    6: np.dtype("<f8"),
    7: np.dtype("<f4"),
    8: np.dtype("i1"),
    9: np.dtype("u1"),
    10: np.dtype("<i2"),
    11: np.dtype("<u2"),
    12: np.dtype("<i4"),
    13: np.dtype("<u4"),
    14: np.dtype("<i8"),
    15: np.dtype("<u8"),
    **{0x10000 + place: np.dtype(f"<M8[{unit}]") for place, unit in enumerate(_UNITS)},
}
"""The code of an array's elements -> their dtype. Characters and objects are read otherwise."""
