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
        ("a : uint64 = 18446744073709551615", 2**64 - 1),
        ("a : float64 = 1e-3", 1e-3),
        ("a : float64 = inf", math.inf),
        ("a : float32 = -0.5", -0.5),
        ("a : decimal(5,2) = 1.5", decimal.Decimal("1.50")),
        ("a : decimal(5,2) = 999.99", decimal.Decimal("999.99")),
        ("a : bool = true", True),
        ("a : bool = FALSE", False),
        ("a : bool = 1", True),
        ("a : bool = 0", False),
        ("a : varchar(4) = 'null'", "null"),
        ("a : varchar(4) = abcd", "abcd"),
        ("a : varchar(4) = ''", ""),
        ("a : enum('M','F') = 'F'", "F"),
        ("a : enum('M','F') = F", "F"),
        ("a : enum('null','x') = 'null'", "null"),
        ("a : date = '2020-05-31'", MIDNIGHT.date()),
        ("a : date = NOW", Special.NOW),
        ("a : time = '10:20:30.5'", datetime.time(10, 20, 30, 500_000)),
        ("a : timestamp = now", Special.NOW),
        ("a : timestamp = CURRENT_TIMESTAMP", Special.NOW),
        ("a : timestamp = '2020-05-31'", MIDNIGHT.replace(tzinfo=datetime.UTC)),
        ("a : timestamp = '2020-05-31 02:00:00+02:00'", MIDNIGHT.replace(tzinfo=datetime.UTC)),
        ("a : datetime = '2020-05-31 00:00:00'", MIDNIGHT),
        ("a : datetime = NOW", Special.NOW),
        ("a : varchar(4) = NOW", "NOW"),
    ],
)
def test_defaults(text: str, expected: Default | None) -> None:
    """A default is a value of the attribute's type; `null` and `NOW` without quotes are not values."""
    found = default_of(text)
    assert (found, type(found)) == (expected, type(expected))


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
        ("a : date = 'NOW'", "'NOW' is no date."),
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
    """What is no value of the type is refused with the attribute, the line, the text and the type."""
    with pytest.raises(DefinitionError) as caught:
        default_of(text)
    assert str(caught.value).startswith("Table 'subject', line 1: default of 'a': ")
    assert str(caught.value).endswith(reason)
    assert caught.value.line == 1
