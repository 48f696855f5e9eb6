"""The content hash of a table: the same for the same rows, in whatever order and files they come.

docs/decisions/023-content-hashes.md says what is hashed, and why so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from djarrow.model.heading import Attribute, Heading
from djarrow.model.types import Family

Hashes = npt.NDArray[np.uint64]
"""A 64-bit hash of each row; sums and products are modulo 2^64."""


class RowHash:
    """Hashes rows over some attributes, by their names in the batches, which are best of ROWS rows at most."""

    def __init__(self, attributes: Iterable[Attribute]) -> None:
        self._columns = [(attribute.name, _Column(attribute)) for attribute in attributes]

    def sums(self, batch: pa.RecordBatch) -> Hashes:
        """The sum of the hashes of each row's values. Those over other attributes can be added."""
        found = np.zeros(batch.num_rows, np.uint64)
        for name, column in self._columns if batch.num_rows else ():
            found += column.hashes(batch.column(name))
        return found

    def __call__(self, batch: pa.RecordBatch) -> Hashes:
        """The hash of each row of a batch."""
        return mixed(self.sums(batch))


def mixed(sums: Hashes) -> Hashes:
    """The hashes of rows, of the sums over all of their attributes."""
    found = sums.copy()
    _mix(found)
    return found


def joined(hashes: Sequence[Hashes]) -> Hashes:
    """The hashes of several pieces, one after the other."""
    return np.concatenate([np.zeros(0, np.uint64), *hashes])


class ContentHash:
    """The hash of the rows that were added so far. heading: of the table; batches have its Arrow schema."""

    def __init__(self, heading: Heading) -> None:
        self._hash = RowHash(heading)
        self._first = self._second = 0

    def begin(self) -> None:
        """Forget all rows: what is added next is the content of something else."""
        self._first = self._second = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        for piece in pieces(batch):
            self.add_hashes(self._hash(piece))

    def add_hashes(self, rows: Hashes) -> None:
        """Add rows by their hashes over all attributes."""
        self._first = (self._first + int(rows.sum())) % 2**64
        second = rows ^ _SECOND
        _mix(second)
        self._second = (self._second + int(second.sum())) % 2**64

    def hexdigest(self) -> str:
        """The hash, of 32 hexadecimal digits. That of a table without rows is all zeros."""
        return f"{self._first:016x}{self._second:016x}"


def combined(digests: Iterable[str]) -> str:
    """The hash of all rows together of which some have this hash each, others that one."""
    halves = [(int(digest[:16], 16), int(digest[16:], 16)) for digest in digests]
    first, second = (sum(half) % 2**64 for half in zip((0, 0), *halves, strict=True))
    return f"{first:016x}{second:016x}"


ROWS = 16_384
"""How many are hashed at once: columns of so many stay in the processor's cache."""


def pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of ROWS rows at most."""
    return (batch.slice(start, ROWS) for start in range(0, batch.num_rows, ROWS))


_SECOND = np.uint64(0x9E3779B97F4A7C15)


class _Column:
    """How the values of an attribute are hashed."""

    def __init__(self, attribute: Attribute) -> None:
        seed = hashlib.sha256(f"{attribute.name}\0{attribute.type}".encode()).digest()
        self._seed, self._other, self._null = np.frombuffer(seed[:24], "<u8")
        self._family = attribute.type.family

    def hashes(self, array: pa.Array) -> Hashes:
        """The hash of each value."""
        plain = array.storage if isinstance(array.type, pa.BaseExtensionType) else array
        found = self._of_dictionary(plain) if pa.types.is_dictionary(plain.type) else self._of_values(plain)
        if plain.null_count:
            found[plain.is_null().to_numpy(zero_copy_only=False)] = self._null
        return found

    def _of_values(self, array: pa.Array) -> Hashes:
        halves = list(_bits(array, self._family))
        found = self._mixed(halves[0], self._seed)
        for half in halves[1:]:
            found += self._mixed(half, self._other)
        return found

    def _of_dictionary(self, array: pa.DictionaryArray) -> Hashes:
        """Each value of an enum is hashed once."""
        known = self._of_values(array.dictionary)
        places = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        return known[places] if len(known) else np.zeros(len(array), np.uint64)

    @staticmethod
    def _mixed(bits: Hashes, seed: np.uint64) -> Hashes:
        found = bits ^ seed
        _mix(found)
        return found


def _mix(hashes: Hashes) -> None:
    """Have every bit depend on every other, in place: the finaliser of SplitMix64, of which no two inputs are one."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)


# --- values ------------------------------------------------------------------------------------------------------


def _bits(array: pa.Array, family: Family) -> Iterator[Hashes]:
    """The bits of each value, in one or two parts; of those that are NULL anything."""
    match family:
        case Family.FLOAT:
            yield _floats(array)
        case Family.BOOLEAN:
            yield array.fill_null(False).to_numpy(zero_copy_only=False).astype(np.uint64)
        case Family.STRING | Family.ENUM | Family.JSON | Family.BLOB:
            yield _texts(array)
        case Family.DECIMAL | Family.UUID:
            pairs = np.frombuffer(array.buffers()[1], "<u8", 2 * len(array), 16 * array.offset)
            yield pairs[0::2]
            yield pairs[1::2]
        case _:
            yield _integers(array)


def _integers(array: pa.Array) -> Hashes:
    width = array.type.bit_width // 8
    signed = "u" if pa.types.is_unsigned_integer(array.type) else "i"
    values = np.frombuffer(array.buffers()[1], f"<{signed}{width}", len(array), width * array.offset)
    return values.astype(np.int64 if signed == "i" else np.uint64).view(np.uint64)


def _floats(array: pa.Array) -> Hashes:
    width = array.type.bit_width // 8
    values = np.frombuffer(array.buffers()[1], f"<f{width}", len(array), width * array.offset).astype(np.float64)
    values[np.isnan(values)] = np.nan
    return values.view(np.uint64)


# --- text and bytes ----------------------------------------------------------------------------------------------

LONG = 256
"""Bytes of a value from which on it is hashed by itself: a shorter one with all others, eight bytes at a time."""

_MASKS = np.array([(1 << 8 * kept) - 1 for kept in range(9)], np.uint64)
"""Of a word of eight bytes, the first so many."""


def _texts(array: pa.Array) -> Hashes:
    """Of short values the words, mixed one after the other into their number of bytes; of long ones BLAKE2b."""
    data, starts, lengths = _bytes(array)
    found = lengths.view(np.uint64).copy()
    words: Hashes = np.ndarray(len(data) - 7, "<u8", data, strides=(1,))  # that begin at each byte
    rows, done = np.flatnonzero((lengths > 0) & (lengths <= LONG)), 0
    while len(rows):
        left = lengths[rows] - done
        mixed = found[rows] ^ (words[starts[rows] + done] & _MASKS[np.minimum(left, 8)])
        _mix(mixed)
        found[rows] = mixed
        rows, done = rows[left > 8], done + 8
    for row in np.flatnonzero(lengths > LONG):
        start = int(starts[row])
        digest = hashlib.blake2b(data[start : start + int(lengths[row])].tobytes(), digest_size=8).digest()
        found[row] = int.from_bytes(digest, "little")
    return found


def _bytes(array: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The bytes of all values and eight more, where each value begins in them, and how long it is."""
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    width, (_, places, held) = (8 if wide else 4), array.buffers()
    offsets = np.frombuffer(places, f"<i{width}", len(array) + 1, width * array.offset).astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + 8, np.uint8)
    if last > first:
        data[: last - first] = np.frombuffer(held, np.uint8, last - first, first)
    return data, offsets[:-1] - first, np.diff(offsets)
