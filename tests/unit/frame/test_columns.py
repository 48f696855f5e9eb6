"""One column that a user gives as an Arrow array of the attribute's type: layouts, casts, and what is refused where."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from djarrow.errors import InvalidValue, MissingField
from djarrow.frame.columns import carrier, from_arrow, from_values
from djarrow.frame.problems import raising
from djarrow.model.heading import Attribute, Special
from djarrow.model.types import AttributeType, core

INT8, INT32, INT64, UINT64 = core("int8"), core("int32"), core("int64"), core("uint64")
FLOAT32, FLOAT64, DECIMAL, BOOL = core("float32"), core("float64"), core("decimal", 5, 2), core("bool")
TEXT, SEX = core("varchar", 5), core("enum", "M", "F")
DATE, TIME, TIMESTAMP, DATETIME = core("date"), core("time"), core("timestamp"), core("datetime")
UUID, JSON, BLOB = core("uuid"), core("json"), core("blob")
ALL = [INT8, INT32, INT64, UINT64, FLOAT32, FLOAT64, DECIMAL, BOOL, TEXT, SEX]
ALL += [DATE, TIME, TIMESTAMP, DATETIME, UUID, JSON, BLOB]

IDENTITY = uuid.UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime.datetime(2024, 10, 28, 12)
UTC_NOON = NOON.replace(tzinfo=datetime.UTC)


def required(kind: AttributeType) -> Attribute:
    """An attribute of this type that needs a value."""
    return Attribute("x", kind)


def optional(kind: AttributeType) -> Attribute:
    """An attribute of this type that may be NULL."""
    return Attribute("x", kind, nullable=True, default=Special.NULL)


def storage(array: Any) -> list[Any]:
    """The values beneath an extension type."""
    values: list[Any] = getattr(array, "storage", array).to_pylist()
    return values


def refused_values(values: Sequence[Any], kind: AttributeType) -> InvalidValue:
    """Why a column of Python values is refused."""
    with pytest.raises(InvalidValue) as caught:
        from_values(values, optional(kind), raising("lab.rig"))
    assert (caught.value.table, caught.value.attribute) == ("lab.rig", "x")
    return caught.value


def refused_array(array: Any, kind: AttributeType) -> InvalidValue:
    """Why an Arrow column is refused."""
    with pytest.raises(InvalidValue) as caught:
        from_arrow(array, optional(kind), raising("lab.rig"))
    assert (caught.value.table, caught.value.attribute) == ("lab.rig", "x")
    return caught.value


# --- what goes up --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL, ids=str)
def test_carriers(kind: AttributeType) -> None:
    """A column goes up in its own Arrow type, but for enums as text and UUIDs as their bytes."""
    expected = {"enum": pa.string(), "uuid": pa.binary(16)}.get(kind.row.name, kind.arrow)
    assert carrier(kind) == expected


@pytest.mark.parametrize("kind", ALL, ids=str)
@pytest.mark.parametrize("empty", [pa.array([], pa.null()), pa.array([], pa.string()), pa.chunked_array([], pa.int8())])
def test_empty(kind: AttributeType, empty: Any) -> None:
    """A column without rows has the carrier's type, whatever type it came in."""
    found = from_arrow(empty, required(kind), raising("t"))
    assert (found.type, len(found)) == (carrier(kind), 0)
    assert from_values([], required(kind), raising("t")).type == carrier(kind)


@pytest.mark.parametrize("kind", ALL, ids=str)
def test_all_null(kind: AttributeType) -> None:
    """A column of NULLs has the carrier's type, and is refused where a value is required."""
    for nulls in (pa.nulls(3), pa.nulls(3, pa.string()), pa.chunked_array([pa.nulls(2), pa.nulls(1)])):
        found = from_arrow(nulls, optional(kind), raising("t"))
        assert (found.type, found.null_count) == (carrier(kind), 3)
        with pytest.raises(MissingField, match="attribute 'x', row 0: a value is required and NULL was given"):
            from_arrow(nulls, required(kind), raising("t"))
    assert from_values([None, None], optional(kind), raising("t")).type == carrier(kind)
    with pytest.raises(MissingField):
        from_values([None, None], required(kind), raising("t"))


@pytest.mark.parametrize("values", [[1, 2, None], [None, None, 7, None]])
def test_null_in_required(values: list[int | None]) -> None:
    """The first NULL in a required column is refused with its row, across chunks."""
    row = values.index(None)
    arrays = [pa.array(values, pa.int64()), pa.chunked_array([[v] for v in values], pa.int64())]
    for array in arrays:
        with pytest.raises(MissingField) as caught:
            from_arrow(array, required(INT32), raising("t"))
        assert (caught.value.row, caught.value.attribute) == (row, "x")
    with pytest.raises(MissingField, match=f"row {row}"):
        from_values(values, required(INT32), raising("t"))


# --- layouts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        pa.array(["M", None, "F"]),
        pa.array(["M", None, "F"], pa.large_string()),
        pa.array(["M", None, "F"], pa.string_view()),
        pa.array(["M", None, "F"]).dictionary_encode(),
        pa.array(["M", None, "F"], pa.large_string()).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([1, 2, 0], pa.int8()), pa.array(["F", "M", None])),
        pa.chunked_array([["M"], [None, "F"]]),
        pa.chunked_array([pa.array(["M"]).dictionary_encode(), pa.array([None, "F"]).dictionary_encode()]),
        pl.Series(["M", None, "F"], dtype=pl.Enum(["F", "M"])).to_arrow(),
        pl.Series(["M", None, "F"], dtype=pl.Categorical).to_arrow(),
    ],
    ids=lambda array: str(array.type).partition("<")[0] + type(array).__name__,
)
@pytest.mark.parametrize("kind", [TEXT, SEX], ids=str)
def test_text_layouts(array: Any, kind: AttributeType) -> None:
    """Text is taken in every layout that Arrow has for it."""
    found = from_arrow(array, optional(kind), raising("t"))
    assert (found.type, found.to_pylist()) == (pa.string(), ["M", None, "F"])


@pytest.mark.parametrize("layout", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)], ids=str)
def test_binary_layouts(layout: pa.DataType) -> None:
    """Bytes are taken in every layout that Arrow has for them."""
    found = from_arrow(pa.array([b"ab", None], layout), optional(BLOB), raising("t"))
    assert (found.type, found.to_pylist()) == (pa.binary(), [b"ab", None])


def test_run_end_encoded() -> None:
    """Run-end encoded columns are taken."""
    array = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8], pa.int64()))
    assert from_arrow(array, required(INT32), raising("t")).to_pylist() == [7, 7, 8]


def test_slices() -> None:
    """A slice of a column counts its rows from its own start."""
    array = pa.array([1, 2, 300, 4], pa.int64())[1:]
    assert refused_array(array, INT8).row == 1


@pytest.mark.parametrize(
    "array",
    [
        pa.array([IDENTITY.bytes, None], pa.uuid()),
        pa.array([IDENTITY.bytes, None], pa.binary(16)),
        pa.array([IDENTITY.bytes, None], pa.binary()),
        pa.array([str(IDENTITY), None]),
        pa.array([IDENTITY.hex, None], pa.large_string()),
        pa.chunked_array([pa.array([IDENTITY.bytes], pa.uuid()), pa.array([None], pa.uuid())]),
    ],
    ids=lambda array: str(array.type),
)
def test_uuid_layouts(array: Any) -> None:
    """UUIDs are taken as such, as bytes and as text."""
    found = from_arrow(array, optional(UUID), raising("t"))
    assert (found.type, found.to_pylist()) == (pa.binary(16), [IDENTITY.bytes, None])


def test_json_layouts() -> None:
    """JSON is taken as text that is JSON, with or without Arrow's extension, and as nested columns."""
    for array in (
        pa.array(['{"a": [1, 2]}', None]),
        pa.array(['{"a": [1, 2]}', None], pa.json_()),
        pa.array([{"a": [1, 2]}, None]),
    ):
        found = from_arrow(array, optional(JSON), raising("t"))
        assert (found.type, storage(found)) == (pa.json_(), ['{"a": [1, 2]}', None])


def test_text_that_is_no_json() -> None:
    """Text of a frame that is not JSON is refused with its row and the text."""
    error = refused_array(pa.array(["{}", None, "{'a': 1}"]), JSON)
    assert error.row == 2
    assert "{'a': 1}" in str(error)
    assert "is no json" in str(error)
    assert refused_array(pa.array(["NaN"]), JSON).row == 0


# --- casts ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "kind", "expected"),
    [
        (pa.array([1, -128], pa.int64()), INT8, [1, -128]),
        (pa.array([1.0, 2.0]), INT32, [1, 2]),
        (pa.array([1.0, 2.0], pa.float32()), UINT64, [1, 2]),
        (pa.array([decimal.Decimal("3.00")]), INT32, [3]),
        (pa.array([2**64 - 1], pa.uint64()), UINT64, [2**64 - 1]),
        (pa.array([1, 2], pa.uint8()), FLOAT64, [1.0, 2.0]),
        (pa.array([0.5], pa.float16()), FLOAT32, [0.5]),
        (pa.array([decimal.Decimal("0.5")]), FLOAT64, [0.5]),
        (pa.array([1, 2], pa.int64()), DECIMAL, [decimal.Decimal("1.00"), decimal.Decimal("2.00")]),
        (pa.array([decimal.Decimal("1.5000")]), DECIMAL, [decimal.Decimal("1.50")]),
        (pa.array([decimal.Decimal("1.5")], pa.decimal256(50, 4)), DECIMAL, [decimal.Decimal("1.50")]),
        (pa.array([1.1, 2.25]), DECIMAL, [decimal.Decimal("1.10"), decimal.Decimal("2.25")]),
        (pa.array(["1.1"]), DECIMAL, [decimal.Decimal("1.10")]),
        (pa.array([0, 1], pa.int8()), BOOL, [False, True]),
        (pa.array(["2024-10-28"]), DATE, [NOON.date()]),
        (pa.array([datetime.datetime(2024, 10, 28)], pa.timestamp("ms")), DATE, [NOON.date()]),
        (pa.array([NOON.date()], pa.date64()), DATE, [NOON.date()]),
        (pa.array([NOON.time()], pa.time32("s")), TIME, [NOON.time()]),
        (pa.array([NOON.time()], pa.time64("ns")), TIME, [NOON.time()]),
        (pa.array(["12:00"]), TIME, [NOON.time()]),
        (pa.array([NOON], pa.timestamp("s")), TIMESTAMP, [UTC_NOON]),
        (pa.array([NOON], pa.timestamp("ns", "Europe/Vienna")), TIMESTAMP, [UTC_NOON]),
        (pa.array([NOON.date()]), TIMESTAMP, [datetime.datetime(2024, 10, 28, tzinfo=datetime.UTC)]),
        (pa.array(["2024-10-28T13:00+01:00"]), TIMESTAMP, [UTC_NOON]),
        (pa.array([NOON], pa.timestamp("ns")), DATETIME, [NOON]),
        (pa.array([NOON.date()]), DATETIME, [datetime.datetime(2024, 10, 28)]),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_lossless_casts(array: pa.Array, kind: AttributeType, expected: list[Any]) -> None:
    """A column whose values the type holds is taken, whatever type it has."""
    for form in (array, pa.chunked_array([array[:1], array[1:]])):
        found = from_arrow(form, required(kind), raising("t"))
        assert (found.type, found.to_pylist()) == (carrier(kind), expected)


@pytest.mark.parametrize(
    ("array", "kind", "row", "shown"),
    [
        (pa.array([1, 128], pa.int64()), INT8, 1, "128 is no int8, which goes from -128 to 127"),
        (pa.array([1, None, -1], pa.int16()), core("uint8"), 2, "-1 is no uint8, which goes from 0 to 255"),
        (pa.array([2**63], pa.uint64()), INT64, 0, "9223372036854775808 is no int64"),
        (pa.array([1.0, 1.5]), INT32, 1, "1.5 is no int32"),
        (pa.array([1.0, math.nan]), INT32, 1, "nan is no int32"),
        (pa.array([math.inf]), INT64, 0, "inf is no int64"),
        (pa.array([True]), INT32, 0, "True is no int32"),
        (pa.array(["1"]), INT32, 0, "'1' is no int32"),
        (pa.array([True]), FLOAT64, 0, "True is no float64"),
        (pa.array([2**53 + 1]), FLOAT64, 0, "9007199254740993 is no float64"),
        (pa.array([0, 2**24 + 1]), FLOAT32, 1, "16777217 is no float32"),
        (pa.array([1.0, 1e39]), FLOAT32, 1, "1e+39 is no float32: it is too large"),
        (pa.array([1.5, 1.234]), DECIMAL, 1, "1.234 is no decimal(5,2)"),
        (pa.array([decimal.Decimal("1.234")]), DECIMAL, 0, "is no decimal(5,2)"),
        (pa.array([0, 1000]), DECIMAL, 1, "1000 is no decimal(5,2)"),
        (pa.array([1, 2]), BOOL, 1, "2 is no bool"),
        (pa.array(["abcde", "abcdef"]), TEXT, 1, "'abcdef' is no varchar(5): it has 6 characters"),
        (pa.array(["a", "b\0"]), TEXT, 1, "no NUL character"),
        (pa.array([1]), TEXT, 0, "1 is no varchar(5)"),
        (pa.array(["M", "x"]), SEX, 1, "'x' is none of the values 'M', 'F'"),
        (pa.array(["M", "x"]).dictionary_encode(), SEX, 1, "'x' is none of the values 'M', 'F'"),
        (pa.array([NOON], pa.timestamp("us")), DATE, 0, "it has a time of day"),
        (pa.array(["2024-02-30"]), DATE, 0, "'2024-02-30' is no date"),
        (pa.array([0, 1], pa.timestamp("ns")), TIMESTAMP, 1, "is no timestamp"),
        (pa.array([0, 1], pa.timestamp("ns")), DATETIME, 1, "is no datetime"),
        (pa.array([0, 1], pa.timestamp("ns", "UTC")), TIMESTAMP, 1, "is no timestamp"),
        (pa.array([0, 1], pa.time64("ns")), TIME, 1, "is no time"),
        (pa.array([UTC_NOON]), DATETIME, 0, "use timestamp for moments in UTC"),
        (pa.array([b"short"]), UUID, 0, "is no uuid"),
        (pa.array([b"short"], pa.binary(5)), UUID, 0, "is no uuid"),
        (pa.array([[1]]), INT32, 0, "[1] is no int32"),
        (pa.array([datetime.timedelta(1)]), TIME, 0, "is no time"),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_lossy_casts(array: pa.Array, kind: AttributeType, row: int, shown: str) -> None:
    """A value that the type does not hold is refused with attribute, row and value, wherever a chunk begins."""
    for form in (array, pa.chunked_array([array[:1], array[1:]])):
        error = refused_array(form, kind)
        assert error.row == row
        assert shown in str(error)
        assert str(error).startswith(f"Table 'lab.rig', attribute 'x', row {row}: ")
        assert str(error).endswith(" Nothing was written.")


def test_float_specials() -> None:
    """NaN, infinities and -0.0 go up as they are; NULL stays apart from NaN."""
    values = [math.nan, math.inf, -math.inf, -0.0, None]
    for kind in (FLOAT32, FLOAT64):
        for found in (
            from_arrow(pa.array(values), optional(kind), raising("t")),
            from_values(values, optional(kind), raising("t")),
        ):
            assert repr(found.to_pylist()) == repr(values)
            assert found.null_count == 1


def test_whole_numbers_beside_floats() -> None:
    """A whole number that float32 cannot hold is refused, also among floats, which are rounded."""
    assert refused_values([0.1, 2**24 + 1], FLOAT32).row == 1
    assert from_values([0.5, 2**24, None], optional(FLOAT32), raising("t")).to_pylist() == [0.5, 2**24, None]


def test_float32_rounds() -> None:
    """A float32 column rounds to its own precision, as the type says, also to zero."""
    found = from_arrow(pa.array([0.1, 1e-50]), required(FLOAT32), raising("t"))
    assert found.to_pylist() == [float(np.float32(0.1)), 0.0]


# --- Python values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "kind", "row"),
    [
        ([1, True], INT32, 1),
        ([1.0, True], INT32, 1),
        ([True, 1.0], FLOAT64, 0),
        ([1, np.True_], INT32, 1),
        ([2.5, np.False_], FLOAT64, 1),
        (["a", b"b"], TEXT, 1),
        ([b"M", "M"], SEX, 0),
        ([b"a", object()], BLOB, 1),
        ([1, "1"], INT32, 1),
        ([True, 2], BOOL, 1),
        ([1, 2**70], UINT64, 1),
        ([1, 2.5, "x"], INT32, 1),
        (["a", "\ud800"], TEXT, 1),
        ([UTC_NOON, "noon"], TIMESTAMP, 1),
        ([IDENTITY, "x"], UUID, 1),
        ([{}, object()], JSON, 1),
        ([1, math.nan], INT32, 1),
    ],
)
def test_mixed_values(values: list[Any], kind: AttributeType, row: int) -> None:
    """One value of the wrong kind among right ones is refused with its own row and as it was given."""
    error = refused_values(values, kind)
    assert error.row == row
    assert error.value is values[row]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2.0, np.int8(3), None], INT32, [1, 2, 3, None]),
        ([0, 2**64 - 1], UINT64, [0, 2**64 - 1]),
        ([1, 0.5, np.float32(0.25)], FLOAT64, [1.0, 0.5, 0.25]),
        ([True, None, np.True_], BOOL, [True, None, True]),
        (["a", "größe"], TEXT, ["a", "größe"]),
        (
            [1, "2.5", decimal.Decimal("3"), 4.5],
            DECIMAL,
            [decimal.Decimal(x) for x in ("1.00", "2.50", "3.00", "4.50")],
        ),
        ([UTC_NOON, NOON, "2024-10-28T12:00Z", None], TIMESTAMP, [UTC_NOON, UTC_NOON, UTC_NOON, None]),
        ([IDENTITY, str(IDENTITY), None], UUID, [IDENTITY.bytes, IDENTITY.bytes, None]),
        ([b"a", bytearray(b"b"), memoryview(b"c")], BLOB, [b"a", b"b", b"c"]),
    ],
)
def test_mixed_values_that_fit(values: list[Any], kind: AttributeType, expected: list[Any]) -> None:
    """Values of several kinds that the type holds are taken together."""
    found = from_values(values, optional(kind), raising("t"))
    assert (found.type, found.to_pylist()) == (carrier(kind), expected)


def test_json_values() -> None:
    """Python values are written as JSON: a string is a JSON string, not JSON text."""
    found = from_values(['{"a": 1}', {"a": 1}, None], optional(JSON), raising("t"))
    assert storage(found) == ['"{\\"a\\": 1}"', '{"a": 1}', None]
