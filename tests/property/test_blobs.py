"""Random values come back from a blob as they were; random, changed and cut bytes are refused within the bound."""

from __future__ import annotations

import datetime
import math
import os
import resource
import sys
import tracemalloc
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from djarrow.codec.blob import HEADERS, pack, unpack
from djarrow.codec.datajoint.codes import Code
from djarrow.codec.layout import BUFFER_RATIO, MAGIC, STRUCTURE_RATIO, STRUCTURE_SLACK, Tag
from djarrow.codec.sections import section, varint
from djarrow.errors import InvalidBlob, UnstorableValue

from .counts import examples
from .sameness import relative, same

ORDERS = ("<", ">")
UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
FIXED = st.one_of(
    hnp.boolean_dtypes(),
    *(kinds(endianness=order) for kinds in (hnp.integer_dtypes, hnp.unsigned_integer_dtypes) for order in ORDERS),
    *(kinds(endianness=order) for kinds in (hnp.floating_dtypes, hnp.complex_number_dtypes) for order in ORDERS),
    *(kinds(endianness=order) for kinds in (hnp.datetime64_dtypes, hnp.timedelta64_dtypes) for order in ORDERS),
    st.builds(lambda unit, step: np.dtype(f"M8[{step}{unit}]"), st.sampled_from(UNITS), st.integers(2, 30)),
    st.integers(1, 9).map(lambda size: np.dtype(f"S{size}")),
    st.integers(1, 9).map(lambda size: np.dtype(f"<U{size}")),
    st.integers(1, 9).map(lambda size: np.dtype(f">U{size}")),
)
DTYPES = FIXED | hnp.array_dtypes(FIXED, allow_subarrays=True) | hnp.nested_dtypes(FIXED, max_leaves=5)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    """An array of any fixed dtype with any bytes that it may hold, in the order of C, of Fortran, or of neither."""
    array = draw(hnp.arrays(draw(DTYPES), draw(SHAPES)))
    match draw(st.sampled_from(["C", "F", "backwards"])):
        case "C":
            return array
        case "F":
            return np.asarray(array, order="F")
    return array[..., ::-1] if array.ndim else array


def objects(items: list[Any]) -> np.ndarray[Any, Any]:
    """An array of these objects."""
    return np.fromiter(items, dtype=object, count=len(items))


TEXT = st.text(st.characters(), max_size=5)
ZONES = (
    st.none()
    | st.timezones()
    | st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23)).map(datetime.timezone)
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**200), 2**200), st.floats(), st.complex_numbers(), TEXT,
    st.binary(max_size=9), st.decimals(), st.uuids(), st.dates(), st.times(timezones=ZONES),
    st.datetimes(timezones=ZONES), st.timedeltas(), st.sampled_from([b"mYm\0", b"dj0\0A", b"ZL123\0", MAGIC]),
    st.binary(max_size=9).map(np.bytes_), TEXT.map(np.str_),
)  # fmt: skip
KEYS = st.recursive(
    SCALARS.filter(lambda value: repr(value) not in ("nan", "Decimal('sNaN')", "Decimal('-sNaN')")),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=3,
)
VALUES = st.recursive(
    SCALARS
    | arrays()
    | hnp.arrays(FIXED, ()).map(lambda array: array[()])
    | st.binary(max_size=9).map(bytearray)
    | st.lists(st.floats(), min_size=8, max_size=20)
    | st.lists(st.integers(-(2**63), 2**63), min_size=8, max_size=20).map(tuple),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
        st.lists(inner, max_size=4).map(objects),
        st.lists(inner, min_size=2, max_size=2).map(lambda items: objects(items).reshape(2, 1)),
    ),
    max_leaves=8,
)


@given(VALUES)
@settings(max_examples=examples(160), deadline=None)
def test_values_come_back(value: Any) -> None:
    """Any value comes back from a blob equal, with its types, dtypes and shapes, and the same blob again."""
    stored = pack(value)
    found = unpack(stored)
    assert same(found, bytes(value) if type(value) is bytearray else value)
    assert pack(found) == stored


@given(arrays())
@settings(max_examples=examples(120), deadline=None)
def test_arrays_come_back(array: np.ndarray[Any, Any]) -> None:
    """An array of any dtype and layout comes back with its elements, as memory that can be written."""
    found = unpack(pack(array))
    assert same(found, array)
    assert found.flags.writeable
    if array.flags.c_contiguous or array.flags.f_contiguous:
        assert found.flags.f_contiguous == array.flags.f_contiguous


@given(VALUES)
@settings(max_examples=examples(120), deadline=None)
def test_the_other_format(value: Any) -> None:
    """DataJoint's format gives a value back, with its types but for the documented relatives, or refuses it."""
    try:
        stored = pack(value, "dj0")
    except UnstorableValue as error:
        refusal = str(error)
        event("refused")
    else:
        found = unpack(stored)
        assert same(found, bytes(value) if type(value) is bytearray else relative(value))
        assert pack(found, "dj0") == stored
        return
    assert "DataJoint" in refusal or "surrogate" in refusal


# --- bytes of any origin -------------------------------------------------------------------------------------------


MARGIN = 4 * 2**30


@contextmanager
def no_more_than_the_machine_has() -> Iterator[None]:
    """Lets memory be refused, rather than the machine be filled, where the bound does not hold."""
    if sys.platform != "linux":
        yield
        return
    usual = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MARGIN, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, usual)


@contextmanager
def within_the_bound(stored: bytes, slack: int = 64 * 2**20) -> Iterator[None]:
    """Fails where more memory is made than the bound states: by Python and NumPy, or by Arrow."""
    pool, usual = pa.proxy_memory_pool(pa.default_memory_pool()), pa.default_memory_pool()
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        with no_more_than_the_machine_has():
            yield
        made = tracemalloc.get_traced_memory()[1] + pool.max_memory()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(usual)
    assert made <= 4096 * len(stored) + slack


def survives(stored: bytes) -> bool:
    """Whether bytes are read as something; else they are refused, with nothing but InvalidBlob."""
    refusal = ""
    with within_the_bound(stored):
        try:
            unpack(stored)
        except InvalidBlob as error:
            refusal = str(error)
    assert not refusal or refusal.startswith("The stored bytes are no valid blob: ")
    return not refusal


def plain(structure: bytes) -> bytes:
    """A blob of djarrow with this structure and no sections besides."""
    return MAGIC + b"\1" + b"".join(section(structure, STRUCTURE_RATIO, STRUCTURE_SLACK))


def deflated(raw: bytes) -> bytes:
    """A compressed blob of DataJoint."""
    return b"ZL123\0" + len(raw).to_bytes(8, "little") + zlib.compress(raw)


LIKELY = st.one_of(
    st.sampled_from([bytes([tag]) for tag in Tag]),
    st.sampled_from([bytes([code]) for code in Code]),
    st.sampled_from([b"\0", b"\1", b"\2", b"\4|b1", b"\3<f8", b"\3|O", b"\3|S0", b"\x04<U99", b"\xff\xff\xff\xff\x7f"]),
    st.integers(0, 2**63).map(varint),
    st.integers(0, 40).map(lambda number: number.to_bytes(8, "little")),
    st.binary(max_size=4),
)
RUNS = st.lists(LIKELY, max_size=30).map(b"".join)


@given(st.sampled_from([*HEADERS, MAGIC + b"\1", MAGIC + b"\1\0"]), st.binary(max_size=60) | RUNS)
@settings(max_examples=examples(200), deadline=None)
def test_random_bytes(header: bytes, rest: bytes) -> None:
    """Random bytes after a known header are read or refused, within the bound."""
    survives(header + rest)


@given(RUNS, st.sampled_from([plain, lambda run: b"dj0\0" + run, lambda run: deflated(b"dj0\0" + run)]))
@settings(max_examples=examples(280), deadline=None)
def test_random_structures(run: bytes, wrapped: Any) -> None:
    """Runs of what blobs are made of, in any order, are read or refused, within the bound."""
    survives(wrapped(run))


@given(VALUES, st.data(), st.sampled_from(["djarrow", "dj0"]))
@settings(max_examples=examples(200), deadline=None)
def test_changed_bytes(value: Any, data: st.DataObject, encoding: str) -> None:
    """A blob with changed bits is read as something else or refused, within the bound."""
    try:
        stored = bytearray(pack([value], encoding))
    except UnstorableValue:
        stored = bytearray(pack([value]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(len(MAGIC), len(stored) - 1))
        stored[place] ^= 1 << data.draw(st.integers(0, 7))
    survives(bytes(stored))


@given(VALUES, st.data(), st.sampled_from(["djarrow", "dj0"]))
@settings(max_examples=examples(80), deadline=None)
def test_cut_bytes(value: Any, data: st.DataObject, encoding: str) -> None:
    """A blob that was cut off is refused, and one with bytes left over, which zlib alone allows."""
    try:
        stored = pack([value], encoding)
    except UnstorableValue:
        stored = pack([value])
    assert not survives(stored[: data.draw(st.integers(len(b"ZL123\0"), len(stored) - 1))])
    assert survives(stored + data.draw(st.binary(min_size=1, max_size=3))) == stored.startswith(b"ZL123\0")


# --- what a hostile writer would try -------------------------------------------------------------------------------

COUNT = 10**9
ZSTD_BOMB = pa.Codec("zstd").compress(bytes(2**24), asbytes=True)
U64 = COUNT.to_bytes(8, "little")
ONE = (1).to_bytes(8, "little")
GAPS = (
    b"a\0" + b"\1\0\x20\1\1a\0\2\1\0\0\2|O"
)  # an array of records of 32 bytes: a field of no objects, and nothing else

HOSTILE = {
    "a list of a billion": plain(b"l" + varint(COUNT)),
    "a dict of a billion": plain(b"d" + varint(COUNT) + b"NN"),
    "numbers of a billion": plain(b"pl" + varint(COUNT)),
    "objects of a billion": plain(b"a\0\0\2|O\1" + varint(COUNT)),
    "an array of 8 GB": plain(b"a\0\0\3<f8\1" + varint(COUNT)),
    "an array without bytes": plain(b"a\0\0\3|S0\1" + varint(COUNT)),
    "an array of 2**189 elements": plain(b"a\0\0\3<f8\3" + varint(2**62) * 3),
    "no elements of 2**126": plain(b"a\0\0\3<f8\3\0" + varint(2**62) * 2),
    "a dtype of 2 GB with one object": plain(b"a\0\1\0" + varint(2**31 - 8) + b"\1\1a\0\0\2|O\0N"),
    "a subarray of a billion objects": plain(b"a\0\1\0\x08\1\1a\0\2\1" + varint(COUNT) + b"\0\2|O\0N"),
    "gaps of 4 GB between objects of which there are none": plain(GAPS + b"\1" + varint(2**27)),
    "gaps of 8 GB between objects of which there are none": plain(GAPS + b"\1" + varint(2**28)),
    "gaps of 32 TB between objects of which there are none": plain(GAPS + b"\1" + varint(2**40)),
    "gaps of 1 GB in a scalar": plain(b"x\2\1" + varint(2**25) + GAPS[2:]),
    "gaps of 1 GB in a field": plain(b"a\0\1\0" + varint(2**30) + b"\1\1b\0\2\1" + varint(2**25) + GAPS[2:] + b"\1\1"),
    "gaps of 320 MB between fields without bytes": plain(
        b"a\0\1\0"
        + varint(16_000)
        + b"\xe9\7\1o\0\0\2|O"
        + b"".join(b"\3%03d\0\0\3|S0" % number for number in range(1000))
        + b"\1"
        + varint(20_000)
        + b"N" * 20_000
    ),
    "a billion records without bytes": plain(b"a\0\1\0\0\1\1a\0\2\1\0\0\2|O\1" + varint(COUNT)),
    "many gaps of 16 MB": plain(b"l\x08" + (GAPS + b"\1" + varint(2**19)) * 8),
    "a string element of 4 GB": plain(b"a\0\0\x0b<U999999999\1\1"),
    "64 dimensions and more": plain(b"a\0\0\3|u1\xff" + b"\1" * 255),
    "an integer of a billion bytes": plain(b"i" + varint(COUNT) + b"\1"),
    "a number without end": plain(b"l" + b"\xff" * 20),
    "a dtype by name": plain(b"a\0\0\x0bf8,f8,float\1\0"),
    "a structured scalar of objects": plain(b"x\0\2|ON"),
    "lists in lists": plain(b"l\1" * 100_000 + b"N"),
    "dtypes in dtypes": plain(b"a\0" + b"\1\0\x08\1\1a\0" * 50_000),
    "a section that claims 1 GB": MAGIC + b"\1\1" + varint(2**30) + varint(len(ZSTD_BOMB)) + ZSTD_BOMB,
    "a section that says what it holds": MAGIC + b"\1\1" + varint(2**24) + varint(len(ZSTD_BOMB)) + ZSTD_BOMB,
    "a section that says too little": MAGIC + b"\1\1" + varint(100) + varint(len(ZSTD_BOMB)) + ZSTD_BOMB,
    "a file as time zone": plain(b"h" + bytes(8) + b"\3\x12../../../etc/passwd"),
    "a decimal that is a word": plain(b"D\4spam"),
    "a character that is none": plain(b"a\0\0\3<U1\1\1\xff\xff\xff\xff"),
    "a truth value of 2": plain(b"a\0\0\3|b1\1\1\2"),
    "dj0: a tuple of a billion": b"dj0\0\1" + U64,
    "dj0: a list of a billion None": b"dj0\0\2" + U64 + bytes(8) + b"\xff",
    "dj0: a cell of a billion": b"dj0\0C" + ONE + U64,
    "dj0: a struct of a billion without fields": b"dj0\0S" + ONE + U64 + b"\1\0\0\0a\0",
    "dj0: an array of a billion objects": b"dj0\0A" + ONE + U64 + b"\5\0\0\0\0\0\0\0",
    "dj0: an array of 8 GB": b"mYm\0A" + ONE + U64 + b"\6\0\0\0\0\0\0\0",
    "dj0: a billion characters": b"mYm\0A" + ONE + U64 + b"\4\0\0\0\0\0\0\0",
    "dj0: a billion dimensions": b"mYm\0A" + U64,
    "dj0: a billion fields": b"dj0\0F\xff\xff\xff\x3f",
    "dj0: lists in lists": b"dj0\0" + (b"\2" + ONE + U64) * 100_000,
    "dj0: zlib in zlib": deflated(deflated(b"dj0\0\xff")),
    "dj0: zlib that claims a billion": b"ZL123\0" + U64 + zlib.compress(bytes(10**6)),
    "dj0: zlib that claims 1 GB per byte": b"ZL123\0" + b"\xff" * 8 + zlib.compress(bytes(1000)),
    "dj0: a billion compressed None": deflated(b"dj0\0\2" + U64 + (ONE + b"\xff") * 10**6),
    "dj0: a million compressed sets of sets": deflated(
        b"dj0\0\2" + (10**6).to_bytes(8, "little") + ((26).to_bytes(8, "little") + b"\3" + ONE + b"\0" * 17) * 10**5
    ),
}


@pytest.mark.parametrize("stored", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bytes(stored: bytes) -> None:
    """Bytes made to cost memory or time are refused, within the bound."""
    assert not survives(stored)


SIZES = st.sampled_from([0, 1, 2, 7, 31, 32, 65_536, 65_537, 2**20, 2**25, 2**27, 2**28, 2**31 - 9, 2**40, 2**62])
FEW = st.sampled_from([0, 0, 1, 1, 2, 3])
DIMENSIONS = st.tuples(st.lists(FEW, max_size=2), st.lists(SIZES, max_size=1)).map(lambda dims: dims[0] + dims[1])
GAPS_BETWEEN = st.sampled_from([0, 1, 8, 16, 24, 32, 4096, 2**20, 2**30, 2**40])
SIMPLE = {
    b"|O": 8, b"|S0": 0, b"<U0": 0, b"|V0": 0, b"|V1": 1, b"|S65537": 65_537, b"|V2147483647": 2**31 - 1, b"<U9": 36,
    b">U1": 4, b"|b1": 1, b"<m8[ns]": 8, b"<M8": 8, b">f8": 8,
}  # fmt: skip


HOLLOW = [(b"\2\1\0\0\2|O", 0), (b"\2\2\0\2\0\2|O", 0), (b"\0\2|O", 8), (b"\0\3|S0", 0)]
"""Dtypes of which nothing, or far less than they take, is stored."""


def shape(dimensions: list[int]) -> bytes:
    """A shape as it is stored."""
    return bytes([len(dimensions)]) + b"".join(map(varint, dimensions))


@st.composite
def structured(draw: st.DrawFn, inner: st.SearchStrategy[tuple[bytes, int]]) -> tuple[bytes, int]:
    """A dtype with fields, which follow each other or lie over each other, and with a gap; and its size."""
    fields, end, size = b"", 0, 0
    kinds = draw(st.lists(inner, max_size=3) | st.lists(st.sampled_from(HOLLOW), min_size=1, max_size=2))
    over = draw(st.booleans())
    for number, (stored, length) in enumerate(kinds):
        fields += b"\1%d" % number + varint(0 if over else end) + stored
        size = max(size, length if over else end + length)
        end += length
    size += draw(GAPS_BETWEEN)
    return bytes([1, draw(st.sampled_from([0, 0, 1, 2]))]) + varint(size) + varint(len(kinds)) + fields, size


HOSTILE_DTYPES = st.recursive(
    st.sampled_from([(b"\0" + varint(len(text)) + text, size) for text, size in SIMPLE.items()])
    | st.sampled_from(HOLLOW),
    lambda inner: st.one_of(
        structured(inner),
        st.tuples(DIMENSIONS, inner).map(lambda x: (b"\2" + shape(x[0]) + x[1][0], math.prod(x[0]) * x[1][1])),
    ),
    max_leaves=5,
).filter(lambda dtype: dtype[1] < 2**63)
TAILS = st.sampled_from([b"", b"", b"", b"N", b"NN", b"N" * 100, bytes(4000), b"N" * 70_000, b"\0\0" + bytes(5000)])


@given(
    st.lists(
        st.tuples(st.sampled_from(b"aaax"), HOSTILE_DTYPES | structured(HOSTILE_DTYPES), DIMENSIONS, TAILS),
        min_size=1,
        max_size=2,
    )
)
@settings(max_examples=examples(120), deadline=None)
def test_hostile_dtypes(parts: list[tuple[int, tuple[bytes, int], list[int], bytes]]) -> None:
    """Arrays of any dtype, with gaps, fields and subarrays of any size, and of any shape stay within the bound."""
    run = b"l" + varint(len(parts))
    for tag, (dtype, _), dimensions, tail in parts:
        run += bytes([tag]) + (b"\0" + dtype + shape(dimensions) if tag == ord("a") else dtype) + tail
    event("read" if survives(plain(run)) else "refused")


def numbers(dimensions: list[int]) -> bytes:
    """A shape as DataJoint stores it."""
    return b"".join(number.to_bytes(8, "little") for number in (len(dimensions), *dimensions))


def names(count: int) -> bytes:
    """Names of fields as DataJoint stores them."""
    return count.to_bytes(4, "little") + b"".join(b"%d\0" % number for number in range(count))


CODES = st.sampled_from([3, 4, 5, 6, 8, 14, 0x10009])
DJ0_ARRAYS = st.builds(
    lambda dimensions, code, imaginary, tail: (
        b"A" + numbers(dimensions) + code.to_bytes(4, "little") + imaginary.to_bytes(4, "little") + tail
    ),
    DIMENSIONS, CODES, st.sampled_from([0, 0, 1]), st.sampled_from([b"", bytes(1), bytes(8), bytes(16), bytes(2000)]),
)  # fmt: skip
NONES = st.integers(0, 50).map(lambda count: (ONE + b"\xff") * count)
DJ0_VALUES = st.recursive(
    DJ0_ARRAYS
    | st.builds(lambda dimensions, tail: b"C" + numbers(dimensions) + tail, DIMENSIONS, NONES)
    | st.builds(
        lambda dimensions, count, tail: b"S" + numbers(dimensions) + names(count) + tail, DIMENSIONS, FEW, NONES
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda fields: b"F" + names(len(fields)) + b"".join(fields)),
    max_leaves=5,
)


@given(DJ0_VALUES, st.sampled_from([lambda run: b"dj0\0" + run, lambda run: deflated(b"dj0\0" + run)]))
@settings(max_examples=examples(200), deadline=None)
def test_hostile_records(run: bytes, wrapped: Any) -> None:
    """DataJoint's records, structs and cells of arrays of any shape stay within the bound."""
    event("read" if survives(wrapped(run)) else "refused")


def test_structs_of_nothing() -> None:
    """Empty elements of a struct array of MATLAB, compressed, take no more than half of what the ratio alone allows."""
    count = 10**5
    stored = deflated(b"mYm\0S" + numbers([count]) + names(1) + (ONE + b"\xff") * count)
    with within_the_bound(stored, slack=-2048 * len(stored)):
        assert unpack(stored).shape == (count,)


def test_text_that_needs_four_bytes_a_character() -> None:
    """Text of MATLAB in which one character makes all others take four bytes stays within the bound."""
    text = b"\x3d\xd8\0\xde" + b"\1\0" * 2 * 10**7
    stored = deflated(b"mYm\0A" + numbers([1, len(text) // 2]) + b"\4\0\0\0\0\0\0\0" + text)
    with within_the_bound(stored):
        assert unpack(stored).dtype == "<U20000001"


RECORDS: dict[str, tuple[int, Any]] = {
    "gaps": (2000, {"names": ["a"], "formats": ["O"], "itemsize": 100_000}),
    "aligned": (500_000, {"names": ["a", "b", "c"], "formats": ["u1", "O", "u1"], "offsets": [0, 8, 16]}),
    "one field of many": (20_000, np.dtype([("a", "O"), ("b", "f8", (2000,)), ("c", "U100")])[["a"]]),
    "no objects": (50_000, {"names": ["a"], "formats": ["(0,)O"], "itemsize": 2000}),
}


@pytest.mark.parametrize(("count", "dtype"), RECORDS.values(), ids=RECORDS)
def test_the_writer_keeps_room_for_the_reader(count: int, dtype: Any) -> None:
    """Records far larger than what is stored of them are stored in as much as the bound asks, and come back."""
    records = np.broadcast_to(np.empty((), dtype), (count,))
    stored = pack(records)
    assert len(stored) <= records.nbytes // 4096 + 2000
    with within_the_bound(stored):
        found = unpack(stored)
    assert same(found, records)


SMALL: list[Any] = [
    *(None, [], set(), {}, {None}, {None: None}, frozenset([1])),
    *(b"", "ab", 300, 1.5, np.zeros(0), np.int8(1)),
]


@pytest.mark.parametrize("encoding", ["djarrow", "dj0"])
@pytest.mark.parametrize("value", SMALL, ids=repr)
def test_many_small_values(value: Any, encoding: str) -> None:
    """Many small values, which compress best, stay within the bound, and come back."""
    if encoding == "dj0" and isinstance(value, frozenset):
        value = uuid.UUID(int=0)
    count = 50_000 if "DJARROW_FUZZ" in os.environ else 5_000
    values = [value] * count
    stored = pack(values, encoding)
    with within_the_bound(stored, slack=count * 1300):  # of few values, too, a bound that each of them counts in
        assert len(unpack(stored)) == len(values)


@pytest.mark.parametrize("encoding", ["djarrow", "dj0"])
def test_what_compresses_best(encoding: str) -> None:
    """An array of zeros, the best that a compressor can meet, is small, comes back, and stays within the bound."""
    zeros = np.zeros(10**7)
    stored = pack(zeros, encoding)
    assert len(stored) <= zeros.nbytes // 200
    with within_the_bound(stored):
        assert np.array_equal(unpack(stored), zeros)


def test_the_bound_is_kept_by_the_writer() -> None:
    """A section that zstd would make too small for the bound is filled up, and no further."""
    header, stored = section(bytes(2**24), BUFFER_RATIO)
    assert len(stored) == 2**24 // BUFFER_RATIO > len(ZSTD_BOMB)
    assert len(header) < 10
