"""DataJoint's own blob format: what it wrote is read, what it reads is written, and the rest is refused."""

from __future__ import annotations

import datetime
import decimal
import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from djarrow.codec.blob import pack, unpack
from djarrow.errors import InvalidBlob, UnstorableValue

from ...property.sameness import same

WRITTEN = {
    name: bytes.fromhex(stored)
    for name, stored in (
        line.split()
        for line in Path(__file__).with_name("datajoint-blobs.txt").read_text("ascii").splitlines()
        if not line.startswith("#")
    )
}
"""What DataJoint-Python 2.3.5 wrote for values of these names; the file says how."""

UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns")
NUMBERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
NESTED = [("a", "i4"), ("b", [("c", "i8"), ("d", "f4")])]

VALUES: dict[str, Any] = {
    **{f"numbers_{kind}": np.array([0, 1, 100], kind) for kind in NUMBERS},
    **{f"moments_{unit}": np.array(["2020", "1970", "NaT"], f"M8[{unit}]") for unit in UNITS},
    "matrix": np.arange(12.0).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12, dtype="i2").reshape(3, 4)),
    "cube": np.arange(24, dtype="u1").reshape(2, 3, 4),
    "complex64": np.array([1 + 2j, -0.5j], "c8"),
    "complex128": np.array([[1 + 2j], [3 - 4j]]),
    "bool": np.array([[True, False]]),
    "empty": np.zeros((0, 3)),
    "specials": np.array([np.nan, np.inf, -0.0]),
    "compressed": np.zeros(20_000),
    "objects": np.array([[1, "a", None], [2.5, {"x": 1}, decimal.Decimal("1.5")]], object),
    "records": np.array([(1, 2.5, True), (3, 4.5, False)], [("a", "i4"), ("b", "f8"), ("c", "?")]).view(np.recarray),
    "nested_records": np.array([(1, (2, 3.0)), (4, (5, 6.0))], NESTED).view(np.recarray),
    "scalars": [np.float32(2.5), np.bool_(True), np.datetime64("2020-01-02"), np.complex64(1 + 2j), np.int64(-3)],
    "none": None,
    "tuple": (1, "a", (2.5,)),
    "list": [1, [2, [3, None]], "x"],
    "set": {7},
    "dict": {"a": 1, 2: "b", (1, 2): [3], np.int64(4): True},
    "str": "größe \U0001f600",
    "long_str": "abc" * 1000,
    "bytes": b"\0\xffabc",
    **{f"int_{name}": value for name, value in {"small": 5, "negative": -129, "huge": -(2**100), "zero": 0}.items()},
    "true": True,
    "false": False,
    "complex": 1.5 - 2j,
    "float": -0.0,
    **{f"decimal_{number}": decimal.Decimal(number) for number in ("-1.50E+3", "NaN", "-Infinity")},
    "date": datetime.date(2024, 10, 28),
    "time": datetime.time(13, 5, 1, 42),
    "midnight": datetime.time(0),
    "datetime": datetime.datetime(2024, 10, 28, 13, 5, 1, 42),
    "day": datetime.datetime(2024, 1, 1),
    "uuid": uuid.UUID(int=12345),
    "deep": {"trial": [{"spikes": np.arange(5), "ok": True}] * 3},
    "no_list": [],
    "no_dict": {},
    "no_str": "",
    "no_tuple": (),
    "no_set": set(),
    "no_bytes": b"",
}


@pytest.mark.parametrize("name", VALUES)
def test_what_datajoint_wrote(name: str) -> None:
    """A value that DataJoint-Python wrote is read as it was, with its types and dtypes."""
    assert same(unpack(WRITTEN[name]), VALUES[name])


@pytest.mark.parametrize("name", VALUES)
def test_what_datajoint_reads(name: str) -> None:
    """Djarrow writes the very bytes that DataJoint-Python writes; where they are compressed, the same ones within."""
    assert opened(pack(VALUES[name], "dj0")) == opened(WRITTEN[name])


def opened(stored: bytes) -> bytes:
    """A blob of DataJoint's without its compression."""
    return zlib.decompress(stored[14:]) if stored.startswith(b"ZL123\0") else stored


def test_matlab_reads_arrays() -> None:
    """Arrays of numbers have the header that MATLAB reads, whatever else has the one of Python."""
    assert pack(np.zeros((2, 2)), "dj0").startswith(b"mYm\0")
    assert pack(np.zeros(10**4), "dj0").startswith(b"ZL123\0")
    for value in ([np.zeros(2)], np.float64(1), np.array(["2020"], "M8[D]"), np.array([None]), None):
        assert pack(value, "dj0").startswith(b"dj0\0")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("np_strings", np.array(["a", "bb"], object)),
        ("np_string", "a"),
        ("structured", np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]).view(np.recarray)),
        ("no_dimensions", np.float64(3.5)),
        ("characters", np.array(["hello"])),
        ("character_matrix", np.array([["a", "c", "e"], ["b", "d", "f"]])),
        ("cell", np.fromiter([np.arange(3), "abc", [1, 2], None], object, 4)),
        ("struct", np.array([(np.arange(2.0), 5), ("x", None)], [("a", object), ("b", object)])),
    ],
)
def test_relatives(name: str, expected: Any) -> None:
    """What DataJoint has no form for, or Python no type, is read as its nearest relative, which the document lists."""
    assert same(unpack(WRITTEN[name]), expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.array(3.5), np.float64(3.5)),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])),
        (np.str_("a\0"), "a\0"),
        (np.bytes_(b"a\0"), b"a\0"),
    ],
    ids=repr,
)
def test_relatives_that_are_written(value: Any, expected: Any) -> None:
    """Four kinds come back as their nearest relative; all else that would is refused."""
    assert same(unpack(pack(value, "dj0")), expected)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (frozenset(), "the value cannot be stored in a blob: it is of type frozenset, .*; give set"),
        ([bytearray(b"a")], r"value\[0\] .* bytearray, .*; give bytes"),
        (datetime.timedelta(1), "give its total_seconds"),
        (np.timedelta64(1, "s"), "its dtype timedelta64.s. is none"),
        (datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "it has a time zone or a fold"),
        (datetime.time(1, fold=1), "it has a time zone or a fold"),
        (2 ** (8 * 65_535), "it is an integer of 65536 bytes"),
        ({"a": {"b": "\ud800"}}, r"value\['a'\]\['b'\] .* surrogate"),
        ({frozenset(): 1}, r"value\{key <frozenset>\} "),
        (np.array(["a"]), "its dtype <U1 .*; give .astype.object"),
        (np.array([b"a"]), "its dtype .S1 .*; give .astype.object"),
        (np.zeros(2, ">f8"), "its dtype >f8 .*; give it in the byte order"),
        (np.zeros(2, "f2"), "its dtype float16 .*; give float64"),
        (np.zeros(2, "m8[s]"), "its dtype timedelta64"),
        (np.zeros(2, "M8[5s]"), "its dtype datetime64"),
        (np.zeros(2, "V3"), "its dtype .V3"),
        (np.fromiter([None, [1]], object, 2), r"value\[1\] .* it is a list in an array of objects"),
        (np.fromiter([np.arange(2)], object, 1), r"value\[0\] .* it is a ndarray in an array of objects"),
        (np.array([[1], [lambda: 1]], object), r"value\[1, 0\] .* of type function"),
        (np.zeros(1, np.dtype([("a", "i1"), ("b", "f8")], align=True)), "has gaps"),
        (np.zeros(1, [("a", "i1", (2,))]), r"value\['a'\] .* a field of arrays"),
        (np.zeros(1, [("a", [("b", "U1")])]), r"value\['a'\]\['b'\] .* its dtype <U1"),
        (np.zeros(1, []), "no fields"),
        ([{"f": object()}], r"value\[0\]\['f'\] .* of type object, which DataJoint's format does not hold"),
        (True.__class__.__mro__, r"value\[0\] .* of type type"),
    ],
    ids=lambda value: "" if isinstance(value, str | int) else repr(value)[:20],
)  # fmt: skip
def test_what_the_format_does_not_hold(value: Any, shown: str) -> None:
    """What DataJoint could not read, or would read as something else, is refused, with the part and the reason."""
    with pytest.raises(UnstorableValue, match=shown):
        pack(value, "dj0")


def number(value: int, size: int = 8) -> bytes:
    """A number as DataJoint writes it."""
    return value.to_bytes(size, "little")


MATLAB = {
    "cell 2x1": (b"C" + number(2) + number(2) + number(1) + 2 * (number(1) + b"\xff"), np.array([[None], [None]])),
    "cell 0x0": (b"C" + number(2) + number(0) * 2, np.empty((0, 0), object)),
    "struct without fields": (b"S" + number(2) + number(1) * 2 + number(0, 4), np.array(None)),
    "char 0x0": (b"A" + number(2) + number(0) * 2 + number(4, 4) + number(0, 4), np.empty((0, 0), "U1")),
    "char with umlaut": (
        b"A" + number(2) + number(1) + number(3) + number(4, 4) + number(0, 4) + "grö".encode("utf-16-le"),
        np.array(["grö"]),
    ),
    "logical": (b"A" + number(2) + number(1) * 2 + number(3, 4) + number(0, 4) + b"\1", np.array([[True]])),
    "complex int16": (
        b"A" + number(1) + number(2) + number(10, 4) + number(1, 4) + bytes([1, 0, 2, 0, 3, 0, 4, 0]),
        np.array([1 + 3j, 2 + 4j]),
    ),
}


@pytest.mark.parametrize(("body", "expected"), MATLAB.values(), ids=MATLAB)
def test_what_matlab_writes(body: bytes, expected: Any) -> None:
    """Cells are arrays of objects, structs have fields of objects, text is of any character."""
    assert same(unpack(b"mYm\0" + body), expected)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"P", "sparse array of MATLAB"),
        (b"Q", "unknown structure code 0x51"),
        (b"", "ends at byte 4"),
        (b"\xff\xff", "1 bytes are left over"),
        (b"\2" + number(1) + number(2) + b"\xff\xff", "1 bytes are left over"),
        (b"\2" + number(1) + number(5) + b"\xff", "5 values are announced"),
        (b"A" + number(1) * 2 + number(16, 4) + number(0, 4), "unknown code 16"),
        (b"A" + number(1) * 2 + number(3, 4) + number(1, 4) + b"\1", "bool claims to be complex"),
        (b"A" + number(65), "65 dimensions"),
        (b"F" + number(1, 4) + b"a\0" + b"\xff", "not arrays of one shape"),
        (b"F" + number(1, 4) + b"abc", "has no end"),
        (b"t" + number(20241332, 4) + b"\xff" * 8, "month must be in 1..12"),
        (b"\3" + number(1) + number(9) + b"\2" + number(0), "unhashable type"),
        (b"\5" + number(1) + b"\xff", "utf-8"),
        (b"d" + number(4) + b"spam", "ConversionSyntax"),
    ],
)
def test_damaged(body: bytes, why: str) -> None:
    """Bytes that DataJoint never wrote are refused with what is wrong."""
    with pytest.raises(InvalidBlob, match=why):
        unpack(b"dj0\0" + body)


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        (number(5) + zlib.compress(b"dj0\0\xff")[:-1], "it should hold 5 bytes"),
        (number(4) + zlib.compress(b"dj0\0\xff"), "it should hold 4 bytes"),
        (number(6) + zlib.compress(b"dj0\0\xff"), "it should hold 6 bytes"),
        (number(5) + b"dj0\0\xff", "cannot be decompressed"),
        (number(2**40) + zlib.compress(b"dj0\0\xff"), "which no zlib can"),
        (number(5) + zlib.compress(b"spam!"), "begin with b'spam'"),
        (b"\1", "8 bytes are announced"),
    ],
)
def test_damaged_compression(rest: bytes, why: str) -> None:
    """A compressed blob must hold what it says that it holds."""
    with pytest.raises(InvalidBlob, match=why):
        unpack(b"ZL123\0" + rest)


def test_no_date_and_no_time() -> None:
    """A moment without date and time, which DataJoint reads as None, is None."""
    assert unpack(b"dj0\0t" + b"\xff" * 12) is None
