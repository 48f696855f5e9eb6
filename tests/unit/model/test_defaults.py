"""Default values: the text after `=` as a value of the attribute's type."""

from __future__ import annotations

import datetime
import decimal
import math

import pytest

from djarrow.errors import DefinitionError
from djarrow.model.defaults import parse_default
from djarrow.model.definition import AttributeLine, parse_definition
from djarrow.model.heading import Default, Special
from djarrow.model.types import attribute_type


def default_of(text: str) -> Default | None:
    """The default of an attribute line."""
    (line,) = parse_definition(text, table="subject").key
    assert isinstance(line, AttributeLine)
    return parse_default(line, attribute_type(line.type_name, line.parameters), table="subject")


MIDNIGHT = datetime.datetime(2020, 5, 31)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a : int8", None),
        ("a : int8 = null", Special.NULL),
        ("a : blob = NULL", Special.NULL),
        ("a : json = null", Special.NULL),
        ("a : uuid = null", Special.NULL),
        ("a : varchar(9) = null", Special.NULL),
        ("a : int8 = -128", -128),
        ("a : int8 = '5'", 5),
        ("a : int8 = +5", 5),
        ("a : int8 = -0", 0),
        ("a : int8 = 007", 7),
        ("a : int64 = -9223372036854775808", -(2**63)),
        ("a : uint64 = 18446744073709551615", 2**64 - 1),
        ("a : float64 = 1e-3", 1e-3),
        ("a : float64 = inf", math.inf),
        ("a : float64 = -Infinity", -math.inf),
        ("a : float64 = .5", 0.5),
        ("a : float64 = 5.", 5.0),
        ("a : float64 = +1E3", 1000.0),
        ("a : float64 = '-.5e-1'", -0.05),
        ("a : float32 = 3.4e38", 3.4e38),
        ("a : float32 = 0.1", 0.1),
        ("a : float32 = 0.10000000149011612", 0.1),
        ("a : float32 = 16777217", 16777216.0),
        ("a : float32 = 3.4028235e38", 3.4028235e38),
        ("a : float32 = 1.401298464324817e-45", 1e-45),
        ("a : float32 = -0.0", -0.0),
        ("a : float64 = 0e5", 0.0),
        ("a : float32 = -inf", -math.inf),
        ("a : decimal(5,2) = 1e2", decimal.Decimal("100.00")),
        ("a : decimal(5,2) = -.5", decimal.Decimal("-0.50")),
        ("a : decimal(38,0) = " + "9" * 38, decimal.Decimal("9" * 38)),
        ("a : float32 = -0.5", -0.5),
        ("a : decimal(5,2) = 1.5", decimal.Decimal("1.50")),
        ("a : decimal(5,2) = 999.99", decimal.Decimal("999.99")),
        ("a : bool = true", True),
        ("a : bool = FALSE", False),
        ("a : bool = TRUE", True),
        ("a : bool = 'False'", False),
        ("a : bool = 1", True),
        ("a : bool = t", True),
        ("a : bool = 0", False),
        ("a : varchar(4) = 'null'", "null"),
        ("a : varchar(4) = abcd", "abcd"),
        ("a : varchar(4) = ''", ""),
        ("a : varchar(4) = größ", "größ"),
        ("a : varchar(1) = '🐭'", "🐭"),
        ("a : varchar(9) = '#:,()=\"'", '#:,()="'),
        ("a : varchar(9) = 'now()'", "now()"),
        ("a : varchar(4) = 5", "5"),
        ("a : char(4) = 'ab  '", "ab  "),
        ("a : enum('') = ''", ""),
        ("a : enum('M','F') = 'F'", "F"),
        ("a : enum('M','F') = F", "F"),
        ("a : enum('null','x') = 'null'", "null"),
        ("a : date = '2020-05-31'", MIDNIGHT.date()),
        ("a : time = '10:20:30.5'", datetime.time(10, 20, 30, 500_000)),
        ("a : date = 2020-05-31", MIDNIGHT.date()),
        ("a : date = '20200531'", MIDNIGHT.date()),
        ("a : time = '10:20'", datetime.time(10, 20)),
        ("a : timestamp = '9999-12-31 23:59:59.999999'", datetime.datetime.max.replace(tzinfo=datetime.UTC)),
        ("a : timestamp = '2020-05-31'", MIDNIGHT.replace(tzinfo=datetime.UTC)),
        ("a : timestamp = '2020-05-31 02:00:00+02:00'", MIDNIGHT.replace(tzinfo=datetime.UTC)),
        ("a : datetime = '2020-05-31 00:00:00'", MIDNIGHT),
        ("a : varchar(4) = NOW", "NOW"),
    ],
)
def test_defaults(text: str, expected: Default | None) -> None:
    """A default is a value of the attribute's type; `null` and `NOW` without quotes are not values."""
    found = default_of(text)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("kind", ["date", "timestamp", "datetime"])
@pytest.mark.parametrize("word", ["NOW", "now", "CURRENT_TIMESTAMP", "current_timestamp"])
@pytest.mark.parametrize("form", ["{}", "{}()", "{}(3)", "'{}'", '"{}()"'])
def test_the_moment_of_the_insert(kind: str, word: str, form: str) -> None:
    """NOW and CURRENT_TIMESTAMP, called or not, in quotes or not, are the moment of the insert."""
    assert default_of(f"a : {kind} = {form.format(word)}") is Special.NOW
    assert default_of(f"a = {form.format(word)} : {kind}") is Special.NOW


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"])
def test_counting(kind: str) -> None:
    """An integer with auto_increment becomes the next number."""
    assert default_of(f"a : {kind} auto_increment") is Special.AUTO


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("a : float64 auto_increment", 5, "float64 does not count up by itself: auto_increment needs an integer"),
        ("a : varchar(9) auto_increment", 5, "varchar(9) does not count up by itself"),
        ("a :  uint64 auto_increment", 6, "uint64 does not count up by itself"),
        ("a : int8 auto_increment = 5", 27, "default of 'a': an attribute that counts up by itself has no other."),
        ("a = null : int8 auto_increment", 5, "default of 'a': an attribute that counts up by itself has no other."),
    ],
)
def test_what_cannot_count(text: str, column: int, reason: str) -> None:
    """Only integers that PostgreSQL counts in can count up, and they have no other default."""
    with pytest.raises(DefinitionError) as caught:
        default_of(text)
    assert str(caught.value).startswith(f"Table 'subject', line 1, column {column}: {reason}")
    assert (caught.value.line, caught.value.column) == (1, column)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a : int8 = 128", "'128' is no int8."),
        ("a : uint8 = -1", "'-1' is no uint8."),
        ("a : int8 = 1.5", "'1.5' is no int8."),
        ("a : int8 = one", "'one' is no int8."),
        ("a : int8 = 'null'", "'null' is no int8."),
        ("a : float64 = nan", "'nan' is no float64."),
        ("a : float64 = much", "'much' is no float64."),
        ("a : decimal(5,2) = 1.234", "'1.234' is no decimal(5,2)."),
        ("a : decimal(5,2) = 1000", "'1000' is no decimal(5,2)."),
        ("a : decimal(5,2) = nan", "'nan' is no decimal(5,2)."),
        ("a : decimal(5,2) = inf", "'inf' is no decimal(5,2)."),
        ("a : bool = 2", "'2' is no bool."),
        ("a : bool = yes", "'yes' is no bool."),
        ("a : bool = ' true'", "' true' is no bool."),
        ("a : int8 = 1_0", "'1_0' is no int8."),
        ("a : int8 = ' 5'", "' 5' is no int8."),
        ("a : int8 = ३", "'३' is no int8."),
        ("a : int8 = 1e1", "'1e1' is no int8."),
        ("a : int8 = ''", "'' is no int8."),
        ("a : int8 = true", "'true' is no int8."),
        ("a : uint64 = 18446744073709551616", "'18446744073709551616' is no uint64."),
        (f"a : int8 = {'9' * 5000}", f"'{'9' * 90}'...'{'9' * 90}' is no int8."),
        ("a : float64 = 1e400", "'1e400' is no float64."),
        ("a : float32 = 1e39", "'1e39' is no float32."),
        ("a : float32 = 1e-50", "'1e-50' is no float32."),
        ("a : float64 = -1e-400", "'-1e-400' is no float64."),
        ("a : float64 = 1_0.5", "'1_0.5' is no float64."),
        ("a : float64 = 0x10", "'0x10' is no float64."),
        ("a : float64 = .", "'.' is no float64."),
        ("a : decimal(5,2) = 1e999999999", "'1e999999999' is no decimal(5,2)."),
        ("a : decimal(5,2) = ٣", "'٣' is no decimal(5,2)."),
        ("a : int8 = NOW", "'NOW' is no int8."),
        ("a : varchar(20) = now()", "'now()' is no varchar(20); write a text in quotes."),
        ("a : enum('now()') = now()", "is no enum('now()'); write a text in quotes."),
        ("a : date = CURRENT_TIMESTAMP(7)", "'CURRENT_TIMESTAMP(7)' is no date; write a text in quotes."),
        ("a : date = '2020-05-31 10:00'", "'2020-05-31 10:00' is no date."),
        ("a : date = infinity", "'infinity' is no date."),
        ("a : date = '0000-00-00'", "'0000-00-00' is no date."),
        ("a : time = '10:20:30+02:00'", "'10:20:30+02:00' is no time."),
        ("a : time = '24:00'", "'24:00' is no time."),
        ("a : time = '10:20:30.1234567'", "'10:20:30.1234567' is no time."),
        ("a : timestamp = '2020-05-31 10:20:30.1234567'", "is no timestamp."),
        ("a : timestamp = '0001-01-01 00:00:00+02:00'", "is no timestamp."),
        ("a : datetime = '2020-05-31 10:20:30.1234567'", "is no datetime."),
        ("a : timestamp = 'infinity'", "'infinity' is no timestamp."),
        ("a : varchar(4) = 'größe'", "'größe' is no varchar(4)."),
        ("a : varchar(3) = 'abcd'", "'abcd' is no varchar(3)."),
        ("a : enum('M','F') = 'X'", "'X' is no enum('M','F')."),
        ("a : date = '31.5.2020'", "'31.5.2020' is no date."),
        ("a : date = '2020-02-30'", "'2020-02-30' is no date."),
        ("a : time = NOW", "'NOW' is no time."),
        ("a : datetime = '2020-05-31 00:00:00+02:00'", "is no datetime."),
        ("a : uuid = '00000000-0000-0000-0000-000000000000'", "a uuid takes no default but null."),
        ("a : json = '{}'", "a json takes no default but null."),
        ("a : blob = 'x'", "a blob takes no default but null."),
    ],
)
def test_refused(text: str, reason: str) -> None:
    """What is no value of the type is refused with the attribute, the place, the text and the type."""
    with pytest.raises(DefinitionError) as caught:
        default_of(text)
    column = text.index("=") + 3
    assert str(caught.value).startswith(f"Table 'subject', line 1, column {column}: default of 'a': ")
    assert str(caught.value).endswith(reason)
    assert (caught.value.line, caught.value.column) == (1, column)
