"""The types that random tables have: what can be done with their values, and values that are worth trying."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from typing import Any

TYPES: dict[str, tuple[str, tuple[Any, ...]]] = {
    "int8": ("int", (-128, -1, 0, 1, 2, 127)),
    "uint8": ("int", (0, 1, 2, 3, 255)),
    "int16": ("int", (-(2**15), -1, 0, 1, 2, 2**15 - 1)),
    "int32": ("int", (-(2**31), -1, 0, 1, 2, 2**31 - 1)),
    "uint32": ("int", (0, 1, 2, 2**32 - 1)),
    "int64": ("big", (-(2**63), -1, 0, 1, 2, 2**63 - 1)),
    "uint64": ("wide", (0, 1, 2, 2**63, 2**64 - 1)),
    "float64": ("float", (-0.0, 1.5, -2.25, 1e300, 5e-324, math.nan, math.inf, -math.inf)),
    "decimal(8,2)": ("decimal", tuple(map(decimal.Decimal, ("0.00", "1.50", "-1.25", "999999.99", "-999999.99")))),
    "bool": ("bool", (True, False)),
    "varchar(12)": ("str", ("", "x", "X", "y%", "_", "it's", 'a"b', "\\", "a\\'b", "%s", "🙂é", " x ", "NULL")),
    "enum('x','y','it''s','')": ("str", ("x", "y", "it's", "")),
    "date": ("date", (datetime.date.min, datetime.date(2024, 2, 29), datetime.date(2024, 3, 1), datetime.date.max)),
    "timestamp": (
        "timestamp",
        (
            datetime.datetime.min.replace(tzinfo=datetime.UTC),
            datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
            datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=datetime.UTC),
            datetime.datetime.max.replace(tzinfo=datetime.UTC),
        ),
    ),
    "datetime": (
        "datetime",
        (
            datetime.datetime.min,
            datetime.datetime(2024, 2, 29),
            datetime.datetime(2024, 3, 1, 12, 0, 0, 1),
            datetime.datetime.max,
        ),
    ),
    "uuid": ("uuid", (uuid.UUID(int=0), uuid.UUID(int=1), uuid.UUID(int=2**127), uuid.UUID(int=2**128 - 1))),
}
"""Type -> the kind of its values, and values: the extremes, and what is often mistaken. There is no 0.0 beside -0.0,
so that it is known which of them a group of equal values shows.
"""

KEY_TYPES = tuple(name for name in TYPES if name not in ("float64", "bool"))
"""Types of key attributes: floats would not tell rows apart, and there are few truth values."""

FAMILIES = {
    **{name: {"integer"} for name in ("int", "big", "wide")},
    **{name: {name} for name in ("float", "decimal", "date", "timestamp", "datetime", "uuid")},
    "bool": {"boolean"},
    "str": {"string", "enum"},
}
"""Kind -> the families of types that djarrow may give an attribute of this kind.

"int" are integers small enough for arithmetic; "big", those of 64 bits, and "wide", unsigned ones, are compared only.
"""
