"""The memory that reading may still take: arrays whose size is stored are counted here before they are made.

What a blob can become is bounded by its stored size: docs/blob-format.md has the sum, decision 005 the reasons.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from djarrow.codec.layout import MOST_WITHOUT_BYTES
from djarrow.errors import InvalidBlob

Array = np.ndarray[Any, Any]

RATIO = 4096
"""How many times its stored size a blob may take in memory, and `SLACK` or `DATAJOINT_SLACK` bytes more."""

SLACK = 60 * 2**20
DATAJOINT_SLACK = 48 * 2**20
"""64 MiB less what is not counted: tables of time zones, and what NumPy, Arrow and zlib hold in passing."""

_OBJECTS = 115
"""What a byte of the structure can become as Python's objects, an element's place in its container, and itself."""


class Room:
    """So many bytes."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, size: int) -> None:
        """So many bytes fewer. Raises InvalidBlob where they are not left."""
        self.left -= size
        if self.left < 0:
            raise InvalidBlob(f"its values take more than {RATIO:,} times their stored size, which is refused")

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Room for an array of zeros. Raises InvalidBlob where it is not left."""
        count = math.prod(shape)
        if dtype.itemsize == 0 and count > MOST_WITHOUT_BYTES:
            raise InvalidBlob(f"an array of {count} elements has no bytes")
        self.take(count * dtype.itemsize)
        # np.zeros makes S1 of S0
        return np.zeros(shape, dtype) if count * dtype.itemsize else np.ndarray(shape, dtype)

    def copy(self, raw: bytes | memoryview) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The same bytes in memory that can be written."""
        self.take(len(raw))
        return np.frombuffer(raw, np.uint8).copy()


def room(stored: int, structure: int) -> Room:
    """What a blob of djarrow of this size leaves for arrays beside the objects of a structure of this raw length."""
    return Room(RATIO * stored + SLACK - _OBJECTS * structure)


def least_stored(taken: int, structure: int) -> int:
    """The smallest blob that leaves so much room: what a writer must not stay below."""
    return -(-(taken + _OBJECTS * structure - SLACK) // RATIO)
