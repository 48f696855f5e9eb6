"""Which row has the key that the database names, as text."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import pytest

from djarrow.frame.offenders import place_of, typed
from djarrow.frame.rows import to_arrow
from djarrow.model.heading import Attribute, Heading, Special
from djarrow.model.types import AttributeType, core

IDENTITY = uuid.UUID("12345678-1234-5678-1234-567812345678")
NOON = datetime.datetime(2024, 10, 28, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (core("int32"), 5, "5"),
        (core("uint64"), 2**64 - 1, str(2**64 - 1)),
        (core("float64"), 0.5, "0.5"),
        (core("decimal", 5, 2), decimal.Decimal("1.50"), "1.50"),
        (core("varchar", 20), "a, b)=(c", "a, b)=(c"),
        (core("varchar", 20), "", ""),
        (core("enum", "a", "b"), "b", "b"),
        (core("bool"), True, "t"),
        (core("date"), datetime.date(2024, 2, 29), "2024-02-29"),
        (core("time"), datetime.time(1, 2, 3, 40), "01:02:03.00004"),
        (core("timestamp"), NOON, "2024-10-28 12:00:00+00"),
        (core("datetime"), NOON.replace(tzinfo=None), "2024-10-28 12:00:00"),
        (core("uuid"), IDENTITY, str(IDENTITY)),
    ],
    ids=str,
)
def test_a_value_of_every_type(kind: AttributeType, value: Any, text: str) -> None:
    """The text that PostgreSQL writes is found among NULLs and other values, and becomes the value."""
    heading = Heading((Attribute("x", kind, nullable=True, default=Special.NULL),), ())
    assert place_of({"x": text}, to_arrow([{"x": None}, {"x": value}], heading, "t"), heading) == 1
    found = typed({"x": text}, heading)["x"]
    assert (type(found), found) == (type(value), value)


def test_what_stays_text() -> None:
    """What is no attribute, as the expression of an index, or no value of its type, is told as the database has it."""
    heading = Heading((Attribute("a", core("int8")),), ())
    for key in ({"lower(name)": "5"}, {"a": "x"}, {"a, b": "1, 2"}):
        assert typed(key, heading) == key


def test_of_several_it_is_the_second() -> None:
    """Where the key is given twice, the second row is the one too many; a key of several attributes must fit whole."""
    heading = Heading((Attribute("a", core("int8")), Attribute("b", core("int8"), default=7)), ())
    rows = to_arrow([{"a": 1}, {"a": 2}, {"a": 1}, {"a": 1}], heading, "t")
    assert place_of({"a": "1"}, rows, heading) == 2
    assert place_of({"a": "1", "b": "7"}, rows, heading) == 2  # b is left to its default in all rows
    rows = to_arrow([{"a": 1, "b": 1}, {"a": 1, "b": 2}], heading, "t")
    assert place_of({"a": "1", "b": "2"}, rows, heading) == 1


def test_where_there_is_none() -> None:
    """No key, an unknown one, or a text that is no value of the attribute has no row."""
    heading = Heading((Attribute("a", core("int8")),), ())
    rows = to_arrow([{"a": 1}], heading, "t")
    for key in ({}, {"z": "1"}, {"a": "2"}, {"a": "x"}):
        assert place_of(key, rows, heading) is None
