"""Plain texts as values: of defaults, of CSV, of values given as text. What each type refuses: test_files.py."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest

from djarrow.model.texts import TRUTH, read_text
from djarrow.model.types import AttributeType, core
from djarrow.model.values import normalise

MOMENT = datetime.datetime(2024, 10, 28, 10, 20, 30, 500_000)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (core("int8"), "+007", 7),
        (core("int8"), "300", 300),
        (core("float64"), "-.5E-1", -0.05),
        (core("float32"), "-Infinity", -math.inf),
        (core("datetime"), "2024-10-28 10:20:30.500000000", MOMENT),
        (core("timestamp"), "2024-10-28T10:20:30.5+00:00", MOMENT.replace(tzinfo=datetime.UTC)),
        (core("timestamp"), "2024-10-28T10:20:30.5", MOMENT),
        (core("json"), '{"a": [1, null]}', {"a": [1, None]}),
        (core("varchar", 2), " long ", " long "),
    ],
    ids=str,
)
def test_texts(kind: AttributeType, text: str, value: Any) -> None:
    """A text becomes the value that it says; whether that is in the type's range is asked of values."""
    found = read_text(text, kind)
    assert (found, type(found)) == (value, type(value))


def test_truth() -> None:
    """Truth values are words and numbers, in capitals or not."""
    assert {text: read_text(text.upper(), core("bool")) for text in TRUTH} == TRUTH


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        (core("int8"), "1_000", "digits 0 to 9"),
        (core("float64"), "٣", "digits 0 to 9"),
        (core("decimal", 5, 2), " 1", "digits 0 to 9"),
        (core("float64"), "1e400", "too large"),
        (core("json"), "[" * 100_000, "nested too deeply"),
        (core("bool"), "yes", "truth values are true, t, 1"),
        (core("time"), "10:20:30.0000001", "nanoseconds"),
        (core("blob"), "00", "bytes have no form"),
    ],
)
def test_refused_texts(kind: AttributeType, text: str, reason: str) -> None:
    """What is no such text is refused with the reason."""
    with pytest.raises(ValueError, match=reason):
        read_text(text, kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (core("decimal", 5, 2), "1_0"),
        (core("decimal", 5, 2), "٣"),
        (core("datetime"), "2024-10-28 10:20:30.1234567"),
        (core("timestamp"), "2024-10-28 10:20:30.1234567"),
        (core("time"), "10:20:30.1234567"),
    ],
)
def test_texts_given_as_values(kind: AttributeType, text: str) -> None:
    """A value that is given as text, in a row or a condition, is read as strictly."""
    with pytest.raises(ValueError, match=f"is no {kind.row.name}"):
        normalise(text, kind)
