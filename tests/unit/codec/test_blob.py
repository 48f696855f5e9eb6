"""What a blob stores for a value: bytes as they are, anything else in djarrow's format, and what is refused."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import math
import subprocess
import sys
import uuid
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from djarrow.codec.blob import HEADERS, LARGEST, pack, unpack
from djarrow.codec.layout import DEEPEST, INLINE, MAGIC, MOST_WITHOUT_BYTES, Tag
from djarrow.errors import DjarrowError, InvalidBlob, UnstorableValue

from ...property.sameness import same

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
NOON = datetime.datetime(2024, 10, 27, 2, 30, 0, 1)
INNER = [("c", "M8[25s]"), ("d", "?", (2, 2))]

VALUES: list[Any] = [
    None, True, False, 0, -1, 127, 128, -128, -129, 2**64, -(2**10_000),
    1.5, math.inf, -math.inf, math.nan, -0.0, 1 - 2j, complex(-0.0, math.nan),
    "", "größe \U0001f600", "half \ud800", "x" * 10_000, b"", b"\0\xff", b"x" * 10_000,
    [], (), set(), frozenset(), {}, [[], ()], {1, "a", (2, frozenset({3}))}, {frozenset({1}): {2}},
    {"b": 1, "a": 2, 3: None, (1, 2): [b"x", bytearray(b"y"), bytearray(5000)]},
    [1.0, -0.0, math.nan] * 5, tuple(range(20)), [1] * 10 + [True], [2**63] * 10, [1.0] * 10 + [1],
    decimal.Decimal("1.500"), decimal.Decimal("1E+30"), decimal.Decimal("-0"), decimal.Decimal("NaN"),
    decimal.Decimal("sNaN12"), decimal.Decimal("-Infinity"), uuid.UUID(int=2**127 + 5),
    NOON.date(), datetime.date.min, datetime.date.max, datetime.time.max, NOON.time().replace(fold=1),
    NOON, NOON.replace(tzinfo=BERLIN), NOON.replace(tzinfo=BERLIN, fold=1), NOON.replace(tzinfo=datetime.UTC),
    NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=-3, seconds=1))),
    datetime.time(1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "home")),
    datetime.timedelta(-1, 5, 7), datetime.timedelta.max, datetime.timedelta.min,
    np.float64(1.5), np.float16(2), np.longdouble(1) / 3, np.bool_(True), np.int8(-3), np.complex64(1j),
    np.datetime64("NaT"), np.datetime64("2024-10-28", ("s", 25)), np.timedelta64(3, "M"),
    np.str_("a\0"), np.bytes_(b"a\0"),
    np.void(b"\1\2"), np.array([(1, "x")], [("a", "i4"), ("b", "U2")])[0],
    np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])[0],
]  # fmt: skip

UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "25s", "3D")

ARRAYS: list[np.ndarray[Any, Any]] = [
    *(np.array([0, 1, 1], kind) for kind in (*"?bBhHiIlLqQefdgFDG",)),
    *(np.array([1, -2, 300], np.dtype(kind).newbyteorder(">")) for kind in ("i2", "i8", "f2", "f8", "g", "c8", "c16")),
    *(np.array([1, -1, "NaT"], f"M8[{unit}]") for unit in UNITS),
    np.array([1, -1, "NaT"], "m8"), np.array([5], ">m8[3us]"), np.array(["NaT"], "M8"),
    np.array([b"a", b"", b"\0b"], "S3"), np.array(["é", "", "\U0001f600"], "<U2"), np.array(["a"], ">U4"),
    np.array([b"abc"], "V3"), np.ndarray((3,), "S0"), np.ndarray((2, 2), "U0"), np.zeros(3, []), np.zeros(2, "V0"),
    np.zeros(MOST_WITHOUT_BYTES, []), np.array(2.5), np.array("x"), np.zeros((0, 3)), np.zeros((0, 10**15)),
    np.zeros((2,) * 10), np.zeros((1,) * 64),
    np.asfortranarray(np.arange(12).reshape(3, 4)), np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2),
    np.arange(20)[::-3], np.broadcast_to(np.arange(3), (2, 3)), np.arange(100_000).reshape(2, -1), np.zeros(10_000),
    np.random.default_rng(0).standard_normal((50, 60)), np.asfortranarray(np.ones((100, 90))),
    np.array([(1, (2, [[1, 0], [0, 1]])), (3, (4, 0))], [("a", ">i2"), ("b", INNER)]),
    np.asfortranarray(np.zeros((3, 2), [("a", "u1"), ("b", INNER)])),
    np.ones(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.ones(2, np.dtype({"names": ["a", "b"], "formats": ["u1", "u2"], "offsets": [3, 3], "itemsize": 9})),
    np.ones(2, np.dtype([(("a title", "a"), "i4"), ("b", "f4")])), np.array([("é",)], [("größe", "U1")]),
    np.rec.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), np.zeros(2, np.dtype([("a", "i4")])).view(np.recarray),
    np.array([1, "a", None, {"b": [1.5]}], object), np.array([[1, 2.5], ["x", b"y"]], object, order="F"),
    np.zeros(3, [("o", "O"), ("s", "f8", (100,))])[["o"]], np.zeros((1,) * 64, [("a", "i1"), ("b", ">U2")]),
    np.zeros((2, 2), [("a", "O", (0,))]), np.zeros(5, np.dtype({"names": ["a"], "formats": ["(0,)O"], "itemsize": 32})),
    np.array(None), np.empty((0, 2), object), np.fromiter([np.arange(3), [1, 2], (3,)], object, 3),
    np.array([(1, [1, 2], [None, "x"])], [("a", "i4"), ("b", "O"), ("c", "O", (2,))]),
    np.zeros((2, 2), np.dtype([("a", "i1"), ("b", [("c", "O"), ("d", "f8")])], align=True)),
]  # fmt: skip


def shown(value: Any) -> str:
    """The name of a case."""
    dtype = f" {value.dtype.str} {value.shape}" if isinstance(value, np.ndarray) else ""
    return f"{type(value).__name__}{dtype} {value!r:.20}" if not isinstance(value, int) else f"int {value.bit_length()}"


@pytest.mark.parametrize("value", VALUES, ids=shown)
def test_values(value: Any) -> None:
    """A value of each kind comes back as itself, alone and in containers."""
    assert same(unpack(pack(value)), value)
    assert same(unpack(pack({"a": [value, (value,)]})), {"a": [value, (value,)]})


@pytest.mark.parametrize("array", ARRAYS, ids=shown)
def test_arrays(array: np.ndarray[Any, Any]) -> None:
    """An array of each dtype and layout comes back as itself, in memory that can be written."""
    found = unpack(pack(array))
    assert same(found, array)
    assert found.flags.writeable
    assert found.flags.aligned
    assert same(unpack(pack([array, {1: array}])), [array, {1: array}])


@pytest.mark.parametrize("array", [np.arange(20_000), np.random.default_rng(0).standard_normal(20_000)], ids=shown)
def test_arrays_are_their_own(array: np.ndarray[Any, Any]) -> None:
    """Writing into an array that was read changes neither the stored bytes nor what is read next."""
    stored = pack(array)
    unpack(stored)[:] = 7
    assert same(unpack(stored), array)


@pytest.mark.parametrize("length", [INLINE - 1, INLINE, INLINE + 1])
def test_the_length_at_which_bytes_move(length: int) -> None:
    """Bytes and arrays come back whether they stand in the structure or after it."""
    value = {
        "a": bytes(length),
        "b": bytearray(length),
        "c": np.zeros(length, "u1"),
        "d": {b"x" * length, b"y" * length},
    }
    assert same(unpack(pack(value)), value)


def test_several_long_arrays() -> None:
    """Sections come back to the values they belong to, in any container."""
    value = [np.full(5000, n) for n in range(3)], {"x": b"a" * 5000, "y": np.arange(6000.0)}
    assert same(unpack(pack(value)), value)


def test_equal_sets_are_equal_bytes() -> None:
    """The order in which a set was filled does not show in its bytes."""
    names = [f"name {number}" for number in range(100)]
    blocks = [bytes([number]) * 5000 for number in range(5)]
    for items in (names, blocks):
        forth, back = dict.fromkeys(items), dict.fromkeys(reversed(items))
        assert pack(set(forth)) == pack(set(back))
        assert pack(frozenset(forth)) == pack(frozenset(back))
    assert pack({"b": 1, "a": 2}) != pack({"a": 2, "b": 1})


def test_what_is_between_fields_is_not_stored() -> None:
    """The gaps of a structured array hold whatever was in memory; none of it is stored."""
    dtype = np.dtype([("a", "i1"), ("b", "f8"), ("c", np.dtype([("d", "i1"), ("e", "i4")], align=True))], align=True)
    dirty = np.frombuffer(b"\x55" * dtype.itemsize * 3, dtype).copy()
    clean = np.zeros(3, dtype)
    for name in ("a", "b"):
        dirty[name] = clean[name] = 1
    for name in ("d", "e"):
        dirty["c"][name] = clean["c"][name] = 2
    assert pack(dirty) == pack(clean)
    assert b"\x55" not in pack(dirty)


@pytest.mark.parametrize("value", [b"", b"\0", b"abc", b"mYm", b"dj0", b"ZL123", MAGIC[:3]], ids=repr)
def test_bytes_are_stored_as_they_are(value: bytes) -> None:
    """Bytes are the blob itself, whatever memory they come in, and come back as bytes."""
    for form in (value, bytearray(value), memoryview(value), memoryview(value * 2)[: len(value)]):
        assert pack(form) == value
    assert same(unpack(value), value)


@pytest.mark.parametrize("header", HEADERS, ids=repr)
def test_bytes_that_look_like_a_blob(header: bytes) -> None:
    """Bytes that begin as a blob does come back as the same bytes, also when they are one."""
    for value in (header, header + b"rest", pack([1]), pack(np.arange(3), "dj0"), pack(pack([1]))):
        assert same(unpack(pack(value)), value)
        assert same(unpack(pack(value, "dj0")), value)


def test_bytes_of_any_memory_are_read() -> None:
    """Stored bytes are read from bytes, bytearrays and views of any kind."""
    stored = pack({"a": np.arange(1000)})
    forms: list[Any] = [bytearray(stored), memoryview(stored), memoryview(stored[::-1])[::-1], pa.py_buffer(stored)]
    forms += [np.frombuffer(stored, kind).data for kind in ("i1", "S1")]
    assert same(unpack(np.frombuffer(b"plain!" * 2, "i4").data), b"plain!" * 2)
    for form in forms:
        assert same(unpack(form), {"a": np.arange(1000)})


@pytest.mark.parametrize(
    ("value", "most"),
    [
        (np.zeros(10**6), 8_000),
        (np.arange(10**6), 1_100_000),
        ([{"trial": n, "outcome": "correct", "side": "left"} for n in range(1000)], 8_000),
        ("spam " * 10_000, 2_000),
        (np.random.default_rng(0).bytes(100_000), 100_000),
        ([np.random.default_rng(0).bytes(100_000)], 100_050),
    ],
    ids=["zeros", "arange", "records", "text", "noise", "packed noise"],
)
def test_compression(value: Any, most: int) -> None:
    """What repeats itself is stored in less, and what does not in hardly more than it is."""
    assert len(pack(value)) <= most
    assert same(unpack(pack(value)), value)


# --- refusals ------------------------------------------------------------------------------------------------------


class Spam:
    """A class of a user's."""

    def __repr__(self) -> str:
        raise RuntimeError("which cannot be shown")


class Color(enum.IntEnum):
    """An enumeration."""

    RED = 1


class Quantity(np.ndarray[Any, Any]):
    """An array with more to it."""


class Local(datetime.tzinfo):
    """A time zone of a user's."""

    def utcoffset(self, _: datetime.datetime | None) -> datetime.timedelta:
        return datetime.timedelta(hours=1)

    def dst(self, _: datetime.datetime | None) -> None:
        return None

    def tzname(self, _: datetime.datetime | None) -> None:
        return None


WIDE = np.zeros((), np.dtype({"names": ["a"], "formats": ["(0,)O"], "itemsize": 2**24}))
Point = collections.namedtuple("Point", ["x", "y"])


@pytest.mark.parametrize(
    ("value", "path", "why"),
    [
        (Spam(), "the value", "it is of type "),
        ({"a": [0, Spam()]}, "value['a'][1]", ".Spam; a blob holds NumPy arrays and scalars, dicts"),
        ([{"f": lambda: 1}], "value[0]['f']", "it is of type function"),
        (({1: {2: Path()}},), "value[0][1][2]", "Path"),
        ({Spam()}, "value{<Spam>}", "it is of type "),
        ({("a", Spam()): 1}, "value{key <tuple>}[1]", "it is of type "),
        ({"x": np.array([[0, Spam()]], object)}, "value['x'][0, 1]", "it is of type "),
        (np.array([(1, Spam())], [("a", "i4"), ("b", "O")]), "value['b'][0]", "it is of type "),
        ([Color.RED], "value[0]", "and would come back as int; give int(...) of it"),
        (Point(1, 2), "the value", "and would come back as tuple"),
        ({"a": collections.OrderedDict()}, "value['a']", "it is of type collections.OrderedDict and would come back"),
        (collections.Counter("a"), "the value", "give dict(...) of it"),
        (np.zeros(2).view(Quantity), "the value", "and would come back as ndarray; give numpy.asarray(...) of it"),
        (np.ma.masked_array([1], [True]), "the value", "whose mask would be lost"),
        (np.array(["a"], np.dtypes.StringDType()), "the value", "give .astype(object)"),
        (np.ndarray((MOST_WITHOUT_BYTES + 1,), "S0"), "the value", "have no bytes"),
        (np.zeros(MOST_WITHOUT_BYTES + 1, [("a", "O", (0,))]), "the value", "have no bytes"),
        (np.broadcast_to(WIDE, (2**20,)), "the value", "its arrays take 17592186044416 bytes, too many for how little"),
        ({NOON.replace(tzinfo=Local()): 1}, "value{key <datetime>}", "its time zone is a "),
        ({"t": NOON.time().replace(tzinfo=Local())}, "value['t']", "give zoneinfo.ZoneInfo(name)"),
        (range(3), "the value", "it is of type range"),
        (iter([]), "the value", "it is of type list_iterator"),
        ({"a": ...}, "value['a']", "it is of type ellipsis"),
        (int, "the value", "it is of type type"),
        (NotImplemented, "the value", "it is of type NotImplementedType"),
        (memoryview, "the value", "it is of type type"),
        ([memoryview(b"")], "value[0]", "it is of type memoryview"),
        ({"k" * 50: object()}, "value['" + "k" * 36 + "...]", "it is of type object"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)  # fmt: skip
def test_refusals(value: Any, path: str, why: str) -> None:
    """What cannot come back is refused, with the part of the value and the reason."""
    with pytest.raises(UnstorableValue) as caught:
        pack(value)
    assert str(caught.value).startswith(f"{path} cannot be stored in a blob: ")
    assert why in str(caught.value)
    assert isinstance(caught.value, ValueError | DjarrowError)


def test_a_record_as_key() -> None:
    """A record of NumPy that may be a key before, but not after it was stored, is refused as key."""
    record = np.array((1, 2), [("a", "i4"), ("b", "i4")])
    record.flags.writeable = False
    with pytest.raises(UnstorableValue, match=r"value\{key <void>\} cannot .* can be no key"):
        pack({record[()]: 1})


def circles() -> Iterator[tuple[Any, str]]:
    """Containers that hold themselves, and where."""
    items: list[Any] = [1]
    items.append({"a": items})
    yield items, "value[1]['a']"
    mapping: dict[str, Any] = {}
    mapping["x"] = (mapping,)
    yield mapping, "value['x'][0]"
    array = np.empty(2, object)
    array[1] = [array]
    yield array, "value[1][0]"


@pytest.mark.parametrize("encoding", ["djarrow", "dj0"])
@pytest.mark.parametrize(("value", "path"), [*circles()], ids=["list", "dict", "array"])
def test_circles(value: Any, path: str, encoding: str) -> None:
    """A container that contains itself is refused, and one that stands twice side by side is not."""
    with pytest.raises(UnstorableValue) as caught:
        pack(value, encoding)
    reason = "contains itself" if encoding == "djarrow" or not isinstance(value, np.ndarray) else "cannot read back"
    assert reason in str(caught.value)
    assert path.startswith(str(caught.value).partition(" ")[0])
    twice = [1]
    assert unpack(pack([twice, twice], encoding)) == [[1], [1]]


def nested(depth: int, wrap: Any) -> Any:
    """A value within so many containers."""
    value: Any = None
    for _ in range(depth):
        value = wrap(value)
    return value


@pytest.mark.parametrize("encoding", ["djarrow", "dj0"])
@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {1: value}, lambda value: (value,)])
def test_depth(wrap: Any, encoding: str) -> None:
    """Containers are stored to a depth that is stated, and refused beyond it, however deep they are."""
    deepest = nested(DEEPEST, wrap)
    assert unpack(pack(deepest, encoding)) == deepest
    for depth in (DEEPEST + 1, 100_000):
        with pytest.raises(UnstorableValue, match=f"it is nested more than {DEEPEST} deep"):
            pack(nested(depth, wrap), encoding)


def test_a_stack_that_is_nearly_used_up() -> None:
    """Where the caller has left no room for the depth of a value, that is said in the same way."""

    def within(frames: int, call: Any) -> Any:
        return within(frames - 1, call) if frames else call()

    value = nested(100, lambda inner: [inner])
    stored = pack(value)
    with pytest.raises(UnstorableValue, match="nested deeper than the stack"):
        within(850, lambda: pack(value))
    with pytest.raises(InvalidBlob, match="recursion"):
        within(850, lambda: unpack(stored))


SHORT_OF_MEMORY = """
import resource, sys
from djarrow.codec.blob import unpack
from djarrow.codec import reading
from djarrow.errors import InvalidBlob
stored = sys.stdin.buffer.read()
unpack(stored[:0])
resource.setrlimit(resource.RLIMIT_AS, (2**20, resource.getrlimit(resource.RLIMIT_AS)[1]))
try:
    unpack(stored)
except InvalidBlob as error:
    print(error, type(error.__cause__).__name__)
"""


def test_a_machine_without_the_memory() -> None:
    """A value that is within the bound, but finds no memory, is refused as such, not as damaged."""
    stored = pack([np.random.default_rng(0).bytes(10**7)])
    run = subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY], input=stored, capture_output=True, check=True)
    assert run.stdout.decode().startswith(f"There is no memory for the value of {len(stored)} stored bytes: ")
    assert run.stdout.split()[-1] == b"MemoryError"


def test_size() -> None:
    """Bytes beyond what a field of PostgreSQL holds are refused before they are sent."""
    with pytest.raises(UnstorableValue, match=f"it takes {LARGEST + 1} bytes, and a blob holds at most {LARGEST}"):
        pack(bytes(LARGEST + 1))


def test_unknown_encoding() -> None:
    """An encoding that does not exist is refused."""
    with pytest.raises(ValueError, match="'djarrow' and 'dj0', not 'pickle'"):
        pack(1, "pickle")
    with pytest.raises(ValueError, match="'djarrow' and 'dj0', not 'pickle'"):
        pack(b"1", "pickle")


# --- the format ----------------------------------------------------------------------------------------------------

STORED = [
    ([1, "a"], "8a444a42 01 00 08 6c02 690101 730161"),
    ({"x": 2.5, None: True}, "8a444a42 01 00 10 6402 730178 660000000000000440 4e 54"),
    (np.array([[1, -2]], "<i2"), "8a444a42 01 00 0e 6100 00 033c6932 02 01 02 0100feff"),
    (b"mYm\0", "8a444a42 01 00 06 6204 6d596d00"),
    (np.zeros(512), "8a444a42 01 00 0a 6100 00 033c6638 01 8004 01 8020"),
]
"""Values and the blobs that version 1 stores for them, which every later version reads."""


@pytest.mark.parametrize(("value", "stored"), STORED, ids=lambda value: repr(value)[:20])
def test_the_format_stays(value: Any, stored: str) -> None:
    """Version 1 of the format is what docs/blob-format.md says, byte for byte; what zstd makes is its own matter."""
    expected = bytes.fromhex(stored)
    assert pack(value)[: len(expected)] == expected
    assert len(pack(value)) == len(expected) or isinstance(value, np.ndarray)


def test_the_document_has_every_tag() -> None:
    """docs/blob-format.md has a row for each tag, and no other."""
    text = (Path(__file__).parents[3] / "docs" / "blob-format.md").read_text("utf-8")
    table = text.partition("| tag |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert sorted("".join(rows).replace("`", "").split()) == sorted(chr(tag) for tag in Tag)


def test_a_later_version() -> None:
    """A blob of a later version is refused with its number."""
    with pytest.raises(InvalidBlob, match="it is of version 2, and this djarrow reads version 1"):
        unpack(MAGIC + b"\2\0\1N")


def test_an_unknown_time_zone() -> None:
    """A time zone that this machine does not know is named in the refusal."""
    stored = pack(NOON.replace(tzinfo=BERLIN)).replace(b"Europe/Berlin", b"Europe/Nowhen")
    with pytest.raises(InvalidBlob, match="does not know the time zone 'Europe/Nowhen'; the package tzdata has all"):
        unpack(stored)


def test_long_doubles_of_another_machine() -> None:
    """Long doubles that mean other numbers on this machine are refused."""
    digits = str(np.finfo(np.longdouble).nmant)
    stored = pack(np.longdouble(1)).replace(f"/{digits}".encode(), b"/" + b"9" * len(digits))
    with pytest.raises(InvalidBlob, match=f"its long doubles have 9+ bits and those of this machine {digits}"):
        unpack(stored)
