"""Runs of bytes as they stand in a blob: plain, or compressed with zstd within a bound on how much they grow.

zstd can make 30,000 bytes of one, so its own ratio is no bound. A section states both of its lengths and is refused
before anything is allocated where they are too far apart; the writer fills up what compresses better than that, with
one of zstd's skippable frames. Decision 005.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import numpy as np

from djarrow.codec.cursor import Cursor
from djarrow.errors import InvalidBlob

if TYPE_CHECKING:
    import pyarrow as pa

RawBytes = bytes | bytearray | memoryview


class Coding(enum.IntEnum):
    """How a section is stored."""

    PLAIN = 0
    ZSTD = 1


_SHORTEST = 1024  # zstd takes 20 microseconds for its tables, four times what an array of this size takes otherwise
_WORTHWHILE = 0.95
_LEVEL = 1  # 12 ms for 10 MB of noise, where 3 takes 37 and gains nothing on floats


def _codec() -> pa.Codec:
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=_LEVEL)


def varint(number: int) -> bytes:
    """An unsigned number, seven bits a byte, the lowest first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def section(raw: RawBytes, ratio: int, slack: int = 0, least: int = 0) -> list[RawBytes]:
    """The parts of a section: compressed where that helps. Its raw length stays within `limit`.

    least: a number of bytes that its stored size must not stay below.
    """
    size = len(raw)
    if size >= _SHORTEST or least > size:
        least = max(least, 0 if size <= slack else -(-size // ratio))
        stored = _padded(_codec().compress(raw, asbytes=True), least)
        if len(stored) < size * _WORTHWHILE or least > size:
            return [bytes([Coding.ZSTD]) + varint(size) + varint(len(stored)), stored]
    return [bytes([Coding.PLAIN]) + varint(size), raw]


def limit(stored: int, ratio: int, slack: int) -> int:
    """How many bytes a compressed section of this stored size may have when decompressed."""
    return max(slack, stored * ratio)


def _padded(stored: bytes, least: int) -> bytes:
    missing = least - len(stored)
    if missing <= 0:
        return stored
    filling = max(0, missing - 8)
    return stored + b"\x50\x2a\x4d\x18" + filling.to_bytes(4, "little") + bytes(filling)


def read_section(cursor: Cursor, ratio: int, slack: int = 0) -> bytes:
    """The raw bytes of the next section. Raises InvalidBlob."""
    coding, size, stored = _header(cursor, ratio, slack)
    if coding is Coding.PLAIN:
        return bytes(stored)
    return bytes(_decompress(stored, size, asbytes=True))


def read_buffer(cursor: Cursor, size: int, ratio: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The raw bytes of the next section, which must be so many, as an array of its own that can be written."""
    coding, found, stored = _header(cursor, ratio, slack=0)
    if found != size:
        raise InvalidBlob(f"a value takes {size} bytes and its section holds {found}")
    if coding is Coding.PLAIN:
        return np.frombuffer(stored, np.uint8).copy()
    return np.frombuffer(_decompress(stored, size, asbytes=False), np.uint8)


def _header(cursor: Cursor, ratio: int, slack: int) -> tuple[Coding, int, bytes | memoryview]:
    coding = cursor.byte()
    if coding not in (Coding.PLAIN, Coding.ZSTD):
        raise InvalidBlob(f"a section is stored in an unknown way ({coding})")
    size = cursor.varint()
    if coding == Coding.PLAIN:
        return Coding.PLAIN, size, cursor.take(size)
    stored = cursor.take(cursor.varint())
    if size > limit(len(stored), ratio, slack):
        raise InvalidBlob(f"a section of {len(stored)} bytes claims to hold {size}, which no writer makes")
    return Coding.ZSTD, size, stored


def _decompress(stored: bytes | memoryview, size: int, *, asbytes: bool) -> Any:
    try:
        return _codec().decompress(stored, decompressed_size=size, asbytes=asbytes)
    except (OSError, ValueError) as error:  # what Arrow makes of zstd's errors, a wrong size among them
        raise InvalidBlob(f"a section cannot be decompressed: {error}") from error
