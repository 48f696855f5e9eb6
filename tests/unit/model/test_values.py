"""One Python value as an attribute's type holds it: what is taken, and what is refused with a reason."""

from __future__ import annotations

import datetime
import decimal
import enum
import math
import re
import uuid
from typing import Any

import numpy as np
import pytest

from djarrow.model.types import ROWS, AttributeType, Family, core
from djarrow.model.values import normalise

INTEGERS = [core(row.name) for row in ROWS.values() if row.family is Family.INTEGER]
FLOAT32, FLOAT64 = core("float32"), core("float64")
DECIMAL = core("decimal", 5, 2)
TEXT = core("varchar", 5)
SEX = core("enum", "M", "F")
DATE, TIME, TIMESTAMP, DATETIME = core("date"), core("time"), core("timestamp"), core("datetime")
UUID, JSON, BLOB = core("uuid"), core("json"), core("blob")
ALL = [*INTEGERS, FLOAT32, FLOAT64, DECIMAL, core("bool"), TEXT, SEX, DATE, TIME, TIMESTAMP, DATETIME, UUID, JSON, BLOB]


class Sex(str, enum.Enum):  # noqa: UP042 - str() of a StrEnum gives the value, of this the name
    """An enum of Python's whose members are strings."""

    MALE = "M"


def shown(value: Any) -> str:
    """The name of a case: the same in every process, whose objects lie elsewhere."""
    return re.sub(r" at 0x\w+", "", repr(value))


def reason(value: Any, kind: AttributeType) -> str:
    """Why the value is refused."""
    with pytest.raises(ValueError, match=r"\S") as caught:
        normalise(value, kind)
    return str(caught.value)


def same(found: Any, expected: Any) -> bool:
    """Equal, also in type, in NaN and in the sign of zero."""
    return type(found) is type(expected) and repr(found) == repr(expected)


@pytest.mark.parametrize("kind", ALL, ids=str)
def test_none(kind: AttributeType) -> None:
    """None stays None for every type."""
    assert normalise(None, kind) is None


# --- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", INTEGERS, ids=str)
def test_integer_ranges(kind: AttributeType) -> None:
    """The ends of the range are taken; one further is refused with the range."""
    low, high = kind.row.minimum, kind.row.maximum
    assert low is not None
    assert high is not None
    assert same(normalise(low, kind), low)
    assert same(normalise(high, kind), high)
    for value in (low - 1, high + 1, 10**30):
        assert reason(value, kind) == f"{value} is no {kind}, which goes from {low} to {high}."


@pytest.mark.parametrize("value", [1, 1.0, np.int64(1), np.uint8(1), np.float32(1), decimal.Decimal("1.00"), 1 + 0.0])
def test_whole_numbers(value: Any) -> None:
    """Whole numbers of any type become integers."""
    assert same(normalise(value, core("int8")), 1)


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        True,
        False,
        np.True_,
        "1",
        b"1",
        math.nan,
        math.inf,
        np.float64("nan"),
        decimal.Decimal("0.1"),
        decimal.Decimal("NaN"),
        1j,
        [1],
        {},
        object(),
        np.array([1]),
        datetime.date(2020, 1, 1),
    ],
    ids=shown,
)
def test_no_integers(value: Any) -> None:
    """Fractions, booleans, text, NaN and everything else are no integers."""
    assert "is no int32" in reason(value, core("int32"))


@pytest.mark.parametrize("kind", [core("int32"), core("float64")], ids=str)
def test_text_is_no_number(kind: AttributeType) -> None:
    """Numbers as text, as csv.DictReader gives them, are refused with what to do."""
    assert reason("12", kind) == f"'12' is no {kind}: text is no number. Convert it first."


def test_a_number_is_no_text() -> None:
    """A number for a text is refused with what to do: 7 could be meant as 007."""
    assert reason(7, core("varchar", 9)) == "7 is no varchar(9): it is no text. Convert it first."


def test_huge_integer() -> None:
    """An integer that Python would not print is refused with its size."""
    text = reason(10**5000, core("int64"))
    assert text.startswith("a number of 16610 bits is no int64, which goes from")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (1.5, 1.5),
        (-0.0, -0.0),
        (math.nan, math.nan),
        (math.inf, math.inf),
        (-math.inf, -math.inf),
        (np.float32(0.5), 0.5),
        (np.float64("nan"), math.nan),
        (np.int16(3), 3.0),
        (decimal.Decimal("0.1"), 0.1),
        (5e-324, 5e-324),
        (1.7976931348623157e308, 1.7976931348623157e308),
        (2**53, 9007199254740992.0),
        (2**60, 2.0**60),
    ],
)
def test_floats(value: Any, expected: float) -> None:
    """Numbers become floats; NaN, infinities, the sign of zero and the smallest numbers survive."""
    assert same(normalise(value, FLOAT64), expected)


@pytest.mark.parametrize("value", [True, np.False_, "1.5", b"1", 1j, [1.0], 2**53 + 1, 10**400, object()], ids=shown)
def test_no_floats(value: Any) -> None:
    """Booleans, text and integers that a float cannot hold are no floats."""
    assert "is no float64" in reason(value, FLOAT64)


def test_float32_range() -> None:
    """A finite number beyond the range of a float32 is refused; the largest and the infinities are not."""
    assert normalise(3.4028234663852886e38, FLOAT32) == 3.4028234663852886e38
    assert normalise(-math.inf, FLOAT32) == -math.inf
    assert reason(3.5e38, FLOAT32) == "3.5e+38 is no float32: it is too large."


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1.00"),
        (1.1, "1.10"),
        ("1.1", "1.10"),
        ("-999.99", "-999.99"),
        (decimal.Decimal("1.500"), "1.50"),
        (decimal.Decimal("1E+2"), "100.00"),
        (0, "0.00"),
        (np.int8(7), "7.00"),
        (np.float64(0.1), "0.10"),
    ],
)
def test_decimals(value: Any, expected: str) -> None:
    """Numbers and their text become decimals of the type's scale."""
    assert same(normalise(value, DECIMAL), decimal.Decimal(expected))


@pytest.mark.parametrize(
    "value", ["1.234", 1.234, 1000, "1000", 999.995, decimal.Decimal("1E+10"), 10**40, "0.001"], ids=shown
)
def test_decimals_with_too_many_digits(value: Any) -> None:
    """A decimal that would need rounding or more digits is refused, never rounded."""
    assert "is no decimal(5,2)" in reason(value, DECIMAL)


@pytest.mark.parametrize(
    "value", [True, "one", "", b"1", "nan", "inf", math.nan, math.inf, decimal.Decimal("sNaN"), (0, (1,), 0), [1], 1j]
)
def test_no_decimals(value: Any) -> None:
    """NaN, infinities, booleans and other text are no decimals."""
    assert "is no decimal(5,2)" in reason(value, DECIMAL)


def test_widest_decimal() -> None:
    """All 38 digits are kept."""
    digits = "9" * 38
    assert str(normalise(digits, core("decimal", 38, 0))) == digits
    assert str(normalise("0." + digits, core("decimal", 38, 38))) == "0." + digits
    assert "is no decimal(38,0)" in reason("1" + "0" * 38, core("decimal", 38, 0))


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), (0, False), (1, True), (np.True_, True), (np.int8(0), False)]
)
def test_booleans(value: Any, expected: bool) -> None:
    """Booleans, 0 and 1 become booleans."""
    assert normalise(value, core("bool")) is expected


@pytest.mark.parametrize("value", [2, -1, 1.0, "true", "", b"", [], decimal.Decimal(1)], ids=shown)
def test_no_booleans(value: Any) -> None:
    """Other numbers, text and containers are no booleans."""
    assert "is no bool" in reason(value, core("bool"))


# --- text --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "abcde", "größe", "🐭🐭🐭🐭🐭", " a ", "a\nb", "null", np.str_("abc")])
def test_strings(value: str) -> None:
    """Strings are kept as they are; their length is counted in characters."""
    assert normalise(value, TEXT) == value


def test_no_strings() -> None:
    """What is too long, holds NUL or half a surrogate pair, or is no text, is refused."""
    assert reason("abcdef", TEXT) == "'abcdef' is no varchar(5): it has 6 characters."
    assert "no NUL character" in reason("a\0b", TEXT)
    assert "is no varchar(5)" in reason("\ud800", TEXT)
    for value in (1, b"a", True, ["a"], object()):
        assert "is no varchar(5)" in reason(value, TEXT)


def test_long_values_are_cut_in_the_reason() -> None:
    """A refusal shows the beginning of a long value, not all of it."""
    text = reason("x" * 10_000, TEXT)
    assert len(text) < 120
    assert "it has 10000 characters" in text


def test_enums() -> None:
    """A value of an enum is taken, also as a member of a Python enum, as a plain string."""
    assert same(normalise("F", SEX), "F")
    assert same(normalise(Sex.MALE, SEX), "M")
    assert same(normalise(np.str_("M"), SEX), "M")


@pytest.mark.parametrize("value", ["X", "m", "", 1, b"M", ["M"], np.array(["M", "F"])], ids=shown)
def test_no_enum_values(value: Any) -> None:
    """Anything else is refused with the values that there are."""
    assert reason(value, SEX).endswith("is none of the values 'M', 'F'.")


# --- moments -----------------------------------------------------------------------------------------------------

DAY = datetime.date(2024, 10, 28)
NOON = datetime.datetime(2024, 10, 28, 12, 0, 0, 1)
UTC_NOON = NOON.replace(tzinfo=datetime.UTC)
CET_NOON = NOON.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1)))


@pytest.mark.parametrize(
    "value", [DAY, "2024-10-28", datetime.datetime(2024, 10, 28), np.datetime64("2024-10-28")], ids=shown
)
def test_dates(value: Any) -> None:
    """Dates, their ISO text and midnights become dates."""
    assert same(normalise(value, DATE), DAY)


@pytest.mark.parametrize(
    "value", [NOON, UTC_NOON, datetime.datetime(2024, 10, 28, tzinfo=datetime.UTC), "28.10.2024", "2024-02-30", 1, ""]
)
def test_no_dates(value: Any) -> None:
    """A time of day, a time zone and other text make no date."""
    assert "is no date" in reason(value, DATE)


def test_times() -> None:
    """Times of day and their ISO text are taken; time zones and durations are not."""
    moment = datetime.time(10, 20, 30, 5)
    assert normalise(moment, TIME) == normalise("10:20:30.000005", TIME) == moment
    for value in ("25:00", "10:20+01:00", moment.replace(tzinfo=datetime.UTC), datetime.timedelta(1), 10, NOON):
        assert "is no time" in reason(value, TIME)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (UTC_NOON, UTC_NOON),
        (NOON, UTC_NOON),
        (CET_NOON, UTC_NOON - datetime.timedelta(hours=1)),
        ("2024-10-28T12:00:00.000001", UTC_NOON),
        ("2024-10-28 12:00:00.000001Z", UTC_NOON),
        ("2024-10-28 13:00:00.000001+01:00", UTC_NOON),
        (DAY, datetime.datetime(2024, 10, 28, tzinfo=datetime.UTC)),
        (np.datetime64("2024-10-28T12:00:00.000001"), UTC_NOON),
        (np.datetime64("2024-10-28T12:00:00.000001000", "ns"), UTC_NOON),
        (datetime.datetime.min, datetime.datetime.min.replace(tzinfo=datetime.UTC)),
    ],
)
def test_timestamps(value: Any, expected: datetime.datetime) -> None:
    """Moments become moments in UTC; those without a zone are in UTC already."""
    found = normalise(value, TIMESTAMP)
    assert (found, found.tzinfo) == (expected, datetime.UTC)


@pytest.mark.parametrize("kind", [DATE, TIMESTAMP, DATETIME], ids=str)
def test_not_a_time(kind: AttributeType) -> None:
    """NumPy's NaT is a missing value."""
    assert normalise(np.datetime64("NaT", "s"), kind) is None


@pytest.mark.parametrize("kind", [TIMESTAMP, DATETIME], ids=str)
def test_nanoseconds(kind: AttributeType) -> None:
    """A moment with nanoseconds would lose them and is refused."""
    assert "it has nanoseconds" in reason(np.datetime64("2024-10-28T12:00:00.000000001", "ns"), kind)


def test_timestamp_out_of_range() -> None:
    """A moment that leaves Python's range in UTC is refused."""
    early = datetime.datetime.min.replace(tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
    assert "is no timestamp" in reason(early, TIMESTAMP)


@pytest.mark.parametrize("value", ["noon", "", 1, 1.5, True, b"2024-10-28", datetime.time(1)], ids=shown)
@pytest.mark.parametrize("kind", [TIMESTAMP, DATETIME], ids=str)
def test_no_moments(value: Any, kind: AttributeType) -> None:
    """Numbers and other text are no moments."""
    assert f"is no {kind}" in reason(value, kind)


def test_datetimes() -> None:
    """A datetime has no time zone; one that has is refused with the type that would take it."""
    assert same(normalise(NOON, DATETIME), NOON)
    assert same(normalise("2024-10-28 12:00:00.000001", DATETIME), NOON)
    assert same(normalise(DAY, DATETIME), datetime.datetime(2024, 10, 28))
    assert "use timestamp for moments in UTC" in reason(UTC_NOON, DATETIME)
    assert "use timestamp for moments in UTC" in reason("2024-10-28T12:00Z", DATETIME)


# --- the rest ----------------------------------------------------------------------------------------------------

IDENTITY = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    "value", [IDENTITY, str(IDENTITY), IDENTITY.hex, f"{{{IDENTITY}}}", IDENTITY.urn, IDENTITY.bytes], ids=shown
)
def test_uuids(value: Any) -> None:
    """A UUID is taken in each of its usual forms."""
    assert same(normalise(value, UUID), IDENTITY)


@pytest.mark.parametrize("value", ["", "1234", "g" * 32, b"short", IDENTITY.int, 1.5, IDENTITY.fields], ids=shown)
def test_no_uuids(value: Any) -> None:
    """Other text, bytes of another length and numbers are no UUIDs."""
    assert "is no uuid" in reason(value, UUID)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None, True, 1.5]}, '{"a": [1, null, true, 1.5]}'),
        ([], "[]"),
        ("text", '"text"'),
        ("größe 🐭", '"größe 🐭"'),
        ("back\\u0000slash", r'"back\\u0000slash"'),
        (0, "0"),
        (False, "false"),
        (2**70, "1180591620717411303424"),
    ],
)
def test_json(value: Any, expected: str) -> None:
    """Values of JSON are written as JSON; text is a JSON string."""
    assert normalise(value, JSON) == expected


def test_no_json() -> None:
    """What JSON or PostgreSQL cannot hold is refused: NaN, NUL, sets, bytes, cycles, endless nesting."""
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in ({"a": math.nan}, [math.inf], {1, 2}, b"a", {"a": object()}, circle, DAY, "\ud800"):
        assert "is no json" in reason(value, JSON)
    assert reason({"a": [1, {"b": DAY}]}, JSON).endswith(f": {DAY!r} is nothing that JSON can say. Convert it first.")
    assert ": the name (1, 2) is nothing that JSON can say" in reason({(1, 2): 3}, JSON)
    assert "no NUL character" in reason({"a": ["x\0y"]}, JSON)
    assert "no NUL character" in reason({"x\\\0": 1}, JSON)
    assert "is no json" in reason(deep, JSON)


@pytest.mark.parametrize("value", [b"", b"\0\xff", bytearray(b"ab"), memoryview(b"ab")], ids=shown)
def test_blobs(value: Any) -> None:
    """Bytes in any form become bytes."""
    assert same(normalise(value, BLOB), bytes(value))


@pytest.mark.parametrize("value", ["text", 1, [1, 2], np.arange(3), {}], ids=shown)
def test_no_blobs(value: Any) -> None:
    """Other values are not what a blob stores."""
    assert "is no blob: stored bytes are compared" in reason(value, BLOB)


@pytest.mark.parametrize("kind", ALL, ids=str)
def test_strange_values(kind: AttributeType) -> None:
    """Whatever the value is, a refusal is a ValueError that names the type or its values."""
    for value in (object(), ..., np.array([1, 2]), np.array(1j), {1: object()}, lambda: None, type, iter(())):
        text = reason(value, kind)
        assert str(kind) in text or "none of the values" in text
