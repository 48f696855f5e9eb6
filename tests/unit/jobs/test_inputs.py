"""Inputs as bytes: equal where the values are, and else not."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Any

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from djarrow.jobs.inputs import Incomparable, digest


class Color(enum.Enum):
    """Some colors."""

    RED = 1
    BLUE = 2


@attrs.frozen
class Point:
    """A record."""

    x: float
    y: float


FRAME = pl.DataFrame({"n": [1, None, 3], "s": ["x", None, "zz"], "f": [1.0, float("nan"), None], "l": [[1], None, []]})
NAN, OTHER_NAN = float("nan"), np.frombuffer(b"\x01\0\0\0\0\0\xf8\xff", "f8")[0]

SAME: list[tuple[Any, Any]] = [
    (NAN, OTHER_NAN.item()),
    ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
    ({1, "a", None}, {None, "a", 1}),
    (np.array([1.0, NAN]), np.array([1.0, OTHER_NAN])),
    (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3).copy(order="F")),
    (FRAME, pl.concat([FRAME[:1], FRAME[1:]])),
    (FRAME["s"], FRAME["s"].clone()),
    (pa.table({"a": [1, 2]}), pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})])),
    (pa.table({"s": ["a", "bc", "d"]}).slice(1), pa.table({"s": ["bc", "d"]})),
    (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]})),
    (np.array([1, "a", None], object), np.array([1, "a", None], object)),
    (bytearray(b"ab"), b"ab"),
]

OTHER: list[tuple[Any, Any]] = [
    (1, 1.0),
    (1, True),
    (0.0, -0.0),
    (None, ""),
    ("1", 1),
    (b"a", "a"),
    ((1, 2), [1, 2]),
    ([1, [2]], [[1], 2]),
    ([1, 2], [2, 1]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    ({"a"}, {"b"}),
    (Color.RED, Color.BLUE),
    (Color.RED, 1),
    (Point(1, 2), Point(2, 1)),
    (decimal.Decimal("1.0"), decimal.Decimal("1.00")),
    (uuid.UUID(int=1), uuid.UUID(int=2)),
    (datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)),
    (datetime.timedelta(1), datetime.timedelta(2)),
    (np.array([1, 2], "i4"), np.array([1, 2], "i8")),
    (np.arange(6), np.arange(6).reshape(2, 3)),
    (np.array([0.0]), np.array([-0.0])),
    (np.array([1, None], object), np.array([1, 2], object)),
    (np.zeros(2, [("a", "i4")]), np.zeros(2, [("b", "i4")])),
    (FRAME, FRAME.with_columns(n=pl.col("n") + 1)),
    (FRAME, FRAME.rename({"n": "m"})),
    (FRAME, FRAME.reverse()),
    (FRAME, FRAME.with_columns(n=pl.col("n").fill_null(0))),
    (FRAME, FRAME.with_columns(s=pl.col("s").fill_null(""))),
    (pl.DataFrame({"s": ["ab", "c"]}), pl.DataFrame({"s": ["a", "bc"]})),
    (pl.Series([1, 2]), pl.Series([1, 2], dtype=pl.Int8)),
    (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1.0, 2.0]})),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_equal_values_are_equal(one: Any, other: Any) -> None:
    """NaN equals itself, and how a value lies in memory does not matter."""
    assert digest(one) == digest(other)
    assert digest([one]) == digest([other])
    assert digest({"key": one}) == digest({"key": other})


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_values_are_not(one: Any, other: Any) -> None:
    """A type, a sign, a name or a place that differs is a difference."""
    assert digest(one) != digest(other)
    assert digest([one]) != digest([other])


@pytest.mark.parametrize(
    "value",
    [object(), pl.LazyFrame({"a": [1]}), len, Color, [1, {"a": object()}], iter([1])],
    ids=lambda value: type(value).__name__,
)
def test_what_nobody_can_compare(value: Any) -> None:
    """It is refused, with its type."""
    with pytest.raises(Incomparable, match="cannot be compared"):
        digest(value)
