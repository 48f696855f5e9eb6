"""Parquet files of a few hundred bytes that are gigabytes when they are read, written byte by byte.

No writer makes such files: values that stand once and count millions of times, by runs, deltas and prefixes of nothing,
pages that many row groups share, and footers and pages that say other sizes than there are.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import pyarrow as pa
from attrs import frozen


class Codec(IntEnum):
    """How pages are compressed."""

    NONE = 0
    ZSTD = 6


class Encoding(IntEnum):
    """How values are written in a page."""

    PLAIN = 0
    RLE = 3
    DELTA_BINARY_PACKED = 5
    DELTA_BYTE_ARRAY = 7
    RLE_DICTIONARY = 8


# --- Thrift's compact protocol -----------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """A number of variable length."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def zigzag(value: int) -> bytes:
    """A number with a sign."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


@frozen
class Struct:
    """Number of a member -> an int (of 32 bits, or 64 in Long), bool, text, list or another struct."""

    members: dict[int, Any]

    def __bytes__(self) -> bytes:
        found, last = b"", 0
        for number, value in self.members.items():
            kind, content = _typed(value)
            found += bytes([(number - last) << 4 | kind]) + content
            last = number
        return found + b"\0"


class Long(int):
    """A number of 64 bits."""


def _typed(value: Any) -> tuple[int, bytes]:
    match value:
        case bool():
            return (1 if value else 2), b""
        case Long():
            return 6, zigzag(value)
        case int():
            return 5, zigzag(value)
        case str():
            return 8, varint(len(value.encode())) + value.encode()
        case Struct():
            return 12, bytes(value)
        case list():
            kinds, contents = zip(*map(_typed, value), strict=True)
            head = bytes([len(value) << 4 | kinds[0]]) if len(value) < 15 else bytes([0xF0 | kinds[0]])
            return 9, head + (b"" if len(value) < 15 else varint(len(value))) + b"".join(contents)
    raise TypeError(value)


# --- pages -------------------------------------------------------------------------------------------------------


@frozen
class Page:
    """A page. content: its bytes, before they are compressed; count: of its values; size: that its header says."""

    content: bytes
    count: int
    encoding: Encoding
    dictionary: bool = False
    second: bool = False
    size: int | None = None

    def written(self, codec: Codec) -> bytes:
        """The page with its header."""
        body = self.content
        if codec is Codec.ZSTD:
            body = pa.compress(body, "zstd", asbytes=True)
        size = len(self.content) if self.size is None else self.size
        if self.dictionary:
            kind, head = 2, {7: Struct({1: self.count, 2: Encoding.PLAIN})}
        elif self.second:
            members = {1: self.count, 2: 0, 3: self.count, 4: self.encoding, 5: 0, 6: 0, 7: codec is not Codec.NONE}
            kind, head = 3, {8: Struct(members)}
        else:
            kind, head = 0, {5: Struct({1: self.count, 2: self.encoding, 3: Encoding.RLE, 4: Encoding.RLE})}
        return bytes(Struct({1: kind, 2: size, 3: len(body), **head})) + body


def dictionary(*values: bytes) -> Page:
    """The page of the values of a dictionary."""
    return Page(b"".join(struct.pack("<I", len(v)) + v for v in values), len(values), Encoding.PLAIN, dictionary=True)


def run(count: int, length: int | None = None, width: int = 1) -> Page:
    """The first value of a dictionary so many times, by one run. length: that the run says; width: bits of an index."""
    index = b"\0" * ((width + 7) // 8)
    return Page(bytes([width]) + varint((length or count) << 1) + index, count, Encoding.RLE_DICTIONARY)


def counted(count: int, step: int = 1) -> Page:
    """0, 1, 2 and so on, by steps of one size."""
    return Page(deltas(count, 0, step), count, Encoding.DELTA_BINARY_PACKED)


def deltas(count: int, first: int, step: int) -> bytes:
    """Numbers by steps of one size: one block of as many as there are, in one miniblock of no bits."""
    block = -(-count // 128) * 128
    return varint(block) + varint(1) + varint(count) + zigzag(first) + zigzag(step) + b"\0"


def prefixed(value: bytes, count: int) -> Page:
    """A value, and then the same so many times as one that begins with all of it."""
    prefixes = deltas(count, 0, 0) if count == 1 else _first_then(count, 0, len(value))
    suffixes = _first_then(count, len(value), 0)
    return Page(prefixes + suffixes + value, count, Encoding.DELTA_BYTE_ARRAY)


def _first_then(count: int, first: int, then: int) -> bytes:
    """One number, and then another one: the first step in a block of 128, of whose miniblocks one has bits."""
    step = then - first
    width = abs(step).bit_length()
    least = min(step, 0)
    head = varint(128) + varint(1) + varint(count) + zigzag(first)
    packed = (step - least) | sum((0 - least) << width * place for place in range(1, 128))
    block = zigzag(least) + bytes([width]) + packed.to_bytes(width * 16, "little")
    rest = b"".join(zigzag(0) + b"\0" for _ in range(max(0, -(-(count - 1) // 128) - 1)))
    return head + block + rest


# --- files -------------------------------------------------------------------------------------------------------


@frozen
class Column:
    """A column of a file, never NULL. text: or a number of 32 bits. pages: of each row group; claimed: bytes that the
    footer says that they have, with and without compression.
    """

    name: str
    text: bool
    pages: tuple[Page, ...]
    codec: Codec = Codec.NONE
    count: int | None = None
    claimed: tuple[int, int] | None = None

    @property
    def element(self) -> Struct:
        """It in the schema."""
        if self.text:
            return Struct({1: 6, 3: 0, 4: self.name, 6: 0, 10: Struct({1: Struct({})})})
        return Struct({1: 1, 3: 0, 4: self.name})


def file_of(columns: Sequence[Column], rows: int, groups: int = 1) -> bytes:
    """A file. rows: that the footer says of each row group; groups: how many of these have the pages for theirs."""
    content = b"PAR1"
    chunks = []
    for column in columns:
        start, written = len(content), [page.written(column.codec) for page in column.pages]
        content += b"".join(written)
        first = start + (len(written[0]) if column.pages[0].dictionary else 0)
        length = len(content) - start
        plain, compressed = column.claimed or (sum(len(page.content) for page in column.pages) + length, length)
        members = {
            1: 6 if column.text else 1,
            2: sorted({int(page.encoding) for page in column.pages}),
            3: [column.name],
            4: int(column.codec),
            5: Long(rows if column.count is None else column.count),
            6: Long(plain),
            7: Long(compressed),
            9: Long(first),
        }
        if first != start:
            members[11] = Long(start)
        chunks.append(Struct({2: Long(0), 3: Struct(members)}))
    group = Struct({1: chunks, 2: Long(len(content)), 3: Long(rows)})
    schema = [Struct({4: "schema", 5: len(columns)}), *(column.element for column in columns)]
    footer = bytes(Struct({1: 2, 2: schema, 3: Long(rows * groups), 4: [group] * groups}))
    return content + footer + struct.pack("<I", len(footer)) + b"PAR1"
